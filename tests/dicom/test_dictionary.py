"""Lookups against pydicom's own, UIDs against PS3.5 9.1."""

from __future__ import annotations

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import datadict

from leadglass.dicom import dictionary
from leadglass.dicom.dictionary import (
    is_valid_uid,
    keyword_of,
    private_vr,
    public_vr,
    transfer_syntax,
    uid_name,
)


@given(st.one_of(st.sampled_from(sorted(dictionary.VR_BY_TAG)), st.integers(0, 0xFFFFFFFF)))
def test_public_vr_and_keyword(tag: int) -> None:
    try:
        expected: str | None = datadict.dictionary_VR(tag)
    except KeyError:
        expected = "UL" if tag & 0xFFFF == 0 and not tag >> 16 & 1 else None
    assert public_vr(tag) == expected
    assert keyword_of(tag) == datadict.keyword_for_tag(tag)


@pytest.mark.parametrize(
    ("tag", "vr"),
    [(0x60003000, "OB or OW"), (0x60223000, "OB or OW"), (0x00203105, "CS"), (0x00090000, None)],
)
def test_repeating_groups(tag: int, vr: str | None) -> None:
    assert public_vr(tag) == vr


@pytest.mark.parametrize(
    ("tag", "creator"),
    [(0x00191002, "GEMS_ACQU_01"), (0x0019E002, "GEMS_ACQU_01"), (0x00291008, "SIEMENS CSA HEADER")],
)
def test_private_vr(tag: int, creator: str) -> None:
    assert private_vr(tag, creator) == datadict.private_dictionary_VR(tag, creator)


def test_private_vr_nobody_knows() -> None:
    assert private_vr(0x00191002, "NOBODY") is None
    assert private_vr(0x001910EE, "GEMS_ACQU_01") is None


def test_private_blocks() -> None:
    assert dictionary.is_private_creator(0x00190010)
    assert not dictionary.is_private_creator(0x00191010)
    assert not dictionary.is_private_creator(0x00180010)
    assert dictionary.creator_of(0x0019AB12) == 0x001900AB


@pytest.mark.parametrize("uid", ["1", "0", "1.2.840.10008.1.2", "1.0.3", "2.25." + "9" * 39, "1" * 64])
def test_valid_uids(uid: str) -> None:
    assert is_valid_uid(uid)


@pytest.mark.parametrize(
    "uid",
    [
        "",
        ".",
        "1.",
        ".1",
        "1..2",
        "01",
        "1.02",
        "1.a",
        "1 ",
        "1\0",
        "1" * 65,
        "1.-2",
        "1.\uff12",
        "../1",
        "1/2",
        "1\n",
    ],
)
def test_invalid_uids(uid: str) -> None:
    assert not is_valid_uid(uid)


@pytest.mark.parametrize("uid", sorted(dictionary.TRANSFER_SYNTAXES))
def test_transfer_syntaxes(uid: str) -> None:
    syntax, other = transfer_syntax(uid), pydicom.uid.UID(uid)
    if not other.is_transfer_syntax:
        assert not syntax.explicit  # GE's private one, which pydicom does not know
        return
    assert syntax.name == other.name
    assert syntax.little_endian == other.is_little_endian
    jpip, deflate, papyrus = (".4.94", ".4.204"), (".4.95", ".4.205"), "1.2.840.10008.1.20"
    assert syntax.explicit != (other.is_implicit_VR or uid == papyrus)
    assert syntax.deflated == (other.is_deflated or uid.endswith(deflate))
    if not uid.endswith((*jpip, *deflate, papyrus)):
        assert syntax.encapsulated == other.is_encapsulated


def test_an_unknown_transfer_syntax_is_taken_as_compressed() -> None:
    syntax = transfer_syntax("1.2.3")
    assert (syntax.explicit, syntax.little_endian, syntax.encapsulated) == (True, True, True)


def test_names() -> None:
    assert uid_name("1.2.840.10008.5.1.4.1.1.2") == "CT Image Storage"
    assert uid_name("1.2.3") == "1.2.3"
