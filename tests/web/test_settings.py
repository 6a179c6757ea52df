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
    assert WebSettings(public_url="http://127.0.0.1:81").hosts == {"localhost:81", "127.0.0.1:81", "[::1]:81"}


def test_a_default_port_may_be_left_out():
    assert WebSettings(public_url="https://Pacs.example.org").hosts == {
        "pacs.example.org",
        "pacs.example.org:443",
    }
    assert WebSettings(public_url="https://[2001:db8::1]").hosts == {"[2001:db8::1]", "[2001:db8::1]:443"}


def test_further_hosts():
    assert "alias:9" in WebSettings(other_hosts=frozenset({"Alias:9"})).hosts
