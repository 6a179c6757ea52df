"""Who asks, and what they may do.

principal    who: a user's session, a token, an AE, an operator; and from where (pure)
actions      what may be done, and which action each DIMSE service asks for (pure)
policy       the rights table, `decide` and `narrow` (pure)
reference    the rights table as a page of the documentation (pure)
passwords    what a password has to be, and argon2id
credentials  random secrets handed out once and kept as digests
departments  the groups that studies and readers belong to
users        accounts: role, departments, password hash
throttle     the pause that follows many wrong passwords
identity     sign-in: read a candidate, verify outside any transaction, settle in one
sessions     what a browser holds after it
tokens       what a program holds instead
assertions   another system's word for a user: JSON Web Tokens
setup        the one-time link that makes the first system administrator
addresses    where an AE is, and which addresses are it (pure)
plans        what an AE is to be (pure)
peers        known AEs: titles bound to certificates or addresses
certificates X.509: made by the archive's authority or brought along (pure)
authority    the archive's own two key pairs at rest

Reads take a connection, writes take a transaction: the caller puts its record entry into the same one.
"""
