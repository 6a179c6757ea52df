"""What `leadglass demo` shows: made-up people, real images, and beside the archive an old PACS open to all.

people, images   data; images under made-up identities, made in memory
old_pacs         the old PACS: a process of its own, on loopback only, without a home and without keys

No server knows this package: nothing of it can get into `leadglass serve`.
"""
