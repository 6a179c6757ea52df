"""A search's terms, kept in memory under a random name.

Terms name patients, so they travel in the body of a POST and no URL, log or history may carry them. The page
that follows is named by a random word that means something to this process and this session alone: reload,
Back and paging work, and a restart forgets.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping

PER_SESSION = 16
SESSIONS = 512


class Searches:
    """The last searches of the last sessions, oldest forgotten first. For one event loop."""

    def __init__(self, sessions: int = SESSIONS, per_session: int = PER_SESSION) -> None:
        self._sessions = sessions
        self._per_session = per_session
        self._kept: OrderedDict[str, OrderedDict[str, Mapping[str, str]]] = OrderedDict()

    def keep(self, credential: str, terms: Mapping[str, str]) -> str:
        """The name under which `recall` finds these terms again."""
        own = self._kept.setdefault(credential, OrderedDict())
        self._kept.move_to_end(credential)
        name = secrets.token_urlsafe(9)
        own[name] = dict(terms)
        if len(own) > self._per_session:
            own.popitem(last=False)
        if len(self._kept) > self._sessions:
            self._kept.popitem(last=False)
        return name

    def recall(self, credential: str, name: str) -> Mapping[str, str] | None:
        return self._kept.get(credential, OrderedDict()).get(name)

    def forget(self, credential: str) -> None:
        """At sign-out."""
        self._kept.pop(credential, None)
