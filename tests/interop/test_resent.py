"""What is here already and is sent again by a program that writes data sets in its own way: DCMTK's storescu makes
other lengths, group lengths and padding of them, and it is the same object."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pydicom
import pytest
from interop_files import Sent, archives, everything
from interop_home import SCANNER, TITLE, Home, home
from interop_programs import dcmtk, run
from interop_refused import FAULTY, TAKEN
from interop_transfers import fetched, send
from pydicom_files import BARE, CORPUS

from leadglass.record import reader

# What makes storescu propose a transfer syntax.
PROPOSE = {
    "1.2.840.10008.1.2": "-xi",
    "1.2.840.10008.1.2.1": "-xe",
    "1.2.840.10008.1.2.1.99": "-xd",
    "1.2.840.10008.1.2.2": "-xb",
    "1.2.840.10008.1.2.4.50": "-xy",
    "1.2.840.10008.1.2.4.51": "-xx",
    "1.2.840.10008.1.2.4.70": "-xs",
    "1.2.840.10008.1.2.4.90": "-xv",
    "1.2.840.10008.1.2.4.91": "-xw",
}
# Texts that end in more spaces than make their length even: DCMTK cuts those, and a value is a value.
OTHER_VALUES = {"SC_rgb_gdcm_KY.dcm", "examples_ybr_color.dcm", "gdcm-US-ALOKA-16.dcm"}
# Some of those of which DCMTK makes other bytes, with what it does to them.
OTHER_BYTES = {
    "CT_small.dcm",  # leaves the padding of a file out
    "reportsi.dcm",  # gives sequences and items their length
    "eCT_Supplemental.dcm",
    "waveform_ecg.dcm",
    "JPEG-LL.dcm",  # the same, beside fragments
    "chrKoreanMulti.dcm",  # counts the length of a group again
    "693_J2KI.dcm",  # and calls fragments OB that were OW
    "image_dfl.dcm",  # leaves the trailer of gzip out
}


@pytest.fixture(scope="module")
def sent() -> list[Sent]:
    """Files of which no two contradict each other."""
    return archives(each for each in everything() if each.name not in FAULTY.keys() | BARE.keys())[0]


@pytest.fixture(scope="module")
def resent(sent: list[Sent], _cheap: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """An archive that has them as they are, and was then sent them by storescu."""
    storescu = dcmtk("storescu")
    with home(tmp_path_factory.mktemp("resent")) as made:
        assert set(send(made.plain, sent).values()) == {TAKEN}
        for syntax, option in PROPOSE.items():
            paths = [CORPUS[each.name] for each in sent if each.syntax == syntax]
            run(storescu, "-nh", option, "-aet", SCANNER, "-aec", TITLE, "127.0.0.1", made.plain, *paths)
        yield made


def again(resent: Home, sent: list[Sent]) -> dict[str, tuple[str, bool]]:
    """What became of each that storescu sent, and whether it was encoded in another way, by its name."""
    with resent.opened.services.db.read() as connection:
        entries = reader.entries(connection, action="object.store", limit=1000)[::-1][len(sent) :]
    names = {each.instance: each.name for each in sent}
    return {
        names[str(one.entry.detail["instance"])]: (one.entry.reason, "recoded" in one.entry.detail)
        for one in entries
    }


def test_it_is_a_duplicate_whatever_its_bytes_are(resent: Home, sent: list[Sent]) -> None:
    became = again(resent, sent)
    assert len(became) > 140  # DCMTK refuses to send a few
    assert {name: reason for name, (reason, _) in became.items()} == {
        name: "other-content" if name in OTHER_VALUES else "duplicate" for name in became
    }
    assert {name for name, (_, recoded) in became.items() if recoded} >= OTHER_BYTES


def test_only_other_values_are_kept_aside(resent: Home, sent: list[Sent]) -> None:
    instances = {each.instance for each in sent if each.name in OTHER_VALUES}
    kept = [pydicom.dcmread(io.BytesIO(file)) for file in resent.kept_aside()]
    assert {str(each.SOPInstanceUID) for each in kept} == instances
    assert len(kept) == len(instances)


def test_what_was_here_first_is_what_is_here(resent: Home, sent: list[Sent]) -> None:
    received = fetched(resent, sent)
    assert received.data_sets == {each.instance: (each.syntax, each.data_set) for each in sent}
    assert resent.check().ok
