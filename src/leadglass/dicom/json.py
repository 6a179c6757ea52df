"""The DICOM JSON Model (PS3.18 Annex F)."""

from __future__ import annotations

import math
from binascii import b2a_base64
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import orjson

from leadglass.dicom.charset import DEFAULT, Charset, charset_of
from leadglass.dicom.dictionary import VR_BY_TAG
from leadglass.dicom.elements import Bulk, DataSet, Element
from leadglass.dicom.values import BINARY_NUMBER_VRS, PersonName, decimal, integer, numbers, tags, texts

Path: TypeAlias = tuple[int, ...]
BulkDataURI: TypeAlias = Callable[[Path, Element], str | None]

_COUNTED: Final = BINARY_NUMBER_VRS | {"AT"}  # VRs whose length must be a multiple of something
_KEYS: Final = {tag: f"{tag:08X}" for tag in VR_BY_TAG}


def _one(element: Element) -> str | None:
    """The common case without detours: the only value, ASCII in any character set. None if it is not so."""
    raw = element.value
    if isinstance(raw, bytes) and raw.isascii() and b"\\" not in raw and b"\x1b" not in raw:
        return raw.decode("ascii").rstrip(" \0")
    return None


def _text(element: Element, charset: Charset) -> list[Any]:
    value = _one(element)
    if value is None:
        return [value or None for value in texts(element, charset)]
    return [value] if value else []


def _code(element: Element, charset: Charset) -> list[Any]:
    """AE and CS: leading spaces do not count either."""
    value = _one(element)
    if value is None:
        return [value or None for value in texts(element, charset)]
    value = value.lstrip(" ")
    return [value] if value else []


def _name(element: Element, charset: Charset) -> list[Any]:
    value = _one(element)
    if value is None or "=" in value:
        return [_groups(PersonName.parse(value)) for value in texts(element, charset)]
    return [{"Alphabetic": value}] if value else []


def _groups(name: PersonName) -> dict[str, str] | None:
    groups = {
        "Alphabetic": name.alphabetic,
        "Ideographic": name.ideographic,
        "Phonetic": name.phonetic,
    }
    return {group: value for group, value in groups.items() if value} or None


def _integers(element: Element, charset: Charset) -> list[Any]:
    # Table F.2.3-1 lets IS and DS be strings too: what is no number is passed on as it is.
    return [_number(value, integer(value)) for value in texts(element, charset)]


def _decimals(element: Element, charset: Charset) -> list[Any]:
    return [_number(value, decimal(value)) for value in texts(element, charset)]


def _number(value: str, number: float | None) -> float | str | None:
    return (value or None) if number is None else number


def _binary_numbers(element: Element, _: Charset) -> list[Any]:
    return list(numbers(element))


def _floats(element: Element, _: Charset) -> list[Any]:
    # JSON has no number for these; strings are what other implementations read back.
    return [n if math.isfinite(n) else _not_finite(n) for n in numbers(element)]


def _not_finite(n: float) -> str:
    return "NaN" if math.isnan(n) else "inf" if n > 0 else "-inf"


def _tags(element: Element, _: Charset) -> list[Any]:
    return [f"{tag:08X}" for tag in tags(element)]


_VALUES: Final[dict[str, Callable[[Element, Charset], list[Any]]]] = {
    **dict.fromkeys(("AE", "CS"), _code),
    **dict.fromkeys(("AS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"), _text),
    **dict.fromkeys(BINARY_NUMBER_VRS, _binary_numbers),
    **dict.fromkeys(("FD", "FL"), _floats),
    "AT": _tags,
    "DS": _decimals,
    "IS": _integers,
    "PN": _name,
}


def to_json(
    elements: DataSet,
    *,
    bulk: BulkDataURI | None = None,
    bulk_threshold: int = 1024,
    around: Charset = DEFAULT,
) -> dict[str, Any]:
    """A data set as a DICOM JSON Model object.

    Binary values longer than `bulk_threshold` bytes become a BulkDataURI that `bulk(path, element)` names;
    path is (tag,) or (tag, item index, …, tag). Without `bulk` they are inlined, except `Bulk` values, which
    are not held and are left without value. Group Length is left out (F.2.2); empty values are null (F.2.5).
    """
    return _Writer(bulk, bulk_threshold).data_set(elements, around, ())


def dumps(elements: DataSet, **options: Any) -> bytes:
    """`to_json` as UTF-8 bytes."""
    return orjson.dumps(to_json(elements, **options))


class _Writer:
    def __init__(self, bulk: BulkDataURI | None, threshold: int) -> None:
        self._bulk = bulk
        self._threshold = threshold

    def data_set(self, elements: DataSet, around: Charset, path: Path) -> dict[str, Any]:
        charset = charset_of(elements, around)
        found: dict[str, Any] = {}
        keys, conversions = _KEYS, _VALUES
        for element in elements.values():
            tag, vr, value = element
            if not tag & 0xFFFF:
                continue
            attribute: dict[str, Any] = {"vr": vr}
            convert = conversions.get(vr)
            if convert is None:
                self._other(attribute, element, charset, path)
            elif value:
                values = convert(element, charset)
                if values:
                    attribute["Value"] = values
                elif vr in _COUNTED:
                    # No whole number of values: nobody knows what it is, and UN says so.
                    attribute["vr"] = "UN"
                    self._other(attribute, element, charset, path)
            found[keys.get(tag) or f"{tag:08X}"] = attribute
        return found

    def _other(self, attribute: dict[str, Any], element: Element, charset: Charset, path: Path) -> None:
        """Sequences and binary values."""
        value, here = element.value, (*path, element.tag)
        if isinstance(value, tuple):
            items = [self.data_set(item, charset, (*here, i)) for i, item in enumerate(value)]
            if items:
                attribute["Value"] = items
        elif isinstance(value, Bulk) or (self._bulk is not None and len(value) > self._threshold):
            uri = self._bulk(here, element) if self._bulk is not None else None
            if uri is not None:
                attribute["BulkDataURI"] = uri
        elif value:
            attribute["InlineBinary"] = b2a_base64(value, newline=False).decode("ascii")
