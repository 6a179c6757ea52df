"""Where two data sets differ, attribute by attribute, in words: at the top level and in every item.

Bounded: so many lines, so many characters of a value. Private and binary values are told by their size alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Final

from leadglass.dicom.charset import DEFAULT, Charset, charset_of
from leadglass.dicom.dictionary import format_tag, is_private, name_of, uid_name
from leadglass.dicom.elements import Bulk, DataSet, Element
from leadglass.dicom.values import BINARY_NUMBER_VRS, TEXT_VRS, numbers, tags, texts

MOST_LINES: Final = 300
MOST_TEXT: Final = 200  # characters of one value
_MOST_NUMBERS: Final = 16
_CONTROL: Final = dict.fromkeys((*range(32), 127), " ")


@dataclass(frozen=True, slots=True)
class Difference:
    """One attribute. `name` leads through the sequences around it; a value is None where it is absent, and ''
    where it is empty."""

    tag: str
    name: str
    here: str | None
    there: str | None


@dataclass(frozen=True, slots=True)
class _Side:
    """A data set, and the character set of what is around it."""

    elements: DataSet
    charset: Charset

    @classmethod
    def of(cls, elements: DataSet, around: Charset = DEFAULT) -> _Side:
        return cls(elements, charset_of(elements, around))


def differences(
    here: DataSet, there: DataSet, *, only: frozenset[int] | None = None, most: int = MOST_LINES
) -> tuple[tuple[Difference, ...], bool]:
    """The lines in order of tags, at most `most`, and whether there are more. `only` names top-level tags."""
    found = _compared(_Side.of(here), _Side.of(there), "", lambda tag: only is None or tag in only)
    lines = tuple(islice(found, most + 1))
    return lines[:most], len(lines) > most


def listed(
    elements: DataSet, *, only: frozenset[int] | None = None, most: int = MOST_LINES
) -> tuple[Difference, ...]:
    """What one data set says, as if the other said nothing."""
    return differences({}, elements, only=only, most=most)[0]


def _compared(here: _Side, there: _Side, within: str, wanted: Callable[[int], bool]) -> Iterator[Difference]:
    for tag in sorted(here.elements.keys() | there.elements.keys()):
        if not tag & 0xFFFF or not wanted(tag):  # group lengths are of the encoding (PS3.5 7.2)
            continue
        one, other = here.elements.get(tag), there.elements.get(tag)
        if one == other and not isinstance(one and one.value, tuple) and here.charset == there.charset:
            continue
        name = within + (name_of(tag) or ("Private attribute" if is_private(tag) else "Unknown attribute"))
        if is_private(tag) or not _is_sequence(one, other):
            if not _is_same((one, here), (other, there)):
                yield Difference(format_tag(tag), name, _said(one, here.charset), _said(other, there.charset))
            continue
        yield from _items(tag, name, (one, here), (other, there))


def _is_same(here: tuple[Element | None, _Side], there: tuple[Element | None, _Side]) -> bool:
    """Text by its characters, whatever its bytes; padding counts nowhere."""
    (one, left), (other, right) = here, there
    if one is None or other is None:
        return False
    if one.vr == other.vr and one.vr in TEXT_VRS:
        return texts(one, left.charset) == texts(other, right.charset)
    if isinstance(one.value, bytes) and isinstance(other.value, bytes):
        return one.value.rstrip(b" \0") == other.value.rstrip(b" \0")
    return one.value == other.value


def _is_sequence(one: Element | None, other: Element | None) -> bool:
    return all(element is None or isinstance(element.value, tuple) for element in (one, other))


def _items(
    tag: int, name: str, here: tuple[Element | None, _Side], there: tuple[Element | None, _Side]
) -> Iterator[Difference]:
    """Item by item, in their order."""
    sides = [(element, side, _held(element)) for element, side in (here, there)]
    (one, left, mine), (other, right, theirs) = sides
    if (one is None) != (other is None) or len(mine) != len(theirs):
        yield Difference(format_tag(tag), name, _counted(one), _counted(other))
    empty: DataSet = {}
    for number, (first, second) in enumerate(zip_longest(mine, theirs, fillvalue=empty), 1):
        place = f"{name} {number} › "
        yield from _compared(
            _Side.of(first, left.charset), _Side.of(second, right.charset), place, lambda _: True
        )


def _held(element: Element | None) -> tuple[DataSet, ...]:
    return element.value if element is not None and isinstance(element.value, tuple) else ()


def _counted(element: Element | None) -> str | None:
    if element is None:
        return None
    count = len(_held(element))
    return f"{count} {'item' if count == 1 else 'items'}"


def _said(element: Element | None, charset: Charset) -> str | None:
    """A value for people to read."""
    if element is None:
        return None
    value = element.value
    if isinstance(value, Bulk):
        return f"{value.length:,} bytes"
    if isinstance(value, tuple):
        return f"private, {_counted(element)}" if is_private(element.tag) else _counted(element)
    if is_private(element.tag):
        return f"private, {len(value):,} bytes"
    if not value:
        return ""
    return _cut(_text(element, charset, len(value)))


def _text(element: Element, charset: Charset, size: int) -> str:
    unreadable = f"unreadable, {size:,} bytes"
    if element.vr == "UI":
        return ", ".join(map(_uid, texts(element)))
    if element.vr in TEXT_VRS:
        return "\\".join(texts(element, charset)).translate(_CONTROL)
    if element.vr in BINARY_NUMBER_VRS:
        found = numbers(element)
        shown = "\\".join(map(_number, found[:_MOST_NUMBERS]))
        return shown + ("\\…" if len(found) > _MOST_NUMBERS else "") if found else unreadable
    if element.vr == "AT":
        return ", ".join(map(format_tag, tags(element)[:_MOST_NUMBERS])) or unreadable
    return f"{size:,} bytes"


def _number(number: float) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)


def _uid(uid: str) -> str:
    uid = uid.translate(_CONTROL)
    name = uid_name(uid)
    return uid if name == uid else f"{uid} ({name})"


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else text[:MOST_TEXT] + "…"
