from __future__ import annotations

import re
from string import Formatter

import pytest
from observed import (
    CT,
    DCMTK,
    MPPS,
    QUERY_RETRIEVE,
    SC,
    associate,
    control,
    count,
    dcmqrscp_open,
    find,
    http,
    identifiers,
    named,
    offers,
    orthanc_as_packaged,
    orthanc_web,
    qido,
    rejected,
    statistics,
    system,
    tcp,
    tls,
)

from leadglass.dimse import sop_classes
from leadglass.scan import grade as grading
from leadglass.scan import wording
from leadglass.scan.archives import doubts
from leadglass.scan.checks import CHECKS, Severity
from leadglass.scan.doubts import Doubt, DoubtKind, Reason, Target, Weight
from leadglass.scan.findings import Finding, findings
from leadglass.scan.observation import Observation, Outcome
from leadglass.scan.texts import Text
from leadglass.scan.verdict import Verdict
from leadglass.scan.wording import TEXTS, VARIANTS, Language
from leadglass.scan.words import About

LANGUAGES = list(Language)
# Every check with every variant of its facts, as the rules make them.
SEEN: list[list[Observation]] = [
    [*dcmqrscp_open(), find(probe="worklist-none"), offers(MPPS, CT)],
    [find(Outcome.STOPPED), find(Outcome.STOPPED, probe="worklist-none")],
    [count(1, images=1, people=1), identifiers()],
    [count(1234, exact=False, cap=500)],
    [offers(*QUERY_RETRIEVE, CT, SC, sop_classes.STORAGE_COMMITMENT_PUSH, "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.6.1")],
    orthanc_as_packaged(),
    [rejected(1, 1, 7), named("PACS"), rejected(1, 1, 3, port=105), named("LGSCAN01", calling="CT1", port=105)],
    [tls("1.0", expires=1, signature="sha1", key_bits=512, cipher="RC4-SHA", self_signed=True), tls(begins=2**50)],
    [associate(tls=True)],
    [control(), qido(), http(About.VIEWER, marker="oviyam"), http(About.VIEWER, marker="dcm4chee"), http(About.OHIF_CONFIG, marker="ohif")],
    [control(), qido(count=1)],
    [http(About.VIEWER, marker="oviyam"), http(About.VIEWER, marker="dcm4chee"), http(About.OHIF_CONFIG, marker="ohif")],
    [system()],
    orthanc_web(),
    [system(), statistics(1, 1, 1, 1)],
    [http(About.QIDO_COUNT, count=7), http(About.CREDENTIALS, path="/system"), http(About.STOW, methods=("post",))],
    [http(About.LISTING, path="/images/", links=1, allow_origin="reflected", allow_credentials=True)],
    [http(About.LISTING, path="/", links=2, allow_origin="any", allow_credentials=True)],
    *([tcp(port=port)] for port in (2575, 5432, 3306, 1433, 27017, 389)),
]  # fmt: skip
FOUND = [finding for what in SEEN for finding in findings(what, is_private=False)]


def variant(finding: Finding) -> str:
    return VARIANTS[finding.check](finding.facts) if finding.check in VARIANTS else ""


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def whole(sentence: str) -> None:
    """A sentence for people: nothing left open, nothing of ours shining through."""
    assert sentence and sentence == sentence.strip()
    assert not re.search(r"[{}]|None|True|False|\(\)|\b2\.25\.|  |  |\.\.|, ,| ,|lgscan", sentence), sentence
    assert sentence[0].isupper() or sentence[0].isdigit() or sentence[0] == "[", sentence
    assert sentence.endswith((".", "…")), sentence


def test_all_checks_and_variants_are_tried() -> None:
    assert {finding.check for finding in FOUND} == set(CHECKS)
    for texts in TEXTS.values():
        written = {(check, name) for check, text in texts.checks.items() for name in ("", *text.otherwise)}
        assert {(finding.check, variant(finding)) for finding in FOUND} == written


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("finding", FOUND, ids=lambda f: f"{f.check}-{f.port}-{len(f.facts)}")
def test_every_finding_is_said_in_every_language(finding: Finding, language: Language) -> None:
    whole(wording.seen(finding, language))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("check", CHECKS)
def test_every_check_is_explained_in_every_language(check: str, language: Language) -> None:
    whole(wording.means(check, language))
    whole(wording.close(check, language))
    title = wording.title(check, language)
    assert title and not title.endswith(".") and "{" not in title


