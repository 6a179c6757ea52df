"""A data set's text in UTF-8 while it streams, for what its own character set has no characters for.

`texts` finds what of it has to be written anew, which costs less; this here writes all of it.

Text is decoded by the character set that holds for it (PS3.3 C.12.1.1.2) and written in the new one. What is
not legal in the old one stays byte for byte, and so do items that have a character set of their own, values
of VR UN, and all that is no text. Lengths of sequences and items become delimiters, as in `transcode`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from leadglass.dicom.charset import UTF_8, Charset, charset, charset_of
from leadglass.dicom.dictionary import (
    SPECIFIC_CHARACTER_SET,
    TransferSyntax,
    format_tag,
    is_private_creator,
)
from leadglass.dicom.elements import DataSet, Element, Limits
from leadglass.dicom.encoding import Head
from leadglass.dicom.frames import Frame
from leadglass.dicom.transcode import Rewriter
from leadglass.dicom.values import ENCODED_VRS
from leadglass.dicom.writer import padded
from leadglass.errors import LimitExceeded

TERM: Final = padded("CS", UTF_8.encode("ascii"))
_UNICODE: Final = charset((UTF_8,))
_BAD: Final = "\ufffd"


def in_utf8(chunks: Iterable[bytes], syntax: TransferSyntax, limits: Limits) -> Iterator[bytes]:
    """The data set (inflated, in any transfer syntax) with its text in UTF-8, in chunks. Raises as
    `transcode`, also after chunks came out."""
    return _Recoder(syntax, syntax, limits, is_canonical=True).rewritten(chunks)


class _Recoder(Rewriter):
    """Writes everything as the rewriter does, but for text."""

    _announced = False

    def _element(self, frame: Frame) -> bool:
        """Before the first element that stands behind it, Specific Character Set is put in."""
        window = self._window
        if frame is self._top and not self._announced and not window.lacks(window.at + 8):
            group, number, _ = frame.encoding.implicit_head(window.buffer, window.at)
            if group << 16 | number > SPECIFIC_CHARACTER_SET:
                self._announce()
        return super()._element(frame)

    def rewritten(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        yield from super().rewritten(chunks)
        if not self._announced:
            yield self._to.head(SPECIFIC_CHARACTER_SET, "CS", len(TERM)) + TERM

    def _announce(self) -> None:
        self._announced = True
        self._out += (self._to.head(SPECIFIC_CHARACTER_SET, "CS", len(TERM)), TERM)

    def _value(self, frame: Frame, head: Head, vr: str) -> bool:
        window, stop = self._window, head.body + head.length
        is_charset = head.tag == SPECIFIC_CHARACTER_SET
        if not is_charset and vr not in ENCODED_VRS:
            return super()._value(frame, head, vr)
        if head.length > self._limits.value_bytes:
            raise LimitExceeded(f"A value that is too long: {format_tag(head.tag)}.", code="value-bytes")
        if window.lacks(stop):
            return False
        raw = window.buffer[head.body : stop]
        if is_charset:
            self._budget.hold(len(raw))
            frame.elements[head.tag] = Element(head.tag, "CS", raw)
            if frame is self._top:
                self._budget.element()
                if not self._announced:
                    self._announce()
                window.at = stop
                return True
            return super()._value(frame, head, vr)
        if is_private_creator(head.tag):  # the VRs of its block depend on it
            self._budget.hold(len(raw))
            frame.elements[head.tag] = Element(head.tag, vr, raw)
        new = padded(vr, self._recoded(frame, raw, vr))
        self._budget.element()
        self._out += (self._to.head(head.tag, vr, len(new)), new)
        window.at = stop
        return True

    def _recoded(self, frame: Frame, raw: bytes, vr: str) -> bytes:
        around = next((one for one in frame.data_sets_outwards() if SPECIFIC_CHARACTER_SET in one), {})
        if around and around is not self._top.elements:
            return raw
        return recoded(raw, vr, charset_of(around))


def recoded(raw: bytes, vr: str, came: Charset) -> bytes:
    """A text in UTF-8; what is not legal in the character set that it came in stays as it is."""
    text = came.decode(raw, name=vr == "PN")
    new = _UNICODE.encode(text)
    return raw if new is None or _BAD in text or "\x1b" in text else new


def elements_in_utf8(elements: DataSet, around: Charset) -> DataSet:
    """As the data set would have them, Specific Character Set left out."""
    return {
        tag: _in_utf8(element, around) for tag, element in elements.items() if tag != SPECIFIC_CHARACTER_SET
    }


def _in_utf8(element: Element, around: Charset) -> Element:
    value = element.value
    if isinstance(value, tuple):
        items = (item if SPECIFIC_CHARACTER_SET in item else elements_in_utf8(item, around) for item in value)
        return element._replace(value=tuple(items))
    if isinstance(value, bytes) and element.vr in ENCODED_VRS:
        return element._replace(value=recoded(value, element.vr, around))
    return element
