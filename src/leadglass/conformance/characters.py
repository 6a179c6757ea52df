"""Which character sets are read, matched and written."""

from __future__ import annotations

from typing import Final

from leadglass.conformance.markdown import code, table
from leadglass.dicom.charset import UTF_8

# Defined Terms (PS3.3 C.12.1.1.2), and what they are called.
SINGLE: Final = {
    "ISO_IR 6": "default repertoire",
    "ISO_IR 100": "Latin alphabet No. 1",
    "ISO_IR 101": "Latin alphabet No. 2",
    "ISO_IR 109": "Latin alphabet No. 3",
    "ISO_IR 110": "Latin alphabet No. 4",
    "ISO_IR 144": "Cyrillic",
    "ISO_IR 127": "Arabic",
    "ISO_IR 126": "Greek",
    "ISO_IR 138": "Hebrew",
    "ISO_IR 148": "Latin alphabet No. 5",
    "ISO_IR 203": "Latin alphabet No. 9",
    "ISO_IR 13": "Japanese, JIS X 0201",
    "ISO_IR 166": "Thai",
}
MULTI_BYTE: Final = {
    "ISO 2022 IR 87": "Japanese, JIS X 0208",
    "ISO 2022 IR 159": "Japanese, JIS X 0212",
    "ISO 2022 IR 149": "Korean",
    "ISO 2022 IR 58": "Simplified Chinese",
}
ALONE: Final = {"ISO_IR 192": "Unicode in UTF-8", "GB18030": "Chinese", "GBK": "Chinese"}


def extended(term: str) -> str:
    """The term of a single-byte set with code extensions."""
    return term.replace("ISO_IR", "ISO 2022 IR")


def values() -> dict[str, object]:
    rows = [
        *((code(term), code(extended(term)), name) for term, name in SINGLE.items()),
        *(("", code(term), name) for term, name in MULTI_BYTE.items()),
        *((code(term), "", name) for term, name in ALONE.items()),
    ]
    return {"terms": table(("alone", "with code extensions", "what"), rows), "utf_8": code(UTF_8)}