def test_languages_say_the_same_things() -> None:
    english, german = TEXTS[Language.EN], TEXTS[Language.DE]
    for name in ("things", "clauses", "checks", "doubts", "reasons", "verdicts", "grades", "severities"):
        assert set(getattr(english, name)) == set(getattr(german, name)), name
    assert set(english.words) <= set(german.words)
    for check, text in english.checks.items():
        other = german.checks[check]
        assert fields(text.seen) == fields(other.seen), check
        assert set(text.otherwise) == set(other.otherwise), check
        for name in text.otherwise:
            assert fields(text.otherwise[name]) == fields(other.otherwise[name]), (check, name)
    for reason, sentence in english.reasons.items():
        assert fields(sentence) == fields(german.reasons[reason]), reason


def test_no_text_is_left_in_the_other_language() -> None:
    english, german = TEXTS[Language.EN], TEXTS[Language.DE]

    def all_of(text: Text) -> list[str]:
        return [text.title, text.seen, text.means, text.close, *text.otherwise.values()]

    for check in CHECKS:
        assert not set(all_of(english.checks[check])) & set(all_of(german.checks[check]))
    assert not set(english.reasons.values()) & set(german.reasons.values())
    assert not set(english.verdicts.values()) & set(german.verdicts.values())


def said(check: str, language: Language, *what: Observation) -> str:
    (finding,) = (each for each in findings(what, is_private=True) if each.check == check)
    return wording.seen(finding, language)


def test_what_was_counted() -> None:
    what = (count(12345, images=900_000, people=2100), identifiers())
    assert said("D07", Language.EN, *what) == (
        "A stranger could count exactly 12,345 studies, 900,000 images of 2,100 people. Nothing was copied. "
        "In 3 records these had values: name (100\xa0%), birth date (67\xa0%) and patient ID (100\xa0%)."
    )
    assert said("D07", Language.DE, *what) == (
        "Ein Unbekannter konnte genau 12.345 Untersuchungen, 900.000 Bilder von 2.100 Personen zählen. Kopiert "
        "wurde nichts. In 3 Datensätzen standen Werte für: Name (100\xa0%), Geburtsdatum (67\xa0%) und "
        "Patientennummer (100\xa0%)."
    )
    whole = (count(3), identifiers(shares=(100, 100, 100)))
    assert said("D07", Language.EN, *whole).endswith(
        "In each of 3 records these had values: name, birth date and patient ID."
    )
    assert said("D07", Language.DE, *whole).endswith(
        "In jedem von 3 Datensätzen standen Werte für: Name, Geburtsdatum und Patientennummer."
    )
    single = (count(1), identifiers(records=1, shares=(100, 100, 100)))
    assert "In 1 record these had values: name, birth" in said("D07", Language.EN, *single)
    assert "In 1 Datensatz standen Werte für: Name," in said("D07", Language.DE, *single)
    assert "at least 500 studies." in said("D07", Language.EN, count(500, exact=False))
    assert "exactly 1 study of 1 person." in said("D07", Language.EN, count(1, people=1))
    assert "genau 1 Untersuchung von 1 Person zählen" in said("D07", Language.DE, count(1, people=1))


def test_what_was_only_negotiated_is_called_that() -> None:
    assert "negotiated, not proven" in said("D08", Language.EN, offers(sop_classes.STUDY_ROOT_GET))
    assert "vereinbart, nicht erwiesen" in said("D08", Language.DE, offers(sop_classes.STUDY_ROOT_GET))
    assert "fetch images (C-GET) and have images sent elsewhere (C-MOVE)" in said(
        "D08", Language.EN, *orthanc_as_packaged()
    )


def test_a_toolkit_is_not_called_a_product() -> None:
    sentence = said("F01", Language.EN, associate(**DCMTK))
    assert "made with DCMTK 3.6.7; which product, is not known" in sentence
    assert said("F01", Language.EN, system()).startswith("Orthanc says that it is version 1.10.1.")


def test_a_path_is_told_without_its_query() -> None:
    what = (control(), qido(path="/dicom-web/studies?limit=1&StudyInstanceUID=2.25.1"))
    assert "answered at /dicom-web/studies, without" in said("W01", Language.EN, *what)


def test_storage_classes_by_name_a_few_of_many() -> None:
    assert "to store CT Image Storage and Secondary Capture Image Storage." in said(
        "D09", Language.EN, offers(CT, SC)
    )
    many = offers(
        CT, SC, "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.1"
    )
    assert said("D09", Language.EN, many).count("Storage") == 3
    assert " and others." in said("D09", Language.EN, many)


