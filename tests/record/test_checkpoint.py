"""Checkpoints: `tests/vectors/record/checkpoints.json` has valid ones and one per way to be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from leadglass.errors import Tampered, Violation
from leadglass.note import Signer, VerifierKey
from leadglass.record.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/record/checkpoints.json").read_text())
KEY = VerifierKey.decode(VECTORS["key"])


def note(vector: dict[str, str]) -> bytes:
    return bytes.fromhex(vector["hex"]) if "hex" in vector else vector["note"].encode()


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_vectors(vector: dict[str, Any]) -> None:
    if "error" not in vector:
        assert open_checkpoint(note(vector), KEY, VECTORS["origin"]).origin == VECTORS["origin"]
        return
    with pytest.raises((Violation, Tampered)) as refusal:
        open_checkpoint(note(vector), KEY, VECTORS["origin"])
    assert refusal.value.code == vector["error"]


def test_what_is_signed_is_the_first_vector() -> None:
    signer = Signer.from_seed(VECTORS["origin"], bytes.fromhex(VECTORS["seed"]))
    checkpoint = Checkpoint(VECTORS["origin"], VECTORS["size"], bytes.fromhex(VECTORS["root"]))
    signed = sign_checkpoint(checkpoint, signer)
    assert signed.encode() == note(VECTORS["vectors"][0])
    assert open_checkpoint(signed, signer.key, VECTORS["origin"]) == checkpoint


def test_text_that_no_encoding_knows_is_refused() -> None:
    with pytest.raises(Violation):
        open_checkpoint("\ud800", KEY, VECTORS["origin"])
