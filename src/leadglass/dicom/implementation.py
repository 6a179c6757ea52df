"""How this implementation names itself to others (PS3.7 D.3.3.2, PS3.10 7.1).

The UID is derived from a UUID (PS3.5 B.2), so it needs no registration.
"""

from __future__ import annotations

from typing import Final

IMPLEMENTATION_CLASS_UID: Final = "2.25.186054065090526225183116428126993242998"
IMPLEMENTATION_VERSION_NAME: Final = "LEADGLASS_0_1"  # at most 16 characters
