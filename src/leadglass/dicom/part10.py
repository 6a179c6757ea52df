"""The DICOM file format (PS3.10 section 7): preamble, 'DICM', File Meta Information, data set.

bytes 0-127 preamble   128-131 'DICM'   132- group 0002 in explicit VR little endian   then the data set
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from leadglass.dicom.dataset import DatasetParser
from leadglass.dicom.dictionary import TransferSyntax, format_tag, transfer_syntax
from leadglass.dicom.elements import DataSet, Element, Limits
from leadglass.dicom.encoding import LONG_VRS, SHORT_VRS, UNDEFINED, encoding, read_head
from leadglass.dicom.window import Window
from leadglass.dicom.writer import padded, writer
from leadglass.errors import LimitExceeded, MalformedDataSet, NotDicom

HEAD_SIZE: Final = 132
MEDIA_STORAGE_SOP_CLASS_UID: Final = 0x00020002
MEDIA_STORAGE_SOP_INSTANCE_UID: Final = 0x00020003
TRANSFER_SYNTAX_UID: Final = 0x00020010

_META: Final = encoding(explicit=True, little_endian=True)
_TIFF: Final = (b"II*\0", b"MM\0*")


def neutral_preamble(first132: bytes) -> bytes:
    """The file's first 132 bytes with the preamble zeroed, unless it makes the file a TIFF too.

    PS3.10 7.5 has the preamble checked because it can hide an executable (CVE-2019-11687); the dual
    personality that PS3.10 7.1 means it for is TIFF.
    """
    if first132[:4] in _TIFF:
        return first132
    return bytes(128) + first132[128:]


class Part10Parser:
    """Feed a DICOM file in chunks of any size, then close it.

    `meta` and `transfer_syntax` are there once `dataset` is; `dataset_offset` is its place in the file.
    `limits` and `wanted` are the data set's. Raises NotDicom, MalformedDataSet, LimitExceeded only.
    """

    def __init__(self, limits: Limits | None = None, wanted: frozenset[int] | None = None) -> None:
        self._limits = limits or Limits()
        self._wanted = wanted
        self._window = Window(need=HEAD_SIZE)
        self._step: Callable[[], bool] = self._preamble
        self.meta: DataSet = {}
        self.transfer_syntax: TransferSyntax | None = None
        self.dataset: DatasetParser | None = None
        self.dataset_offset: int | None = None

    def begin(self, length: int, transfer_syntax_uid: str) -> None:
        """Instead of being fed a head of so many bytes, which whoever calls has written itself."""
        self._window = Window(need=8)
        self._window.base = length

        def first() -> bool:
            self._start_dataset(transfer_syntax_uid, length)
            return True

        self._step = first

    def feed(self, data: bytes | memoryview) -> None:
        if self.dataset is not None:
            self.dataset.feed(data)
        elif self._window.add(data):
            self._run()

    def _run(self) -> None:
        window = self._window
        while self._step():
            if self.dataset is not None:
                self.dataset.feed(window.buffer, window.at)  # not sliced: it may be large
                return
        window.carry()

    def close(self) -> None:
        """The end of the file. Raises if it is no DICOM file, or if anything of it is missing."""
        if self._step == self._preamble:
            raise NotDicom("Too short to be a DICOM file.")
        if self.dataset is None:
            raise MalformedDataSet("The file ends before its data set begins.", code="truncated")
        self.dataset.close()

    @property
    def header_complete(self) -> bool:
        return self.dataset is not None and self.dataset.header_complete

    @property
    def sop_class_uid(self) -> str:
        """Media Storage SOP Class UID as the File Meta Information says, '' when it does not."""
        return _uid(self.meta.get(MEDIA_STORAGE_SOP_CLASS_UID))

    @property
    def sop_instance_uid(self) -> str:
        return _uid(self.meta.get(MEDIA_STORAGE_SOP_INSTANCE_UID))

    # --- steps: True when done, False when bytes are lacking ----------------------------------------------

    def _preamble(self) -> bool:
        if self._window.buffer[128:HEAD_SIZE] != b"DICM":
            raise NotDicom("No DICOM file: 'DICM' is missing after the preamble.")
        self._window.at = HEAD_SIZE
        self._step = self._element
        return True

    def _element(self) -> bool:
        """One element of group 0002, or the end of the group.

        Tolerance: the group length is not needed and not looked at; files exist where it is missing or wrong.
        """
        window = self._window
        if window.lacks(window.at + 8):
            return False
        if window.buffer[window.at : window.at + 2] != b"\x02\0":
            self._begin_dataset()
            return True
        head = read_head(window, _META)
        if head is None:
            return False
        tag, vr, body, length = head
        if vr is None or length == UNDEFINED or tag in self.meta:
            raise MalformedDataSet(f"File Meta Information is damaged at {format_tag(tag)}.")
        if window.offset + length > HEAD_SIZE + self._limits.meta_bytes:
            raise LimitExceeded("The File Meta Information is too long.", code="meta-bytes")
        if window.lacks(body + length):
            return False
        self.meta[tag] = Element(tag, vr, window.buffer[body : body + length])
        window.at = body + length
        return True

    def _begin_dataset(self) -> None:
        uid = _uid(self.meta.get(TRANSFER_SYNTAX_UID))
        if not uid:
            raise MalformedDataSet("The File Meta Information names no transfer syntax.", code="no-syntax")
        self._start_dataset(uid, self._window.offset)

    def _start_dataset(self, uid: str, offset: int) -> None:
        self.transfer_syntax = transfer_syntax(uid)
        self.dataset_offset = offset
        self.dataset = DatasetParser(self.transfer_syntax, self._limits, self._wanted)


def data_set_offset(head: bytes) -> int | None:
    """Where the data set begins in a file that begins with `head`; None: it takes a parser to tell."""
    at = HEAD_SIZE
    while len(head) - at >= 12 and head[128:HEAD_SIZE] == b"DICM":
        if head[at : at + 2] != b"\x02\0":
            return at
        code = head[at + 4 : at + 6]
        if code in SHORT_VRS:
            at += 8 + int.from_bytes(head[at + 6 : at + 8], "little")
        elif code in LONG_VRS:
            at += 12 + int.from_bytes(head[at + 8 : at + 12], "little")
        else:
            return None
    return None


def _uid(element: Element | None) -> str:
    if element is None or not isinstance(element.value, bytes):
        return ""
    return element.value.decode("latin-1").strip("\0 ")


# --- writing ----------------------------------------------------------------------------------------------


_TO: Final = writer(explicit=True, little_endian=True)


def _explicit(tag: int, vr: str, value: bytes) -> bytes:
    value = padded(vr, value)
    return _TO.head(tag, vr, len(value)) + value


def write_file_meta(
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    implementation_class_uid: str,
    implementation_version: str,
    source_ae_title: str = "",
) -> bytes:
    """Zero preamble, 'DICM', File Meta Information (PS3.10 7.1), for an object that came by network."""
    group = _explicit(0x00020001, "OB", b"\0\1")
    group += _explicit(MEDIA_STORAGE_SOP_CLASS_UID, "UI", sop_class_uid.encode("ascii"))
    group += _explicit(MEDIA_STORAGE_SOP_INSTANCE_UID, "UI", sop_instance_uid.encode("ascii"))
    group += _explicit(TRANSFER_SYNTAX_UID, "UI", transfer_syntax_uid.encode("ascii"))
    group += _explicit(0x00020012, "UI", implementation_class_uid.encode("ascii"))
    group += _explicit(0x00020013, "SH", implementation_version.encode("ascii")[:16])
    if source_ae_title:
        group += _explicit(0x00020016, "AE", source_ae_title.encode("ascii")[:16])
    length = _explicit(0x00020000, "UL", len(group).to_bytes(4, "little"))
    return bytes(128) + b"DICM" + length + group
