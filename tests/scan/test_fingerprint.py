from __future__ import annotations

import pytest
from observed import DCMTK, associate, http, orthanc_as_packaged, rejected, seen, system

from leadglass.dicom import implementation
from leadglass.scan.doors import doors
from leadglass.scan.fingerprint import MARKS, NAMES, Identity, Kind, Mark, Provenance, Sign, identify
from leadglass.scan.observation import Observation, Outcome
from leadglass.scan.words import About, Marker


def identities(*what: Observation) -> tuple[Identity, ...]:
    (door,) = doors(what)
    return identify(door)


def bearing(mark: Mark) -> Observation:
    pattern = mark.pattern + "1.2.3" if mark.sign is Sign.ROOT else mark.pattern
    if mark.sign in (Sign.MARKER, Sign.SERVER):
        return seen("http", Outcome.RESPONDED, {"method": "get"}, **{mark.sign.value: pattern})
    return associate(implementation_class_uid=pattern)


@pytest.mark.parametrize("mark", MARKS, ids=lambda mark: f"{mark.program}-{mark.sign}")
def test_no_identity_is_more_certain_than_its_mark(mark: Mark) -> None:
    (identity,) = identities(bearing(mark))
    assert (identity.program, identity.kind) == (mark.program, mark.kind)
    assert (identity.provenance, identity.source) == (mark.provenance, mark.source)
    assert identity.name == NAMES[mark.program]
    assert mark.source


def test_every_name_is_of_a_program_that_has_a_mark() -> None:
    assert set(NAMES) == {mark.program for mark in MARKS}


def test_every_marker_of_a_probe_is_known() -> None:
    assert {mark.pattern for mark in MARKS if mark.sign is Sign.MARKER} == set(Marker)


def test_marks_are_told_apart() -> None:
    patterns = [(mark.sign, mark.pattern) for mark in MARKS]
    assert len(set(patterns)) == len(patterns)
    roots = [mark.pattern for mark in MARKS if mark.sign is Sign.ROOT]
    assert not [(a, b) for a in roots for b in roots if a != b and a.startswith(b)]


def test_orthanc_over_dicom_shows_its_toolkit_and_no_product() -> None:
    (identity,) = identities(*orthanc_as_packaged())
    assert (identity.program, identity.kind, identity.version) == ("dcmtk", Kind.TOOLKIT, "3.6.7")


@pytest.mark.parametrize(
    ("uid", "name", "program", "version"),
    [
        ("1.2.276.0.7230010.3.0.3.5.4", "OFFIS_DCMTK_354", "dcmtk", "3.5.4"),
        ("1.2.276.0.7230010.3.0.3.7.0", "OFFIS_DCMTK_370", "dcmtk", "3.7.0"),
        ("1.2.826.0.1.3680043.9.3811.3.0.4", "PYNETDICOM_304", "pynetdicom", "3.0.4"),
        ("1.2.826.0.1.3680043.9.3811.3.0.4", "MONITOR", "pynetdicom", "3.0.4"),
        ("1.2.826.0.1.3680043.2.1143.107.104.103.115.3.2.6", "GDCM 3.2.6", "gdcm", "3.2.6"),
        ("1.2.40.0.13.1.3", "dcm4che-5.23.3", "dcm4che", "5.23.3"),
        ("1.2.40.0.13.1.3", "dcm4che-null", "dcm4che", ""),
        ("1.2.40.0.13.1.1", "dcm4che-2.0", "dcm4che2", "2.0"),
        ("1.3.6.1.4.1.30071.8", "fo-dicom 4.0.0", "fo-dicom", "4.0.0"),
        ("1.2.826.0.1.3680043.2.135.1066.101", "1.5.0/WIN32", "conquest", "1.5.0"),
        ("1.2.826.0.1.3680043.2.135.1066.101", "1.4.16/OTHER", "conquest", "1.4.16"),
        ("1.3.6.1.4.1.25403.1.1.1", "Dicom 0.1", "clearcanvas", ""),
        ("1.2.826.0.1.3680043.9.7133.1.1", "GODICOM_1_1", "go-dicom", ""),
        ("1.3.12.2.1107.5.2", "MR_VB19A", "siemens", ""),
        (
            implementation.IMPLEMENTATION_CLASS_UID,
            implementation.IMPLEMENTATION_VERSION_NAME,
            "leadglass",
            "",
        ),
    ],
)
def test_versions_that_programs_tell(uid: str, name: str, program: str, version: str) -> None:
    (identity,) = identities(associate(implementation_class_uid=uid, implementation_version_name=name))
    assert (identity.program, identity.version) == (program, version)


@pytest.mark.parametrize(
    "uid", ["1.2.276.0.7230010.3.1.4", "1.2.40.0.13.1.33", "1.2.826.0.1.3680043.9.38110.1", "2.25.7"]
)
def test_a_uid_that_only_resembles_one(uid: str) -> None:
    assert identities(associate(implementation_class_uid=uid)) == ()


def test_a_rejection_names_nobody() -> None:
    assert identities(rejected(1, 1, 3, **DCMTK)) == ()


def test_the_web_tells_orthanc_and_its_version() -> None:
    (identity,) = identities(system())
    assert (identity.program, identity.kind, identity.version) == ("orthanc", Kind.PRODUCT, "1.10.1")


PATHS = {"dcm4chee": "/dcm4chee-arc/ui2/", "meddream": "/meddream/", "oviyam": "/oviyam2/"}


def shown(*what: Observation) -> set[str]:
    return {each.program for each in identities(*what)}


def test_a_page_that_says_what_was_not_found_is_no_product() -> None:
    """Orthanc 1.10.1 repeats the path in its answer 404."""
    echoes = [http(About.VIEWER, 404, path=path, marker=marker) for marker, path in PATHS.items()]
    assert shown(system(), *echoes) == {"orthanc"}
    assert shown(http(About.LISTING, 404, path="/", marker="conquest")) == {"conquest"}


def test_a_product_on_its_own_path_is_one_where_other_paths_are_not_found() -> None:
    page = http(About.VIEWER, path="/oviyam2/", marker="oviyam")
    other = http(About.DCM4CHEE_UI, path="/dcm4chee-arc/ui2/", marker="dcm4chee")
    assert shown(page) == {"oviyam"}
    assert shown(page, other, http(About.VIEWER, 404, path="/meddream/")) == {"oviyam", "dcm4chee"}


def test_who_has_a_page_of_that_name_for_every_path_shows_no_product() -> None:
    pages = [http(About.VIEWER, path=path, marker=marker) for marker, path in PATHS.items()]
    assert shown(*pages) == set()
    assert shown(*pages, http(About.LISTING, path="/", marker="ohif")) == {"ohif"}


def test_the_best_known_comes_first_and_each_once_with_its_version() -> None:
    first = http("viewer", marker="orthanc", server="WildFly/26")
    got = identities(first, system(), http("viewer", marker="oviyam"))
    assert [(each.program, each.version, each.index) for each in got] == [
        ("orthanc", "1.10.1", 1),
        ("oviyam", "", 2),
        ("wildfly", "", 0),
    ]
    assert [each.provenance for each in got] == [Provenance.RUN, Provenance.TABLE, Provenance.UNVERIFIED]
