"""The scanner's two hot loops: runs of plain elements, several hundred to a header.

A loop takes elements while they are plain (a VR it knows, a short value, all bytes there) and stops at the
first that is not; the scanner takes that one by the book. Nothing here waits, raises or opens a level.
Both return how many elements were passed and how many bytes are now held for them.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from leadglass.dicom.dictionary import PIXEL_DATA_TAGS, VR_BY_TAG
from leadglass.dicom.elements import ELEMENT_COST, Element
from leadglass.dicom.encoding import SHORT_VRS
from leadglass.dicom.frames import Frame
from leadglass.dicom.window import Window

FIRST_PIXEL_TAG: Final = min(PIXEL_DATA_TAGS)
FIRST_TAG: Final = 0x00010000  # group 0000 is for commands (PS3.7 6.3.1); zeros in a damaged file read so too

# Element(*fields) in half the time: what NamedTuple's own constructor does, without the call in between.
_new: Final = tuple.__new__

# Standard tags whose VR implies a short value and needs no second thought.
PLAIN_VRS: Final = {tag: vr for tag, vr in VR_BY_TAG.items() if vr in SHORT_VRS.values()}
_SHORT: Final = 0xFFFF


def explicit_run(window: Window, frame: Frame, wanted: Container[int], affordable: int) -> tuple[int, int]:
    """Explicit VR little endian."""
    buffer, at = window.buffer, window.at
    end = min(len(buffer), frame.end - window.base)
    head, short, elements = frame.encoding.explicit_head, SHORT_VRS, frame.elements
    count = held = 0
    while end - at >= 8:
        group, number, code, length = head(buffer, at)
        tag = group << 16 | number
        stop = at + 8 + length
        if code not in short or stop > end or not FIRST_TAG <= tag < FIRST_PIXEL_TAG:
            break
        if tag in wanted:
            held += length + ELEMENT_COST
            if tag in elements or held > affordable:
                held -= length + ELEMENT_COST
                break  # the scanner will refuse it
            elements[tag] = _new(Element, (tag, short[code], buffer[at + 8 : stop]))
        count += 1
        at = stop
    window.at = at
    return count, held


def implicit_run(window: Window, frame: Frame, wanted: Container[int], affordable: int) -> tuple[int, int]:
    """Implicit VR little endian."""
    buffer, at = window.buffer, window.at
    end = min(len(buffer), frame.end - window.base)
    head, plain, elements = frame.encoding.implicit_head, PLAIN_VRS, frame.elements
    count = held = 0
    while end - at >= 8:
        group, number, length = head(buffer, at)
        tag = group << 16 | number
        stop = at + 8 + length
        if stop > end or not FIRST_TAG <= tag < FIRST_PIXEL_TAG:
            break  # an undefined length is also caught here: as a number it passes any buffer's end
        if tag in wanted:
            vr = plain.get(tag)
            held += length + ELEMENT_COST
            if vr is None or length > _SHORT or tag in elements or held > affordable:
                held -= length + ELEMENT_COST
                break
            elements[tag] = _new(Element, (tag, vr, buffer[at + 8 : stop]))
        count += 1
        at = stop
    window.at = at
    return count, held
