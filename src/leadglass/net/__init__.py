"""The asyncio edge of the DICOM network stack: a byte pump around `ul` and `dimse`.

Nothing here knows an archive. Whoever listens passes in who is admitted and what handles a message.
"""
