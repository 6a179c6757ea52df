"""The DICOM conformance statement, made of the tables that the code uses (PS3.2 Annex N).

python -m leadglass.conformance > docs/reference/dicom-conformance.md
"""
