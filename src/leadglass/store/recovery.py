"""The recovery key: 160 random bits as people write them on paper and type them back.

    7K2MQ-0XB9T-…            8 groups of 4 characters (20 bits) and 1 check character

160 bits: beyond any search (128 would do), also where a quantum search halves the exponent, and a third
shorter to type in a bad hour than 256. Each group is checked by itself, so that a slip of the pen is named by
its group. The alphabet is Crockford's base 32: no I, L, O or U; whoever types them anyway means 1, 1, 0, V.

The check character of group g (from 1) is g + Σ weight · value (mod 32). Odd weights can be inverted mod 32:
any single wrong character is found; g finds any two groups that changed places.
"""

from __future__ import annotations

import os

from leadglass.errors import BrokenInvariant, KeyWrong

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
GROUPS = 8
GROUP = 5  # characters, the check character last
BITS = 20  # per group
SECRET = GROUPS * BITS // 8  # bytes

_WEIGHTS = (1, 3, 5, 7)
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_VALUES |= {character.lower(): value for character, value in _VALUES.items()}
_VALUES |= {typed: _VALUES[meant] for typed, meant in zip("IiLlOoUu", "111100VV", strict=True)}
_IGNORED = dict.fromkeys(map(ord, " \t\r\n-‐‑‒–—_."))


def new_recovery_key() -> str:
    """A fresh recovery key, to be shown once."""
    return encode(os.urandom(SECRET))


def encode(secret: bytes) -> str:
    """20 bytes as eight groups with dashes between them."""
    if len(secret) != SECRET:
        raise BrokenInvariant("A recovery secret has 20 bytes.")
    number = int.from_bytes(secret, "big")
    shifts = range((GROUPS - 1) * BITS, -1, -BITS)
    return "-".join(_group(place, number >> shift) for place, shift in enumerate(shifts, 1))


def decode(typed: str) -> bytes:
    """The 20 bytes of a recovery key in any case, spacing and dashes. KeyWrong names the mistyped group."""
    characters = typed.translate(_IGNORED)
    if len(characters) != GROUPS * GROUP:
        raise KeyWrong(
            f"The recovery key has {GROUPS} groups of {GROUP} characters, {GROUPS * GROUP} in all; "
            f"{len(characters)} were typed."
        )
    number = 0
    for place in range(1, GROUPS + 1):
        number = number << BITS | _value(place, characters[(place - 1) * GROUP : place * GROUP])
    return number.to_bytes(SECRET, "big")


def _group(place: int, number: int) -> str:
    values = [number >> shift & 31 for shift in (15, 10, 5, 0)]
    return "".join(ALPHABET[value] for value in (*values, _check(place, values)))


def _value(place: int, group: str) -> int:
    values = [_VALUES.get(character, -1) for character in group]
    if -1 in values or _check(place, values[:-1]) != values[-1]:
        raise KeyWrong(f"Group {place} of the recovery key is mistyped: compare it with the paper.")
    first, second, third, fourth, _ = values
    return first << 15 | second << 10 | third << 5 | fourth


def _check(place: int, values: list[int]) -> int:
    return (place + sum(weight * value for weight, value in zip(_WEIGHTS, values, strict=True))) % 32
