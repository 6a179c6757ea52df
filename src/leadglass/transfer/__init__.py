"""What we ask of other archives: are you there, what have you, give me this, take that.

target    whom to call: `AET@host:port`, and what protects the way there
client    one association at a time: echo, find, get, move, send
windows   a study list in parts that other archives are willing to answer
migrate   all of another archive into this one, and whether it is all
"""