# Doubts.

_HERE, _THERE = Target("127.0.0.1", 104), Target("2001:db8::1", 8042)
_FACTS = {
    Reason.SIGNATURE: {"program": "dicompot", "source": "x"},
    Reason.ANY_DATE: {"matches": 1234},
    Reason.TOO_FAST: {"connect_us": 40_000, "answer_us": 100},
    Reason.EVERY_PORT: {"ports": 12},
    Reason.STALLS: {"ports": 1},
    Reason.TOO_MANY: {"studies": 200_000_000},
    Reason.CONTRADICTION: {"more": "undated", "less": "studies"},
    Reason.CHANGING_PROGRAM: {"programs": 2},
    Reason.SAME_COUNT: {"studies": 60, "seconds": 5, "elsewhere": False},
    Reason.SAME_STUDIES: {"studies": 60, "seconds": 5, "elsewhere": True},
    Reason.SAME_FIGURES: {"studies": 60, "seconds": 5, "elsewhere": False},
    Reason.NEARLY_SAME_COUNT: {"studies": 60_000, "seconds": 5, "elsewhere": False},
    Reason.SAME_CERTIFICATE: {"elsewhere": True},
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_to_doubt_is_said(reason: Reason, language: Language) -> None:
    doubt = Doubt(DoubtKind.HONEYPOT, reason, Weight.LIKELY, (_HERE, _THERE), (0,), _FACTS.get(reason, {}))
    whole(wording.doubt(doubt, language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_doubts_as_they_are_made(language: Language) -> None:
    what = [
        *dcmqrscp_open(60, address="127.0.0.1"), *orthanc_web(address="127.0.0.1"), offers(CT, accepts_unknown=True, address="127.0.0.1"),
        associate(maximum_length=4 << 20, port=1), count(0, port=2), count(2_000_000_000, port=3), count(5, people=6, port=4),
        tls(certificate="aa", port=5), tls(certificate="aa", port=6), tls(certificate="bb", port=6), count(9, windows=(3, 3, 3), port=7),
    ]  # fmt: skip
    found = doubts(what)
    assert len({each.reason for each in found}) >= 9
    for each in found:
        whole(wording.doubt(each, language))


def test_duplicates_name_their_doors() -> None:
    doubt = Doubt(
        DoubtKind.DUPLICATE, Reason.SAME_CERTIFICATE, Weight.CERTAIN, (_HERE, _THERE), (0, 1), {"studies": 60}
    )
    assert wording.doubt(doubt, Language.EN) == (
        "127.0.0.1:104 and [2001:db8::1]:8042 show the same certificate, and counted the same (60 studies)."
    )
    hint = Doubt(DoubtKind.DUPLICATE, Reason.SAME_CERTIFICATE, Weight.HINT, (_HERE, _THERE), (0, 1))
    assert (
        wording.doubt(hint, Language.DE) == "127.0.0.1:104 und [2001:db8::1]:8042 zeigen dasselbe Zertifikat."
    )


# The rest.


@pytest.mark.parametrize("language", LANGUAGES)
def test_verdicts_grades_severities_and_kinds_have_words(language: Language) -> None:
    for verdict in Verdict:
        assert wording.verdict(verdict, language)
    for rule in grading.RULES:
        whole(wording.grade_rule(rule.id, language))
    for severity in Severity:
        assert wording.severity(severity, language)
    for kind in DoubtKind:
        assert wording.doubt_kind(kind, language)


def test_numbers() -> None:
    assert wording.number(1_234_567, Language.EN) == "1,234,567"
    assert wording.number(1_234_567, Language.DE) == "1.234.567"
    assert wording.count(1, True, Language.DE) == "genau 1 Untersuchung"
    assert wording.count(1_000, False, Language.EN) == "at least 1,000 studies"


def test_german_is_polite_and_has_its_own_words() -> None:
    german = TEXTS[Language.DE]
    everything = " ".join(
        part
        for text in german.checks.values()
        for part in (text.title, text.seen, text.means, text.close, *text.otherwise.values())
    )
    assert not re.search(r"\b(du|dein\w*|dir|dich)\b", everything, re.IGNORECASE)
    assert not re.search(r"\b(Studie|Studien|Study|Patient ID|AE Title|Server's)\b", everything)
    assert all("Sie" in text.close or "Das endet" in text.close for text in german.checks.values())
