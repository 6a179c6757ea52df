"""The DICOM upper layer (PS3.8) as values and tables: bytes in, events out, no socket, no clock."""
