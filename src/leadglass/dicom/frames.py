"""The open levels of a data set while it is walked, and the budget the walk may use up."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

from leadglass.dicom.elements import ELEMENT_COST, DataSet, Limits
from leadglass.dicom.encoding import Encoding
from leadglass.errors import LimitExceeded


class Kind(Enum):
    DATA_SET = auto()  # the top level, or an item of a sequence
    SEQUENCE = auto()
    FRAGMENTS = auto()


class Frame:
    """One open level. Nothing inside may cross offset `end`; an `open` one ends with a delimiter."""

    __slots__ = (
        "elements", "encoding", "end", "items", "keep", "kind", "open", "parent", "parts", "tag"
    )  # fmt: skip

    def __init__(
        self,
        kind: Kind,
        tag: int,
        encoding: Encoding,
        end: int,
        *,
        is_open: bool,
        keep: bool,
        parent: Frame | None = None,
    ) -> None:
        self.kind = kind
        self.tag = tag  # of the sequence or fragments; of its sequence for an item
        self.encoding = encoding
        self.end = end
        self.open = is_open
        self.keep = keep
        self.parent = parent
        self.elements: DataSet = {}
        self.items: list[DataSet] = []
        self.parts: list[bytes] = []

    def data_sets_outwards(self) -> Iterator[DataSet]:
        """Its own data set, then those around it."""
        frame: Frame | None = self
        while frame is not None:
            if frame.kind is Kind.DATA_SET:
                yield frame.elements
            frame = frame.parent


class Budget:
    """Counts down `Limits`; each question is asked before anything is allocated."""

    __slots__ = ("_elements", "_fragments", "_limits", "bytes")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._elements = limits.elements
        self._fragments = limits.fragments
        self.bytes = limits.header_bytes

    def element(self, count: int = 1) -> None:
        self._elements -= count
        if self._elements < 0:
            raise LimitExceeded(f"More than {self._limits.elements} elements.", code="elements")

    def fragment(self) -> None:
        self._fragments -= 1
        if self._fragments < 0:
            raise LimitExceeded(f"More than {self._limits.fragments} fragments.", code="fragments")

    def level(self, depth: int) -> None:
        if depth > self._limits.depth:
            raise LimitExceeded(f"Sequences nested deeper than {self._limits.depth}.", code="depth")

    def afford(self, size: int) -> None:
        """Could one more element with `size` bytes of value be held? Asked before they are waited for."""
        if size + ELEMENT_COST > self.bytes:
            limit = self._limits.header_bytes
            raise LimitExceeded(f"A header of more than {limit} bytes.", code="header-bytes")

    def hold(self, size: int) -> None:
        """One more element or item, with `size` bytes of value, is held."""
        self.afford(size)
        self.bytes -= size + ELEMENT_COST

    def release(self, size: int) -> None:
        """An element with `size` bytes of value is held no longer."""
        self.bytes += size + ELEMENT_COST

    def hold_many(self, size: int) -> None:
        """Several elements at once, their cost included in `size`."""
        if size:
            self.hold(size - ELEMENT_COST)
