"""Signed notes: against the published example of the format, and one refusal per way a key can be wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.errors import BrokenInvariant, LeadglassError, LimitExceeded, Tampered, Violation
from leadglass.note import MAX_NOTE, Note, Signer, VerifierKey

# The example of golang.org/x/mod/sumdb/note, where the format comes from.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
GO_LINE = (
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
GO_NOTE = f"{GO_TEXT}\n{GO_LINE}"


def test_the_published_example() -> None:
    key, note = VerifierKey.decode(GO_KEY), Note.decode(GO_NOTE.encode())
    key.verify(note)
    assert note.text == GO_TEXT
    assert note.encode() == GO_NOTE
    assert key.encode() == GO_KEY


def test_signing_and_verifying() -> None:
    signer = Signer.from_seed("example.com/log", bytes(32))
    note = signer.sign("one\n\nthree\n")
    assert Note.decode(note.encode().encode()) == note
    VerifierKey.decode(signer.key.encode()).verify(note)
    with pytest.raises(Tampered):
        signer.key.verify(Note("one\n\ntwo\n", note.signatures))


def test_a_signer_does_not_show_its_secret() -> None:
    assert "Ed25519" not in repr(Signer.from_seed("example.com/log", bytes(32)))


def test_a_text_ends_in_a_newline() -> None:
    with pytest.raises(BrokenInvariant):
        Signer.from_seed("example.com/log", bytes(32)).sign("no newline")


def test_every_piece_of_a_verifier_key_is_refused() -> None:
    pieces = {GO_KEY[start:end] for start in range(len(GO_KEY)) for end in range(start, len(GO_KEY) + 1)}
    for piece in pieces - {GO_KEY}:
        with pytest.raises(Violation):
            VerifierKey.decode(piece)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("name", "key-form"),
        ("name+c74f20a3", "key-form"),
        ("+c74f20a3+" + GO_KEY.split("+")[2], "key-name"),
        ("two words+c74f20a3+" + GO_KEY.split("+")[2], "key-name"),
        ("PeterNeumann+c74f20a4+" + GO_KEY.split("+")[2], "key-id"),
        ("PeterNeumann+C74F20A3+" + GO_KEY.split("+")[2], "key-id"),
        ("PaulNeumann+c74f20a3+" + GO_KEY.split("+")[2], "key-id"),
        ("PeterNeumann+c74f20a3+A" + GO_KEY.split("+")[2], "key-base64"),
        ("PeterNeumann+c74f20a3+AhpcAA==", "key-type"),
        ("PeterNeumann+c74f20a3+ARpcAA==", "key-length"),
        ("x" * 400, "key-length"),
    ],
)
def test_verifier_keys_that_are_refused(text: str, code: str) -> None:
    with pytest.raises(Violation) as refusal:
        VerifierKey.decode(text)
    assert refusal.value.code == code


def test_a_seed_has_32_bytes() -> None:
    with pytest.raises(Violation):
        Signer.from_seed("example.com/log", bytes(31))


def test_a_note_of_any_size_is_refused_before_it_is_read() -> None:
    with pytest.raises(LimitExceeded) as refusal:
        Note.decode(b"\xff" * (MAX_NOTE + 1))
    assert refusal.value.code == "note-length"


@given(
    st.one_of(
        st.binary(max_size=300), st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace"))
    )
)
def test_whatever_is_read_has_one_encoding(data: bytes) -> None:
    try:
        note = Note.decode(data)
    except LeadglassError:
        return
    assert note.encode().encode() == data


@given(st.integers(0, len(GO_NOTE.encode()) - 1), st.integers(1, 255))
def test_no_altered_byte_verifies(at: int, flip: int) -> None:
    data = bytearray(GO_NOTE.encode())
    data[at] ^= flip
    with pytest.raises((Violation, Tampered)):
        VerifierKey.decode(GO_KEY).verify(Note.decode(bytes(data)))
