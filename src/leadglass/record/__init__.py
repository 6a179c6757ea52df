"""The access record: who saw what, when and why, so that nobody can rewrite it unnoticed.

The format is in docs/design/record.md.
"""
