from __future__ import annotations

from itertools import product

import pytest
from observed import (
    checks,
    control,
    found,
    http,
    qido,
    statistics,
    system,
    tcp,
)

from leadglass.scan.checks import Severity
from leadglass.scan.observation import Outcome
from leadglass.scan.words import About, Marker


def test_an_open_search() -> None:
    finding = found(control(), qido())["W01"]
    assert finding.severity is Severity.CRITICAL
    assert finding.proof == (1, 0)
    assert finding.facts == {"path": "/dicom-web/studies", "key_ignored": False}
    assert "W01" in checks(control(), http(About.QIDO, 204))
    assert found(control(), qido(count=1))["W01"].facts["key_ignored"] is True


@pytest.mark.parametrize("status", [200, 204, 401, 500])
def test_a_search_is_not_open_where_any_path_is_answered(status: int) -> None:
    assert "W01" not in checks(control(status), qido())


def test_a_search_is_not_open_without_its_control() -> None:
    assert "W01" not in checks(qido())


def test_one_control_that_is_answered_spoils_the_others() -> None:
    assert "W01" not in checks(control(), control(200), qido())


def test_a_page_is_no_list() -> None:
    assert "W01" not in checks(control(), http(About.QIDO, type="text/html", count=0))
    assert "W01" not in checks(control(), http(About.QIDO, type="application/json"))


def test_counts_over_the_web() -> None:
    assert found(http(About.QIDO_COUNT, count=60))["W02"].facts == {"studies": 60}
    assert checks(http(About.QIDO_COUNT, count=0)) == set()


def test_orthanc_over_the_web() -> None:
    assert found(system())["W03"].facts == {}
    finding = found(system(), statistics(21, 60))["W03"]
    assert finding.proof == (0, 1)
    assert finding.facts == {"patients": 21, "studies": 60, "series": 120, "instances": 900}
    assert "W03" not in checks(http(About.ORTHANC_SYSTEM))
    assert "W03" not in checks(statistics(21, 60))


def test_a_default_password() -> None:
    assert found(http(About.CREDENTIALS, path="/system"))["W04"].facts == {"path": "/system"}


@pytest.mark.parametrize(
    ("status", "methods", "expected"),
    [(200, ("get", "post"), True), (204, ("post",), True), (200, ("get",), False), (405, ("post",), False)],
)
def test_storing_over_the_web(status: int, methods: tuple[str, ...], expected: bool) -> None:
    assert ("W05" in checks(http(About.STOW, status, method="options", methods=methods))) == expected


@pytest.mark.parametrize(
    ("marker", "check"),
    [(Marker.DCM4CHEE, "W06"), (Marker.OHIF, "W07"), *((each, "W08") for each in
     (Marker.MEDDREAM, Marker.OVIYAM, Marker.WEASIS, Marker.CONQUEST, Marker.DICOOGLE, Marker.CLEARCANVAS))],
)  # fmt: skip
@pytest.mark.parametrize("is_open", [False, True])
def test_pages_of_viewers(marker: Marker, check: str, is_open: bool) -> None:
    page = http(About.VIEWER, path="/", marker=marker.value)
    finding = found(page, *([control(), qido()] if is_open else []))[check]
    assert finding.severity is (Severity.CRITICAL if is_open else Severity.LOW)
    assert finding.facts == {"programs": (marker.value,), "open": is_open}
    assert len({"W06", "W07", "W08"} & checks(page)) == 1


def test_a_page_for_every_path_is_no_viewer() -> None:
    pages = [
        http(About.VIEWER, path=f"/{marker}/", marker=marker) for marker in (Marker.MEDDREAM, Marker.OVIYAM)
    ]
    assert "W08" not in checks(*pages)
    assert "W08" in checks(*pages, control(404))


def test_an_open_archive_elsewhere_does_not_open_a_viewer() -> None:
    page = http(About.VIEWER, path="/", marker="oviyam", port=8080)
    assert found(page, control(), qido())["W08"].severity is Severity.LOW


def test_a_directory_of_dicom_files() -> None:
    assert found(http(About.LISTING, path="/images/", links=12))["W09"].facts == {
        "links": 12,
        "path": "/images/",
    }
    assert checks(http(About.LISTING, path="/", links=0)) == set()


@pytest.mark.parametrize(
    ("origin", "credentials", "is_open"),
    list(product(["none", "any", "reflected", "other"], [False, True], [False, True])),
)
def test_cors(origin: str, credentials: bool, is_open: bool) -> None:
    what = http(About.CORS, allow_origin=origin, allow_credentials=credentials)
    expected = origin in {"any", "reflected"} and (credentials or is_open)
    assert ("W10" in checks(what, *([control(), qido()] if is_open else []))) == expected


@pytest.mark.parametrize("port", [2575, 6661, 5432, 3306, 1433, 27017, 389, 104, 80])
def test_other_services_that_can_be_reached(port: int) -> None:
    check = {2575: "N01", 6661: "N01", 104: None, 80: None}.get(port, "N02")
    assert checks(tcp(port=port)) == ({check} if check else set())
    assert checks(tcp(Outcome.REFUSED, port=port), tcp(Outcome.SILENT, port=port)) == set()
