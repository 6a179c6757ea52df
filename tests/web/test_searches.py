from leadglass.web.searches import Searches


def test_a_name_means_something_to_its_session_alone():
    searches = Searches()
    name = searches.keep("session:a", {"name": "roth"})
    assert searches.recall("session:a", name) == {"name": "roth"}
    assert searches.recall("session:b", name) is None
    assert "roth" not in name


def test_forgotten_at_sign_out_and_when_there_are_too_many():
    searches = Searches(sessions=2, per_session=2)
    first, _, last = (searches.keep("a", {"name": text}) for text in "xyz")
    assert searches.recall("a", first) is None
    assert searches.recall("a", last) == {"name": "z"}
    searches.keep("b", {})
    searches.keep("c", {})
    assert searches.recall("a", last) is None
    other = searches.keep("c", {"name": "q"})
    searches.forget("c")
    assert searches.recall("c", other) is None


def test_what_is_kept_is_a_copy():
    searches, terms = Searches(), {"name": "roth"}
    name = searches.keep("a", terms)
    terms["name"] = "changed"
    assert searches.recall("a", name) == {"name": "roth"}
