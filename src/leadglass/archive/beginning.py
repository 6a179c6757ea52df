"""A data set read as far as its pixels, so that it is known what becomes of it before a byte of it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from leadglass.dicom.finder import Finder, Span
from leadglass.dicom.splice import Edit
from leadglass.dicom.texts import TextFinder

_HELD: Final = 1 << 20  # bytes that are not read twice


@dataclass(frozen=True, slots=True)
class Source:
    """A file or a bare data set. `chunks` reads from an offset on, as often as asked; the data set begins at
    `offset` and ends at `size` (None: nobody knows)."""

    chunks: Callable[[int], Iterator[bytes]]
    offset: int = 0
    size: int | None = None

    def envelope(self) -> bytes:
        """What is in front of the data set."""
        head, chunks = b"", self.chunks(0)
        while len(head) < self.offset:
            head += next(chunks)
        return head[: self.offset]


class Beginning:
    """Raises what the finder does."""

    def __init__(self, source: Source, finder: Finder) -> None:
        self.finder = finder
        self.source = source
        self._rest = source.chunks(0)
        self._fed = 0
        self._held: list[bytes] | None = []
        for chunk in self._rest:
            if self._held is not None and self._fed < _HELD:
                self._held.append(chunk)
            else:
                self._held = None
            finder.feed(chunk, 0 if self._fed else source.offset)
            self._fed += len(chunk)
            if finder.done:
                return
        finder.close()

    def chunks(self) -> Iterator[bytes]:
        """The source from its first byte; once."""
        return self.source.chunks(0) if self._held is None else chain(self._held, self._rest)

    def texts(self, without: Sequence[Span]) -> list[Edit] | None:
        """What puts the text of the data set in UTF-8, as TextFinder has it; None where it cannot tell."""
        finder = self.finder
        if not isinstance(finder, TextFinder):
            return None
        if finder.done and not finder.gives_up and not self.ends_with_pixels:
            self._finish()
        return None if finder.gives_up else finder.edits(without)

    @property
    def ends_with_pixels(self) -> bool:
        pixels, size = self.finder.pixel_data, self.source.size
        if pixels is None or pixels.length is None or size is None:
            return False
        return self.source.offset + pixels.value_offset + pixels.length == size

    def _finish(self) -> None:
        """Behind the pixels may be text too. The pixels are not read for it, where they can be passed over;
        but for their last byte, as it shows that all of them are there."""
        finder, fed, chunks = self.finder, self._fed, self.source.chunks(self._fed)
        while True:
            if (ahead := finder.ahead - 1) > 0:
                finder.skip(ahead)
                fed += ahead
                chunks = self.source.chunks(fed)
            chunk = next(chunks, None)
            if chunk is None:
                finder.close()
                return
            finder.feed(chunk)
            fed += len(chunk)


def from_offset(chunks: Iterator[bytes], at: int) -> Iterator[bytes]:
    """Those of a stream that can only be read from its beginning."""
    for chunk in chunks:
        if at < len(chunk):
            yield chunk[at:] if at else chunk
        at = max(0, at - len(chunk))
