from leadglass.web.assets import IMMUTABLE, Assets


def test_an_address_changes_with_the_content(tmp_path):
    (tmp_path / "a.css").write_text("one")
    before = Assets(tmp_path).address("a.css")
    assert Assets(tmp_path).address("a.css") == before
    (tmp_path / "a.css").write_text("two")
    assert Assets(tmp_path).address("a.css") != before


def test_only_known_kinds_are_served(tmp_path):
    for name in ("a.css", "b.js", "c.svg", "d.LICENSE", "e.html", "f.py"):
        (tmp_path / name).write_text("x")
    assets = Assets(tmp_path)
    assert [assets.has(name) for name in ("a.css", "b.js", "c.svg")] == [True] * 3
    assert not any(assets.has(name) for name in ("d.LICENSE", "e.html", "f.py"))


def test_served_with_its_type_and_for_good(stranger):
    address = Assets().address("site.css")
    answer = stranger.get(address)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == IMMUTABLE
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert stranger.head(address).status_code == 200


def test_a_path_never_becomes_a_file_name(stranger):
    address = Assets().address("site.css")
    for path in (
        address.replace("site", "other"),
        "/static/0000000000000000/site.css",
        address.rsplit("/", 1)[0] + "/../../../../etc/passwd",
        address.rsplit("/", 1)[0] + "/%2e%2e/%2e%2e/app.py",
        "/static/x/../app.py",
    ):
        assert stranger.get(path).status_code in (303, 404), path
