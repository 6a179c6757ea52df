"""The statement is the program's own: regenerated, and held against what the admission really answers."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from leadglass.access.plans import AT_RECEIVE_ONLY, WORDS
from leadglass.access.principal import Via
from leadglass.archive.identifiers import ATTRIBUTES
from leadglass.archive.outcome import Kind, Outcome
from leadglass.archive.peers import Ae, Known
from leadglass.archive.queries import KEYS, Level
from leadglass.conformance import characters, keys, network, services
from leadglass.conformance.statement import statement
from leadglass.dicom.charset import DEFAULT, charset
from leadglass.dicom.dictionary import TRANSFER_SYNTAXES
from leadglass.dimse import sop_classes as uids
from leadglass.index.fitting import Clash
from leadglass.net.connection import Peer
from leadglass.net.workers import Workers
from leadglass.scp import admission, commitment, find, storage, suboperations
from leadglass.transfer import query
from leadglass.ul import association
from leadglass.ul.items import ContextResult, ProposedContext, RoleSelection, UserInformation
from leadglass.ul.pdu import AssociateAC, AssociateRJ, AssociateRQ

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "dicom-conformance.md"
IMPLICIT = "1.2.840.10008.1.2"
CT = "1.2.840.10008.5.1.4.1.1.2"
UNHEARD_OF = "1.2.840.10008.5.1.4.1.1.999"
PRIVATE = "1.2.3.4.5"
WORKLIST = "1.2.840.10008.5.1.4.31"


class Peers:
    """Knows one AE, whoever calls."""

    def __init__(self, ae: Ae) -> None:
        self._known = Known(ae, ae.principal)

    def identify(self, *_: object, **__: object) -> Known:
        return self._known


def ae(*, receive_only: bool = False) -> Ae:
    return Ae(
        id=1,
        title="AE1",
        department_id=1,
        receive_only=receive_only,
        addresses=(),
        allow=frozenset(AT_RECEIVE_ONLY if receive_only else WORDS),
        host="",
        port=None,
        tls=False,
        reason="",
        certificate=None,
        fingerprint=None,
        expires=None,
        created=0,
    )


def answer(via: Via, contexts: tuple[ProposedContext, ...], *roles: RoleSelection) -> AssociateAC:
    """What an AE that may do everything there is told."""
    peers: Any = Peers(ae(receive_only=via is Via.RECEIVE))
    workers = Workers(1)
    admit = admission.Admitter(peers, "LEADGLASS", via, workers, lambda: 0, shut=lambda: False)
    request = AssociateRQ("LEADGLASS", "AE1", contexts, UserInformation(16384, "1.2.3", roles=roles))
    try:
        made = asyncio.run(admit(request, Peer("127.0.0.1", 1, tls=True, certificate=b"")))  # type: ignore[arg-type]
    finally:
        workers.close()
    assert not isinstance(made, AssociateRJ)
    return made.answer


def accepted(via: Via, proposed: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which of these SOP classes and transfer syntaxes are accepted."""
    found = set()
    for start in range(0, len(proposed), 128):
        some = proposed[start : start + 128]
        contexts = tuple(ProposedContext(2 * n + 1, uid, (syntax,)) for n, (uid, syntax) in enumerate(some))
        results = (each.result for each in answer(via, contexts).contexts)
        found |= {
            kind for kind, result in zip(some, results, strict=True) if result is ContextResult.ACCEPTANCE
        }
    return found


def section(page: str, title: str) -> str:
    return re.split(r"\n#+ ", page.partition(f"# {title}\n")[2])[0]


def table_rows(text: str) -> Iterator[list[str]]:
    for line in re.findall(r"^\| (.*) \|$", text, re.MULTILINE):
        yield line.split(" | ")


@pytest.fixture(scope="module")
def page() -> str:
    return statement()


def test_the_page_is_the_program_s(page: str) -> None:
    assert PAGE.read_text(encoding="utf-8") == page


def test_nothing_is_left_open(page: str) -> None:
    assert "${" not in page
    assert "None |" not in page


def test_every_link_within_the_page_leads_somewhere(page: str) -> None:
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    }
    wanted = set(re.findall(r"\(#([^)]+)\)", page))
    assert len(wanted) > 20
    assert wanted <= anchors


@pytest.mark.parametrize(
    ("via", "title"), [(Via.DIMSE, "7.2.1 Archive, as acceptor"), (Via.RECEIVE, "7.2.3 Receiver")]
)
def test_what_is_offered_is_what_the_page_says(page: str, via: Via, title: str) -> None:
    listed = set(re.findall(r"`(1\.2\.840[0-9.]+)` \|", section(page, title)))
    stored = set(re.findall(r"`([0-9.]+)`", section(page, "Annex A Storage SOP classes")))
    assert stored == set(uids.STORAGE)
    everything = {*services.as_scp(), *uids.STORAGE, PRIVATE, WORKLIST, UNHEARD_OF}
    offered = {uid for uid, _ in accepted(via, [(uid, IMPLICIT) for uid in everything])}
    assert offered == listed | stored | {PRIVATE}


