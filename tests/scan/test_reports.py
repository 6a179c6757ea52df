"""Reports, letters, exports and evidence: well-formed, self-contained, whatever others call themselves."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
import reported
from observed import associate, count, dcmqrscp_open, echo, identifiers, refuses_strangers
from reported import EVIL, about, network

from leadglass.errors import NotFound
from leadglass.scan.checks import CHECKS
from leadglass.scan.conclusions import Count
from leadglass.scan.constituency import Owner
from leadglass.scan.manner import Option
from leadglass.scan.observation import Level
from leadglass.scan.report.actions import actions
from leadglass.scan.report.charts import Bar, bars, line
from leadglass.scan.report.evidence import evidence
from leadglass.scan.report.exports import FORMATS, as_csv, as_intelmq, as_json, as_misp
from leadglass.scan.report.letters import letters
from leadglass.scan.report.page import page
from leadglass.scan.report.summary import amount, lines
from leadglass.scan.wording import Language

VOID = frozenset({"meta", "br", "img", "hr", "input", "link", "rect", "circle", "path"})
DANGEROUS = frozenset(
    {"script", "iframe", "object", "embed", "link", "img", "base", "form", "audio", "video"}
)
REFERENCES = ("src", "href", "srcset", "data", "action", "poster", "xlink:href")


class Document(HTMLParser):
    """Fails on what is not balanced; collects tags, attributes and text."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def whole(*shown: Any) -> str:
    return "".join(page(*shown))


