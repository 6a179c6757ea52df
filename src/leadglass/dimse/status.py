"""Status codes (PS3.7 Annex C) and what each service class means by them (PS3.4)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Category(StrEnum):
    """PS3.7 C.1 to C.5."""

    SUCCESS = "success"
    PENDING = "pending"
    CANCEL = "cancel"
    WARNING = "warning"
    FAILURE = "failure"


SUCCESS: Final = 0x0000
PENDING: Final = 0xFF00
PENDING_WITH_WARNING: Final = 0xFF01  # optional keys were not all supported (PS3.4 C.4.1.1.4)
CANCEL: Final = 0xFE00

_BY_CODE: Final = {
    SUCCESS: Category.SUCCESS,
    PENDING: Category.PENDING,
    PENDING_WITH_WARNING: Category.PENDING,
    CANCEL: Category.CANCEL,
    0x0001: Category.WARNING,
    0x0107: Category.WARNING,  # attribute list error (PS3.7 C.4.2)
    0x0116: Category.WARNING,  # attribute value out of range (PS3.7 C.4.3)
}


def category(code: int) -> Category:
    """Of any status, known or not. What the Standard leaves open is a failure."""
    known = _BY_CODE.get(code)
    if known is not None:
        return known
    return Category.WARNING if code >> 12 == 0xB else Category.FAILURE
