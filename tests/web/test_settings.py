import pytest

from leadglass.web.settings import WebSettings


@pytest.mark.parametrize(
    ("url", "secure", "cookie"),
    [
        ("http://localhost:8080", False, "leadglass"),
        ("https://pacs.example.org", True, "__Host-leadglass"),
        ("https://pacs.example.org:8443", True, "__Host-leadglass"),
    ],
)
def test_the_public_address_decides_the_cookie(url, secure, cookie):
    settings = WebSettings(public_url=url)
    assert (settings.secure, settings.cookie_name) == (secure, cookie)


def test_loopback_names_stand_for_each_other():
    assert WebSettings(public_url="http://127.0.0.1:81").hosts == {"localhost", "127.0.0.1", "[::1]"}


def test_another_name_stands_for_itself():
    assert WebSettings(public_url="https://Pacs.example.org:8443").hosts == {"pacs.example.org"}
    assert WebSettings(public_url="https://[2001:db8::1]").hosts == {"[2001:db8::1]"}


def test_further_names():
    assert "alias" in WebSettings(other_hosts=frozenset({"Alias"})).hosts
