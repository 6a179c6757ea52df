"""What the estate's patients are made of. Whoever finds one of these in a log, a report or a database has
found a leak: nothing else in the world is spelled so."""

from __future__ import annotations

from typing import Final

NAME: Final = "Zzplanted"
PATIENT_ID: Final = "ZZPID"
BORN: Final = "1888"  # the year of everybody's birth
OTHER_ID: Final = "ZZSSN"
ADDRESS: Final = "Zzstreet"
PHONE: Final = "ZZTEL"
DOCTOR: Final = "Zzdoctor"
CLINIC: Final = "Zzclinic"
ACCESSION: Final = "ZZACC"
DESCRIPTION: Final = "Zzfinding"

# To be searched for in any case of letters. The year is no word: it may stand in any number.
WORDS: Final = (NAME, PATIENT_ID, OTHER_ID, ADDRESS, PHONE, DOCTOR, CLINIC, ACCESSION, DESCRIPTION)
