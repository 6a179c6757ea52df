import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.errors import LimitExceeded
from leadglass.web import accept
from leadglass.web.accept import MediaRange, parse, takes


def test_nothing_given_means_anything():
    assert parse("") == parse("  ") == (MediaRange("*/*"),)


def test_parameters_quoted_bare_and_with_slashes():
    (media,) = parse('Multipart/Related; type="application/dicom"; Transfer-Syntax=*')
    assert media.kind == "multipart/related"
    assert media.parameter("type") == "application/dicom"
    assert media.parameter("transfer-syntax") == "*"
    assert media.parameter("boundary") is None
    (bare,) = parse("multipart/related; type=application/dicom")
    assert bare.parameter("type") == "application/dicom"


def test_a_comma_and_an_escaped_quote_inside_a_quoted_value():
    (media, other) = parse(r'a/b; x="1,\"2"; y=3, c/d')
    assert media.parameter("x") == '1,"2'
    assert media.parameter("y") == "3"
    assert other.kind == "c/d"


def test_best_first_and_zero_refused():
    ranges = parse("a/low;q=0.1, b/no;q=0, c/high, d/mid;q=0.5")
    assert [media.kind for media in ranges] == ["c/high", "d/mid", "a/low"]


@pytest.mark.parametrize("header", ["nonsense", "a/b;q=2, c/d;q=x", "a/", "/", ";", ",,,", "a/b c/d"])
def test_what_cannot_be_read_is_left_out(header):
    assert parse(header) == ()


def test_an_unreadable_range_does_not_take_its_neighbours_along():
    assert [media.kind for media in parse("a/b c, d/e")] == ["d/e"]


def test_too_long_is_refused_before_it_is_read():
    with pytest.raises(LimitExceeded):
        parse("a/b," * accept.LONGEST)


@pytest.mark.parametrize(
    ("header", "fits"),
    [
        ("application/dicom+json", True),
        ("application/json", True),
        ("application/*", True),
        ("*/*", True),
        ("text/html", False),
        ("application/dicom+json;q=0", False),
        ("text/html, */*;q=0.1", True),
    ],
)
def test_takes(header, fits):
    assert takes(parse(header), "application/dicom+json", "application/json") is fits


@given(st.text(max_size=200))
def test_any_header_is_read_or_left_out(header):
    for media in parse(header):
        assert "/" in media.kind
        assert 0 < media.quality <= 1
