"""What we ask of other archives: are you there, what have you, give me this, take that.

target       whom to call: `AET@host:port`, and what protects the way there
association  what we propose, and what a rejection means
verify       C-ECHO
query        C-FIND: keys to an identifier, responses to rows
contexts     which presentation contexts a C-GET proposes before anybody knows what is to come
retrieve     C-GET and C-MOVE
receive      what a C-GET brings, on its way into the archive
send, files  C-STORE: stored objects, and files
windows      a study list in parts that other archives are willing to answer
listing      which parts to ask for, and when the list is whole
pace         so many a second, between such and such hours
migrate      all of another archive into this one, and whether it is all
"""
