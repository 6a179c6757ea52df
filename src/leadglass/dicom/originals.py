"""Original Attributes Sequence (0400,0561): what an object said before it was changed (PS3.3 C.12.1.1.9).

Source of Previous Values          where the object came from
Attribute Modification DateTime    when, in UTC
Modifying System                   who changed it
Reason for the Modification        CORRECT
Modified Attributes Sequence       the values before, one item; empty for what was absent or illegal
Nonconforming Modified Attributes  the bytes of what was illegal, one item each
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from leadglass.dicom.dictionary import TAG_BY_KEYWORD
from leadglass.dicom.elements import DataSet, Element
from leadglass.dicom.writer import number_value, tag_value

ORIGINAL_ATTRIBUTES: Final = TAG_BY_KEYWORD["OriginalAttributesSequence"]
_LONG_STRING: Final = 64  # characters of LO (PS3.5 Table 6.2-1)


def with_originals(
    before: Element | None,
    changed: Iterable[Element],
    illegal: Iterable[Element] = (),
    *,
    source: str,
    system: str,
    now: int,
) -> Element:
    """The sequence with one more item. `before` is what it held; the items in it stay.

    `changed` are the previous values, empty for what was absent; `illegal` those whose value breaks the rules
    of its VR. `source` and `system` are cut to what LO holds, and to ASCII. `now` is in ms, UTC.
    """
    item = _data_set(
        _modified(tuple(changed), tuple(illegal)),
        *_nonconforming(tuple(illegal)),
        _text("AttributeModificationDateTime", "DT", _moment(now)),
        _text("ModifyingSystem", "LO", system),
        _text("SourceOfPreviousValues", "LO", source),
        _text("ReasonForTheAttributeModification", "CS", "CORRECT"),
    )
    items = before.value if before is not None and isinstance(before.value, tuple) else ()
    return Element(ORIGINAL_ATTRIBUTES, "SQ", (*items, item))


def _modified(changed: tuple[Element, ...], illegal: tuple[Element, ...]) -> Element:
    emptied = (element._replace(value=b"") for element in illegal)
    return Element(TAG_BY_KEYWORD["ModifiedAttributesSequence"], "SQ", (_data_set(*changed, *emptied),))


def _nonconforming(illegal: tuple[Element, ...]) -> tuple[Element, ...]:
    if not illegal:
        return ()
    items = tuple(
        _data_set(
            Element(TAG_BY_KEYWORD["SelectorAttribute"], "AT", tag_value(element.tag)),
            Element(TAG_BY_KEYWORD["SelectorValueNumber"], "US", number_value("US", 1)),
            Element(TAG_BY_KEYWORD["NonconformingDataElementValue"], "OB", element.value),
        )
        for element in illegal
    )
    return (Element(TAG_BY_KEYWORD["NonconformingModifiedAttributesSequence"], "SQ", items),)


def _data_set(*elements: Element) -> DataSet:
    return {element.tag: element for element in sorted(elements, key=lambda element: element.tag)}


def _text(keyword: str, vr: str, text: str) -> Element:
    raw = text.replace("\\", " ").encode("ascii", "replace")[:_LONG_STRING]
    return Element(TAG_BY_KEYWORD[keyword], vr, raw)


def _moment(now: int) -> str:
    """DT with its offset from UTC (PS3.5 6.2)."""
    return f"{datetime.fromtimestamp(now / 1000, UTC):%Y%m%d%H%M%S}.{now % 1000:03}+0000"