def require_harmless(source: str) -> Document:
    found = Document(source)
    assert not DANGEROUS & set(found.tags)
    names = {name for name, _ in found.attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not names & set(REFERENCES)
    policy = dict(found.attributes).get("content", "")
    assert any(value == "default-src 'none'; style-src 'unsafe-inline'" for _, value in found.attributes), (
        policy
    )
    style = re.search(r"<style>(.*?)</style>", source, re.DOTALL)
    assert style and "url(" not in style[1] and "@import" not in style[1]
    return found


def hostile() -> Any:
    seen = network()
    return seen, about(
        of=reported.scope(organisation="St. <b>Example</b>"),
        overruled=reported.judgements(*(doubt.key for doubt in seen.doubts)),
    )


# --- documents -----------------------------------------------------------------------------------------------


def test_the_report_runs_nothing_and_needs_nothing() -> None:
    found = require_harmless(whole(*hostile()))
    for shown in (EVIL, "St. <b>Example</b>", "<i>ARCHIVE</i>", "r.koch: we know it", "TLP:AMBER+STRICT"):
        assert shown in found.text, shown


@pytest.mark.parametrize("language", [None, *Language])
def test_letters_run_nothing_and_need_nothing(language: Language | None) -> None:
    written = list(letters(*hostile(), language))
    assert len(written) == 4
    for letter in written:
        found = require_harmless(letter.html)
        assert re.fullmatch(r"[a-z0-9-]{1,60}", letter.key)
        assert letter.owner in found.text and letter.owner in letter.text
        assert "\n" not in letter.subject
        assert letter.language is (language or letter.language)
        assert dict(found.attributes)["lang"] == letter.language


def test_evidence_runs_nothing_and_needs_nothing() -> None:
    seen, of = hostile()
    for host in seen.hosts:
        for port in host.ports:
            require_harmless(evidence(seen, of, host.address, port.port))


def test_what_is_dangerous_would_be_found() -> None:
    """The control."""
    sound = whole(*hostile())
    for evil in ("<script>1</script>", "<b onclick=x></b>", "<a href=x></a>", "<img src=x>"):
        with pytest.raises(AssertionError):
            require_harmless(sound.replace("<main>", f"<main>{evil}"))
    with pytest.raises(AssertionError):
        Document(sound.replace("</main>", ""))


def test_an_empty_network() -> None:
    nobody = network([])
    assert list(lines(nobody)) == []
    assert "Nobody answered." in require_harmless(whole(nobody, about(earlier=()))).text
    stopped = replace(about().survey, finished=None)
    assert "Nobody has answered so far." in require_harmless(whole(nobody, about(survey=stopped))).text
    assert list(letters(nobody, about())) == []
    assert as_intelmq(nobody, about()) == ""
    assert len(list(csv.reader(io.StringIO(as_csv(nobody, about()))))) == 1
    assert json.loads(as_json(nobody, about()))["hosts"] == []
    assert json.loads(as_misp(nobody, about()))["Event"]["Attribute"] == []


def test_the_worst_come_first_and_each_remedy_once() -> None:
    text = require_harmless(whole(*hostile())).text
    hosts = text[text.index("What a stranger meets") : text.index("Findings, and how to close them")]
    assert hosts.index("10.1.0.7:104") < hosts.index("10.1.0.10:80") < hosts.index("10.1.0.8:104")
    for host in network().hosts:
        for port in host.ports:
            told = [each.text for each in actions(host, port, port.findings, Language.EN)]
            assert len(told) == len(set(told))
            closed = {
                check for each in actions(host, port, port.findings, Language.EN) for check in each.checks
            }
            assert closed == {each.check for each in port.findings if each.severity > 0}


def test_a_web_server_tells_whose_the_dicom_port_is() -> None:
    (host,) = (each for each in network().hosts if each.address == "10.1.0.9")
    about_dicom = {each.about for each in actions(host, host.ports[0], host.ports[0].findings, Language.EN)}
    assert "Orthanc" in about_dicom and "Orthanc?" not in about_dicom


def test_a_survey_that_was_stopped_says_so() -> None:
    from dataclasses import replace

    of = about()
    stopped = replace(of, survey=replace(of.survey, finished=None))
    assert "stopped before its end" in whole(network(), stopped)
    assert "stopped before its end" not in whole(network(), of)


def test_figures_of_two_methods_are_not_one_line() -> None:
    from dataclasses import replace

    of = about()
    other = replace(of, earlier=tuple(replace(each, method=99) for each in of.earlier))
    assert "Over time" in whole(network(), of)
    assert "Over time" not in whole(network(), other)


def test_evidence_says_what_was_decoded() -> None:
    from dataclasses import replace

    seen, of = hostile()
    whole = evidence(seen, of, "10.1.0.7", 104)
    assert "count distinct patient IDs by a keyed hash in memory" in whole
    assert "note which kinds of identifiers have values" in whole
    bare = replace(of, scope=replace(of.scope, options=frozenset({Option.TITLES})))
    assert "none was decoded, and none was kept." in evidence(seen, bare, "10.1.0.7", 104)


@pytest.mark.parametrize(("address", "port"), [("10.1.0.7", 105), ("10.9.9.9", 104)])
def test_evidence_of_what_was_not_seen(address: str, port: int) -> None:
    with pytest.raises(NotFound):
        evidence(network(), about(), address, port)


def test_clocks_run_from_when_it_was_seen() -> None:
    text = require_harmless(evidence(network(), about(), "10.1.0.7", 104)).text
    assert reported.day(reported.NOW + 3 * reported.DAY) in text
    assert reported.day(reported.NOW + 60 * reported.DAY) in text


# --- letters -------------------------------------------------------------------------------------------------


def test_one_letter_for_each_owner_in_the_owner_s_language() -> None:
    written = {letter.owner: letter for letter in letters(network(), about())}
    assert written["Radiologie am Markt"].language is Language.DE
    assert "Sehr geehrte" in written["Radiologie am Markt"].text
    assert written["St. Example Hospital"].addresses == ("10.1.0.10", "10.1.0.11", "10.1.0.14")
    assert written["2001:db8::7"].to == "" if "2001:db8::7" in written else written[""].to == ""
    for owner, letter in written.items():
        others = {address for name, each in written.items() if name != owner for address in each.addresses}
        assert not [each for each in others if re.search(rf"{re.escape(each)}(?![0-9])", letter.text)]


def test_steps_are_numbered_without_a_gap() -> None:
    """Whoever lets strangers in and answers no query has no clocks to watch."""
    seen = network([("10.1.0.7", [associate(address="10.1.0.7"), echo(address="10.1.0.7")])])
    for language in Language:
        for shown in (seen, network()):
            for letter in letters(shown, about(), language):
                steps = [int(n) for n in re.findall(r"^(\d)\. ", letter.text, re.MULTILINE)]
                assert steps == list(range(1, len(steps) + 1))
    assert "164.404" not in next(letters(seen, about())).text


@pytest.mark.parametrize(
    ("language", "one", "two"),
    [
        (Language.EN, "One of your systems answers anybody", "2 of your systems answer anybody"),
        (Language.DE, "eines Ihrer Systeme antwortet jedem", "2 Ihrer Systeme antworten jedem"),
    ],
)
def test_a_letter_says_how_many_systems_answer(language: Language, one: str, two: str) -> None:
    """Of the owner's; one that merely lets strangers in is not among them."""
    answering = [(f"10.1.0.{n}", dcmqrscp_open(address=f"10.1.0.{n}")) for n in (20, 21)]
    letting_in = ("10.1.0.22", [associate(address="10.1.0.22"), echo(address="10.1.0.22")])
    owner = [Owner("10.1.0.0/24", "A")]
    for seen, said in ((answering[:1], one), (answering, two)):
        (letter,) = letters(network([*seen, letting_in], owner), about(), language)
        assert said in letter.text
        assert said in letter.html


@pytest.mark.parametrize(
    ("language", "one", "several"),
    [
        (Language.EN, "One of your imaging systems lets", "Some of your imaging systems let"),
        (Language.DE, "eines Ihrer Bildgebungssysteme lässt", "einige Ihrer Bildgebungssysteme lassen"),
    ],
)
def test_a_letter_about_what_lets_strangers_in(language: Language, one: str, several: str) -> None:
    hosts = [(f"10.1.0.{n}", [associate(address=f"10.1.0.{n}")]) for n in (20, 21)]
    for seen, said in ((hosts[:1], one), (hosts, several)):
        (letter,) = letters(network(seen, [Owner("10.1.0.0/24", "A")]), about(), language)
        assert said in letter.text
        assert said in letter.html


def test_files_that_lie_open_are_a_matter_for_data_protection() -> None:
    """Although no query was answered."""
    (host,) = (each for each in reported.everybody() if each[0] == "10.1.0.10")
    seen = network([host])
    assert seen.hosts[0].level < Level.ANSWERS
    for language, said in ((Language.EN, "45 CFR 164.404"), (Language.DE, "Art. 33 DSGVO")):
        (letter,) = letters(seen, about(), language)
        assert said in " ".join(letter.text.split())
        assert said in letter.html


def test_what_refuses_strangers_gets_no_letter() -> None:
    assert list(letters(network([("10.1.0.8", refuses_strangers(address="10.1.0.8"))]), about())) == []


def test_no_letter_about_what_does_not_count() -> None:
    from observed import offers

    everything = offers("1.2.3", accepts_unknown=True, implementation_class_uid="1.3.12.2.1107.5.2")
    seen = network([(everything.address, [*dcmqrscp_open(), everything])], owners=())
    if everything.address in seen.apart:
        assert list(letters(seen, about())) == []
    else:
        assert len(list(letters(seen, about()))) == 1


# --- exports -------------------------------------------------------------------------------------------------


def test_the_json_holds_the_observations_that_it_rests_on() -> None:
    found = json.loads(as_json(*hostile()))
    assert found["tlp"] == "AMBER+STRICT"
    assert found["network"]["total"] == {
        "studies": 1301, "exact": True, "images": 900, "people": 421, "at_least": ["images", "people"],
    }  # fmt: skip
    for host in found["hosts"]:
        for port in host["ports"]:
            for finding in port["findings"]:
                assert all(host["observations"][at]["port"] == port["port"] for at in finding["proof"])
    assert {doubt["overruled"] for doubt in found["doubts"]} == {True}


def test_the_csv_is_one_and_starts_no_formula() -> None:
    rows = list(csv.reader(io.StringIO(as_csv(*hostile()))))
    assert {len(row) for row in rows} == {18}
    assert EVIL in {row[4] for row in rows}
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert any(cell.startswith("'=cmd") for cell in cells)


def test_intelmq_events_have_what_intelmq_requires() -> None:
    seen, of = hostile()
    events = [json.loads(each) for each in as_intelmq(seen, of).splitlines()]
    assert events
    types = {"information-disclosure", "weak-crypto", "vulnerable-system", "potentially-unwanted-accessible"}
    for event in events:
        assert event["classification.taxonomy"] == "vulnerable"
        assert event["classification.type"] in types
        assert event["feed.name"] and event["feed.provider"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", event["time.observation"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", event["time.source"])
        assert event["tlp"] == "AMBER"
        assert isinstance(event["source.port"], int)
        assert event["extra.check"] in CHECKS and event["extra.severity"] != "info"
        assert "" not in event.values()
    assert {event["source.asn"] for event in events if "source.asn" in event} == {64496}


def test_a_misp_event_is_the_same_at_a_second_import() -> None:
    seen, of = hostile()
    first, second = (json.loads(as_misp(seen, of))["Event"] for _ in range(2))
    assert first["uuid"] == second["uuid"]
    assert {each["uuid"] for each in first["Attribute"]} == {each["uuid"] for each in second["Attribute"]}
    assert len({each["uuid"] for each in first["Attribute"]}) == len(first["Attribute"])
    assert all(re.fullmatch(r"[0-9a-f:.]+\|\d+", each["value"]) for each in first["Attribute"])
    assert {"name": "tlp:amber+strict"} in first["Tag"]
    assert first["threat_level_id"] == "1"
    assert "10.1.0.8|104" not in {each["value"] for each in first["Attribute"]}


@pytest.mark.parametrize("name", FORMATS)
def test_nobody_needs_a_constituency(name: str) -> None:
    _, make = FORMATS[name]
    assert make(network(owners=()), about())


# --- parts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counted", "said"),
    [
        (Count(60, True, people=21), "60 studies, 21 people"),
        (Count(1, True, 1, 1), "1 study, 1 image, 1 person"),
        (Count(500, False), "at least 500 studies"),
        (
            Count(9, True, 8, 7, least=frozenset({"images", "people"})),
            "9 studies, at least 8 images, at least 7 people",
        ),
    ],
)
def test_amounts(counted: Count, said: str) -> None:
    assert amount(counted) == said


