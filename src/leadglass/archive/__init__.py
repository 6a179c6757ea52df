"""Use cases: where the listeners meet, and where policy, record, index and store are brought together.

Everything here blocks and may be called from any thread. Nothing here knows HTTP or DIMSE.
"""
