"""What one port is asked in, and in which language next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
import strangers
from observed import HERE, seen

from leadglass.scan.examine import Language, examine, languages
from leadglass.scan.manner import Manner
from leadglass.scan.observation import Observation, Outcome
from leadglass.scan.ports import Purpose

ACCEPTED = seen("associate", Outcome.ACCEPTED, {"called": "A", "calling": "B"})
MUTE = seen("associate", Outcome.MUTE, {"called": "A", "calling": "B"})
CLOSED = seen("tls", Outcome.CLOSED)


def foreign(word: str, **more: object) -> Observation:
    return seen("associate", Outcome.FOREIGN, {"called": "A", "calling": "B"}, looks_like=word, **more)


def asked(purpose: Purpose, **answers: Sequence[Observation]) -> tuple[list[Language], list[Observation]]:
    """In which languages, given what comes in each."""
    heard: list[Language] = []

    def ask(language: Language):
        async def one(address: str, port: int, manner: Manner) -> Sequence[Observation]:
            heard.append(language)
            return answers.get(language.name.lower(), [ACCEPTED])

        return one

    asks = {language: ask(language) for language in Language}
    found = asyncio.run(examine(HERE, 104, purpose, strangers.manner(), asks))
    return heard, found


@pytest.mark.parametrize(
    ("purpose", "language"),
    [
        (Purpose.DICOM, Language.DICOM),
        (Purpose.DICOM_TLS, Language.TLS),
        (Purpose.WEB, Language.WEB),
        (Purpose.WEB_TLS, Language.WEB_TLS),
        (Purpose.CONNECT, Language.NOTHING),
    ],
)
def test_who_answers_is_asked_once(purpose: Purpose, language: Language) -> None:
    assert asked(purpose) == ([language], [ACCEPTED])


def test_who_speaks_something_else_is_asked_in_that() -> None:
    assert asked(Purpose.DICOM, dicom=[foreign("http")])[0] == [Language.DICOM, Language.WEB]
    assert asked(Purpose.DICOM, dicom=[foreign("tls")])[0] == [Language.DICOM, Language.TLS]
    assert asked(Purpose.DICOM, dicom=[foreign("ssh")])[0] == [Language.DICOM]
    inside = [foreign("http", tls=True)]
    assert asked(Purpose.DICOM_TLS, tls=inside)[0] == [Language.TLS, Language.WEB_TLS]


def test_who_says_nothing_is_asked_in_one_more() -> None:
    assert asked(Purpose.DICOM, dicom=[MUTE], tls=[CLOSED])[0] == [Language.DICOM, Language.TLS]
    assert asked(Purpose.WEB, web=[MUTE])[0] == [Language.WEB, Language.DICOM]
    assert asked(Purpose.DICOM, dicom=[ACCEPTED, MUTE])[0] == [Language.DICOM]


def test_at_most_three_and_none_twice() -> None:
    """Somebody who always turns out to speak something else."""
    heard, found = asked(
        Purpose.DICOM,
        dicom=[foreign("tls")],
        tls=[foreign("http")],
        web=[foreign("tls")],
        web_tls=[foreign("dicom")],
    )
    assert heard == [Language.DICOM, Language.TLS, Language.WEB]
    assert len(found) == 3
    assert list(languages(Purpose.DICOM, [foreign("dicom")], [Language.DICOM, Language.WEB])) == []
