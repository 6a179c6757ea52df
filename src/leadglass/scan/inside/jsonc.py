"""JSON with comments, each value with its line.

As Orthanc takes it: `//` and `/* */`, a comma after the last member. Depth and size are bounded; nothing is
evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from leadglass.errors import LimitExceeded, Violation
from leadglass.scan.inside.prediction import MOST_DEPTH, nothing, text_of

MOST_TOKENS: Final = 500_000

Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Located:
    """A value and the line where it, or its name, stands."""

    value: Scalar | dict[str, Located] | list[Located]
    line: int

    def member(self, name: str) -> Located | None:
        return self.value.get(name) if isinstance(self.value, dict) else None

    @property
    def members(self) -> dict[str, Located]:
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Located]:
        return self.value if isinstance(self.value, list) else []

    @property
    def text(self) -> str:
        return self.value if isinstance(self.value, str) else ""


_TOKEN: Final = re.compile(
    r"""
    (?P<space>[ \t\r\n]+|//[^\n]*|/\*.*?\*/)
  | (?P<string>"(?:[^"\\\n]|\\.)*")
  | (?P<word>[-+.\w]+)
  | (?P<mark>[{}\[\],:])
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def parse(name: str, content: bytes) -> Located:
    """Violation for what is no JSON, or nested too deeply."""
    tokens = _Tokens(name, _tokens(name, text_of(name, content)))
    value = _value(tokens, 0)
    if tokens.now is not None:
        raise tokens.wrong()
    return value


def _tokens(name: str, text: str) -> Iterator[_Token]:
    at, line, count = 0, 1, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise nothing(f"{name}, line {line}: that is no JSON.")
        kind = match.lastgroup or ""
        if kind != "space":
            count += 1
            if count > MOST_TOKENS:
                raise LimitExceeded(f"{name} has too many values.", code="configuration")
            yield _Token(kind, match[0], line)
        line += match[0].count("\n")
        at = match.end()


class _Tokens:
    """One token ahead."""

    def __init__(self, name: str, tokens: Iterator[_Token]) -> None:
        self._name = name
        self._tokens = tokens
        self._line = 1
        self.now: _Token | None = next(tokens, None)

    def take(self) -> _Token:
        token = self.now
        if token is None:
            raise nothing(f"{self._name} ends too early.")
        self._line, self.now = token.line, next(self._tokens, None)
        return token

    def takes(self, mark: str) -> bool:
        if self.now is None or self.now.kind != "mark" or self.now.text != mark:
            return False
        self.take()
        return True

    def wrong(self) -> Violation:
        line = self._line if self.now is None else self.now.line
        return nothing(f"{self._name}, line {line}: that is no JSON.")

    def too_deep(self) -> LimitExceeded:
        return LimitExceeded(f"{self._name} is nested too deeply.", code="configuration")


def _value(tokens: _Tokens, depth: int) -> Located:
    if depth > MOST_DEPTH:
        raise tokens.too_deep()
    token = tokens.now
    if tokens.takes("{"):
        return Located(_object(tokens, depth + 1), token.line if token else 1)
    if tokens.takes("["):
        return Located(_array(tokens, depth + 1), token.line if token else 1)
    if token is None or token.kind == "mark":
        raise tokens.wrong()
    return Located(_scalar(tokens, tokens.take()), token.line)


def _object(tokens: _Tokens, depth: int) -> dict[str, Located]:
    """Of a name that stands twice the last holds."""
    found: dict[str, Located] = {}
    while not tokens.takes("}"):
        name = tokens.take()
        if name.kind != "string" or not tokens.takes(":"):
            raise tokens.wrong()
        value = _value(tokens, depth)
        found[str(_scalar(tokens, name))] = Located(value.value, name.line)
        if not tokens.takes(",") and (tokens.now is None or tokens.now.text != "}"):
            raise tokens.wrong()
    return found


def _array(tokens: _Tokens, depth: int) -> list[Located]:
    found: list[Located] = []
    while not tokens.takes("]"):
        found.append(_value(tokens, depth))
        if not tokens.takes(",") and (tokens.now is None or tokens.now.text != "]"):
            raise tokens.wrong()
    return found


def _scalar(tokens: _Tokens, token: _Token) -> Scalar:
    try:
        value = json.loads(token.text, strict=False)
    except (ValueError, RecursionError):
        raise tokens.wrong() from None
    if isinstance(value, (str, int, float)) or value is None:
        return value
    raise tokens.wrong()
