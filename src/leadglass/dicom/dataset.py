"""The incremental, bounded parser of one data set (PS3.5 section 7): the front of scanner and inflater."""

from __future__ import annotations

from leadglass.dicom.dictionary import TransferSyntax
from leadglass.dicom.elements import Bulk, DataSet, Element, Limits, PixelData
from leadglass.dicom.encoding import encoding
from leadglass.dicom.inflate import Inflater
from leadglass.dicom.scanner import Scanner

__all__ = ["Bulk", "DataSet", "DatasetParser", "Element", "Limits", "PixelData", "parse"]


class DatasetParser:
    """Feed a data set in chunks of any size, then close it.

    `wanted` names the top-level tags to keep (None: all of them, sequences parsed in full); the rest is
    skipped without buffering. Specific Character Set and Pixel Representation are kept in any case.

    `elements` grows while the header is read and is final once `header_complete`, that is at the pixel data
    or at `close()`. What follows the header is walked to its end and not kept.

    `feed` and `close` raise MalformedDataSet or LimitExceeded and nothing else; the parser is done then.
    """

    def __init__(
        self, syntax: TransferSyntax, limits: Limits | None = None, wanted: frozenset[int] | None = None
    ) -> None:
        limits = limits or Limits()
        start = encoding(explicit=syntax.explicit, little_endian=syntax.little_endian)
        self._scanner = Scanner(start, limits, wanted)
        self._inflater = Inflater(limits) if syntax.deflated else None
        self._closed = False

    def feed(self, data: bytes | memoryview, start: int = 0) -> None:
        """Take the next bytes. The first chunk may have `start` bytes of something else in front of it."""
        if self._inflater is None:
            self._scanner.feed(data, start)
            return
        for piece in self._inflater.feed(bytes(data[start:])):
            self._scanner.feed(piece)

    def close(self) -> None:
        """The end of input. Raises MalformedDataSet, code `truncated`, if a byte is missing anywhere."""
        if self._inflater is not None:
            self._inflater.close()
        self._scanner.close()
        self._closed = True

    @property
    def elements(self) -> DataSet:
        return self._scanner.elements

    @property
    def pixel_data(self) -> PixelData | None:
        return self._scanner.pixel_data

    @property
    def pixel_data_offset(self) -> int | None:
        """Offset of the pixel data element in the (inflated) data set."""
        return self.pixel_data.offset if self.pixel_data else None

    @property
    def header_complete(self) -> bool:
        return self._closed or self.pixel_data is not None


def parse(
    data: bytes, syntax: TransferSyntax, limits: Limits | None = None, wanted: frozenset[int] | None = None
) -> DataSet:
    """The elements of a data set that is whole in memory."""
    parser = DatasetParser(syntax, limits, wanted)
    parser.feed(data)
    parser.close()
    return parser.elements
