import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Kind, Principal, Role, Via
from leadglass.web import pages
from leadglass.web.assets import Assets


@pytest.mark.parametrize(
    ("value", "reads"),
    [
        ("ROTH^ANNA", "Roth, Anna"),
        ("Roth^Anna^Maria^Dr.^MD", "Roth, Anna Maria, Dr., MD"),
        ("VAN DER MEER-OOSTERHUIS^W.", "Van Der Meer-Oosterhuis, W."),
        ("McDonald^Iain", "McDonald, Iain"),
        ("O'NEILL^SEÁN", "O'Neill, Seán"),
        ("YAMADA^TAROU=山田^太郎=やまだ^たろう", "Yamada, Tarou (山田 太郎)"),
        ("=山田^太郎", "山田 太郎"),
        ("ROTH", "Roth"),
        ("^ANNA", "Anna"),
        ("", "No name"),
        ("^^^^", "No name"),
        ("A^B", "A, B"),
    ],
)
def test_person_name(value, reads):
    assert pages.person_name(value) == reads


@given(st.text(max_size=80))
def test_any_name_reads_as_something(value):
    assert pages.person_name(value)


@pytest.mark.parametrize(
    ("value", "reads"), [("20260131", "2026-01-31"), ("2026.01.31", "2026-01-31"), ("", ""), ("1952", "1952")]
)
def test_day(value, reads):
    assert pages.day(value) == reads


@pytest.mark.parametrize(
    ("value", "reads"), [("134501.12", "13:45"), ("1345", "13:45"), ("13", "13"), ("", "")]
)
def test_clock_time(value, reads):
    assert pages.clock_time(value) == reads


@pytest.mark.parametrize(
    ("born", "seen", "age"),
    [
        ("19520301", "20260131", "73 y"),
        ("19520131", "20260131", "74 y"),
        ("20260124", "20260131", "7 d"),
        ("20251201", "20260131", "8 w"),
        ("20250131", "20260131", "12 m"),
        ("20260201", "20260131", ""),
        ("", "20260131", ""),
        ("19529999", "20260131", ""),
    ],
)
def test_age(born, seen, age):
    assert pages.age_at(born, seen) == age


@pytest.mark.parametrize(
    ("value", "reads"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (132_000, "132 kB"), (34_200_000, "34.2 MB")],
)
def test_size(value, reads):
    assert pages.size(value) == reads


def test_counts_say_what_was_delivered():
    assert pages.counts({"instances": 3, "bytes": 1_200_000}) == "3 objects, 1.2 MB"
    assert pages.counts({"frames": 1}) == "1 image shown"
    assert pages.counts({"something-new": 4}) == ""


def principal(role: Role) -> Principal:
    return Principal(Kind.USER, 1, 1, "x", "x", role, frozenset({1}), "session:x")


def test_every_person_has_a_page_to_land_on():
    context = Context("", Via.WEB, 0)
    landing = {
        role: pages.navigation(principal(role), context)[0][0]
        for role in Role
        if role not in (Role.OPERATOR, Role.APPLICATION_ENTITY)
    }
    assert landing == {
        Role.RADIOLOGIST: "/studies",
        Role.TECHNOLOGIST: "/studies",
        Role.PACS_ADMINISTRATOR: "/arrivals",
        Role.AUDITOR: "/record",
        Role.SYSTEM_ADMINISTRATOR: "/status",
    }


def test_every_right_that_the_record_names_has_words():
    assert {action.value for action in Action} <= {*pages.ACTIONS}


def test_templates_escape_and_refuse_what_they_are_not_given():
    rendered = pages.Pages(Assets()).render(
        "sign_in.html", name="<script>'\"", next="/", error="<b>", set_up_open=False
    )
    assert b"<script>'" not in rendered.body
    assert b"&lt;script&gt;&#39;&#34;" in rendered.body
    with pytest.raises(Exception, match="undefined"):
        pages.Pages(Assets()).render("sign_in.html", name="")


def test_no_template_has_inline_script_or_style():
    for path in (pages.HERE / "templates").glob("*.html"):
        text = path.read_text()
        assert "style=" not in text, path.name
        assert "|safe" not in text, path.name
        assert not any(f" {event}=" in text for event in ("onclick", "onload", "onerror", "onchange")), (
            path.name
        )
        assert text.count("<script") == text.count("<script src="), path.name
        assert "http://" not in text, path.name
        assert "https://" not in text, path.name


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("B\u202eI-1", "B\ufffdI-1"),
        ("\u2066<b>", "\ufffd&lt;b&gt;"),
        ("כהן", "כהן"),
        ("ab\u200fc", "ab\u200fc"),
    ],
)
def test_nothing_written_into_a_page_turns_what_follows_around(value, shown):
    problem = {"title": value, "sentence": "said"}
    text = pages.Pages(Assets()).render("problem.html", problem=problem).body.decode()
    assert f"<h1>{shown}</h1>" in text
