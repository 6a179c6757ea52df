"""A person's name as searches see it."""

from __future__ import annotations

import re

from leadglass.dicom.values import fold


def name_key(name: str) -> str:
    """A person's name for matching: folded, each component group without empty components at its end."""
    return "=".join(re.sub(r"[\^ ]+$", "", group) for group in fold(name).split("=")).rstrip("=")


def name_words(name: str) -> set[str]:
    """The folded words of all component groups of a person's name."""
    return {word[:64] for word in re.split(r"[\^=\s,.;'\u2019-]+", fold(name)) if word}
