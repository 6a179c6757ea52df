"""Places for connections: counted at accept, given to those who are somebody."""

from __future__ import annotations

from leadglass.net.quota import Quota


class Crowd:
    """Connections by name; `gone` lists those that had to leave."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.gone: list[str] = []

    def enter(self, name: str, address: str = "192.0.2.1"):
        return self.quota.enter(address, lambda: self.gone.append(name))


def test_the_one_that_has_waited_longest_unassociated_goes():
    crowd = Crowd(Quota(10, 2))
    crowd.enter("first")
    crowd.enter("second")
    assert crowd.enter("third") is not None
    assert crowd.gone == ["first"]
    assert len(crowd.quota) == 2


def test_somebody_associated_goes_for_nobody():
    crowd = Crowd(Quota(10, 2))
    known = crowd.enter("known")
    crowd.quota.associated(known)
    crowd.enter("stranger")
    crowd.enter("another")
    assert crowd.gone == ["stranger"]


def test_the_newcomer_goes_when_all_are_associated():
    crowd = Crowd(Quota(10, 2))
    for name in ("a", "b"):
        crowd.quota.associated(crowd.enter(name))
    assert crowd.enter("late") is None
    assert crowd.gone == []


def test_one_address_does_not_take_the_places_of_others():
    crowd = Crowd(Quota(10, 2))
    for number in range(5):
        crowd.enter(f"loud {number}", "192.0.2.1")
    assert crowd.enter("quiet", "192.0.2.2") is not None
    assert "quiet" not in crowd.gone
    assert len(crowd.quota) == 3


def test_in_all_the_oldest_stranger_of_any_address_goes():
    crowd = Crowd(Quota(3, 3))
    for number in range(3):
        crowd.enter(f"{number}", f"192.0.2.{number}")
    assert crowd.enter("new", "192.0.2.9") is not None
    assert crowd.gone == ["0"]
    assert len(crowd.quota) == 3


def test_a_place_is_given_back_once():
    crowd = Crowd(Quota(3, 3))
    place = crowd.enter("one")
    crowd.quota.left(place)
    crowd.quota.left(place)
    assert len(crowd.quota) == 0


def test_nothing_is_kept_of_those_who_left():
    quota = Quota(1000, 10)
    crowd = Crowd(quota)
    for number in range(500):
        place = crowd.enter("x", f"192.0.2.{number % 250}")
        if number % 2:
            quota.associated(place)
        quota.left(place)
    assert len(quota) == 0
    assert not quota._counts and not quota._strangers and not quota._oldest