def test_the_transfer_syntaxes_are_what_the_page_says(page: str) -> None:
    rows = list(table_rows(section(page, "Annex B Transfer syntaxes")))[1:]
    syntaxes = {row[1].strip("`"): row[2].strip() == "yes" for row in rows if row[1].startswith("`")}
    assert set(syntaxes) == set(TRANSFER_SYNTAXES)
    asked = [*syntaxes, "1.2.3"]
    objects = accepted(Via.DIMSE, [(CT, syntax) for syntax in asked])
    assert {syntax for _, syntax in objects} == set(syntaxes)
    queries = accepted(Via.DIMSE, [(uids.STUDY_ROOT_FIND, syntax) for syntax in asked])
    assert {syntax for _, syntax in queries} == {uid for uid, is_small in syntaxes.items() if is_small}


@pytest.mark.parametrize(("via", "gives"), [(Via.DIMSE, True), (Via.RECEIVE, False)])
def test_the_roles_are_what_the_page_says(page: str, via: Via, gives: bool) -> None:
    title = "7.2.1 Archive, as acceptor" if gives else "7.2.3 Receiver"
    row = next(row for row in table_rows(section(page, title)) if row[0].startswith("Storage,"))
    assert row[3] == ("SCP; SCU" if gives else "SCP")
    context = ProposedContext(1, CT, (IMPLICIT,))
    made = answer(via, (context,), RoleSelection(CT, scu=True, scp=True))
    (role,) = made.user_information.roles
    assert (role.scu, role.scp) == (True, gives)


def test_every_rejection_is_there(page: str) -> None:
    """Whatever the admission and the upper layer reject with has its row."""
    source = inspect.getsource(admission) + inspect.getsource(association)
    names = set(re.findall(r"AssociateRJ\.([A-Z_]+)", source))
    assert len(names) >= 6
    assert {getattr(AssociateRJ, name) for name in names} == {each for each, _ in network.REJECTIONS}
    assert f"| 3: {'The calling AE title is not recognized'} |" in page


def test_every_status_a_handler_gives_is_there(page: str) -> None:
    said = re.findall(r"^\| `([0-9A-F]{4})` \|", section(page, "7.3.1 Returned as SCP"), re.MULTILINE)
    listed = {int(code, 16) for code in said}
    tables: Mapping[str, Any] = {
        "storage": storage.FAILURES,
        "find": find.FAILURES,
        "retrieval": suboperations.REFUSALS,
        "commitment": commitment.REFUSALS,
    }
    for name, failures in tables.items():
        assert {status for _, status, _ in failures} <= listed, name
    assert {Outcome(Kind.KEPT_ASIDE, clash=clash).status for clash in Clash} <= listed
    assert {suboperations.DESTINATION_UNKNOWN, suboperations.INCOMPLETE, 0xFE00, 0xFF00, 0xFF01} <= listed


@pytest.mark.parametrize("level", Level)
def test_what_the_standard_requires_is_matched_and_returned(level: Level) -> None:
    required = keys.REQUIRED[level] | {keys.UNIQUE[level]}
    if level is Level.STUDY:
        required |= keys.REQUIRED_IN_STUDY_ROOT
    assert required <= KEYS[level].keys()
    assert required <= ATTRIBUTES[level].keys()
    assert KEYS[level].keys() <= ATTRIBUTES[level].keys()


@pytest.mark.parametrize(
    ("keyword", "how"),
    [
        ("PatientName", ["single value", "wild card", "universal"]),
        ("StudyDate", ["single value", "range", "universal"]),
        ("StudyTime", ["single value", "range", "universal"]),
        ("StudyInstanceUID", ["single value", "list", "universal"]),
        ("SeriesNumber", ["single value", "universal"]),
        ("RequestAttributesSequence", ["sequence", "universal"]),
        ("NumberOfSeriesRelatedInstances", ["(returned only)"]),
    ],
)
def test_how_a_key_matches_is_found_out(keyword: str, how: list[str]) -> None:
    assert keys.matching(Level.SERIES, keyword) == how


@pytest.mark.parametrize("term", [*characters.SINGLE, *characters.ALONE])
def test_a_character_set_that_is_listed_is_known(term: str) -> None:
    assert (charset((term,)) == DEFAULT) is (term == "ISO_IR 6")


@pytest.mark.parametrize("term", [*map(characters.extended, characters.SINGLE), *characters.MULTI_BYTE])
def test_a_code_extension_that_is_listed_is_known(term: str) -> None:
    known = charset(("", term))
    assert known.extended
    assert bool(known.escapes) is (term != "ISO 2022 IR 6")


def test_what_commands_ask_for_is_there(page: str) -> None:
    assert {uid for uid, _ in query.PROPOSALS} <= set(services.AS_SCU)
    for uid in services.AS_SCU:
        row = next(row for row in table_rows(section(page, "1.2 DIMSE services")) if f"`{uid}`" in row)
        assert row[2] == "yes"
