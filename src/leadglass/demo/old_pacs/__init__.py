"""The old PACS of the demo: it answers every stranger, as those did that the surveys found.

    python -m leadglass.demo.old_pacs --listen 127.0.0.1:4242

Made-up patients, real images; C-ECHO, C-FIND, C-GET, C-MOVE and C-STORE for whoever asks, whatever it calls
itself. It is here to be scanned and to be guarded. It listens on loopback and nowhere else, holds what it has
in memory, has no home and no key, and ends with whoever started it.

holdings    what it holds, and which of it a query is about
queries     C-FIND
retrieving  C-GET and C-MOVE
services    who may come in (everybody), C-STORE, and which handler does what
__main__    the process
"""