def test_people_of_several_archives_are_not_added_up() -> None:
    """The same person may be in both; of what was not counted nothing is said."""
    first = [*dcmqrscp_open(60, address="10.0.0.1")[:-1], count(60, people=21, address="10.0.0.1")]
    second = [*dcmqrscp_open(7, address="10.0.0.2")[:-1], count(7, people=5, address="10.0.0.2")]
    one = network([("10.0.0.1", first)]).total
    both = network([("10.0.0.1", first), ("10.0.0.2", second)]).total
    assert one == Count(60, True, None, 21)
    assert both == Count(67, True, None, 21, least=frozenset({"people"}))
    assert network([]).total is None


def test_a_line_for_each_port_that_says_something() -> None:
    told = {each.where: each for each in lines(network())}
    assert told["10.1.0.7:104"].detail == "1,234 studies, 421 people; name, birth date, ID.  Nothing copied."
    assert (told["10.1.0.8:104"].grade, told["10.1.0.8:104"].headline) == ("A", "REFUSES STRANGERS")
    assert (told["10.1.0.13:104"].grade, told["10.1.0.13:104"].headline) == ("", "BUSY")
    assert told["10.1.0.10:80"].detail == "DICOM files lie open on a web server"
    many = ("name", "birth-date", "patient-id", "sex", "address")
    seen = [*dcmqrscp_open(), identifiers(kinds=many, shares=(100,) * 5)]
    (only,) = lines(network([(seen[0].address, seen)]))
    assert "name, birth date, ID and 2 more" in only.detail


def test_charts() -> None:
    assert bars([]) == ""
    drawn = bars([Bar(EVIL, 1), Bar("none", 0), Bar("much", 100_000)])
    assert "<script>" not in drawn
    assert 'width="0.80"' in drawn and 'width="0.00"' in drawn and 'width="100.00"' in drawn
    assert line([(1, 5)], "x") == ""
    assert "<script>" not in line([(1, 5), (2, 0)], EVIL)
    assert line([(1, 0), (1, 0)], "x").count("<circle") == 2
