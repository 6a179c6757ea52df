"""DIMSE messages (PS3.7) as values: fragments in, commands and chunks of data sets out. No socket."""
