"""DIMSE services: what scanners, workstations and other archives ask of this one."""
