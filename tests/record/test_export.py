"""The exported record: what it looks like, and that a verifier needs nothing else."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.errors import Tampered, Violation
from leadglass.note import Signer
from leadglass.record.checkpoint import Checkpoint, sign_checkpoint
from leadglass.record.export import (
    MAX_LINE,
    decode_line,
    encode_line,
    export_lines,
    read_lines,
    verify_export,
)
from leadglass.record.log import expire, read_head
from leadglass.record.reader import Row

from .conftest import Records

Lines = list[bytes]


def export(records: Records) -> Lines:
    with records.read() as connection:
        return list(export_lines(connection))


@pytest.fixture
def lines(records: Records) -> Lines:
    records.fill(20)
    return export(records)


def test_a_line_says_all_a_stranger_needs(records: Records) -> None:
    records.fill(2)
    first, second, last = map(json.loads, export(records))
    assert sorted(first) == ["body", "commitment", "salt", "seq"]
    assert json.loads(second["body"])["patients"] == ["P1"]
    committed = sha256(base64.b64decode(second["salt"]) + second["body"].encode()).digest()
    assert base64.b64decode(second["commitment"]) == committed
    with records.read() as connection:
        head = read_head(connection)
    assert head is not None
    assert last == {"checkpoint": head.checkpoint}


def test_a_sound_export(records: Records, lines: Lines) -> None:
    verdict = verify_export(lines, records.signer.key)
    assert (verdict.ok, verdict.problems, verdict.size) == (True, (), 20)
    assert verdict.root == records.verify().root


def test_expired_entries_are_exported_without_their_bodies(records: Records, lines: Lines) -> None:
    records.write(lambda tx: expire(tx, 5))
    exported = export(records)
    assert json.loads(exported[4]) == json.loads(lines[4]) | {"body": None, "salt": None}
    verdict = verify_export(exported, records.signer.key)
    assert (verdict.ok, verdict.expired) == (True, 5)


def altered(line: int, **members: Any) -> Callable[[Lines], Lines]:
    def do(lines: Lines) -> Lines:
        changed = orjson.dumps(json.loads(lines[line]) | members)
        return [*lines[:line], changed, *lines[line + 1 :]]

    return do


def resigned(lines: Lines) -> Lines:
    """Cut off, and the rest signed by somebody else."""
    stranger = Signer.from_seed("leadglass.test/record", bytes(32))
    signed = sign_checkpoint(Checkpoint("leadglass.test/record", 9, bytes(32)), stranger)
    return [*lines[:9], orjson.dumps({"checkpoint": signed})]


MANIPULATIONS: dict[str, tuple[Callable[[Lines], Lines], int | None, str]] = {
    "body": (altered(7, body='{"action":"other"}'), 7, "Line 8 is no entry"),
    "salt": (altered(7, salt="AAAAAAAAAAAAAAAAAAAAAA=="), 7, "does not match its commitment"),
    "commitment": (altered(7, commitment=base64.b64encode(bytes(32)).decode()), 7, "does not match"),
    "number": (altered(7, seq=8), 7, "missing"),
    "one line missing": (lambda lines: [*lines[:7], *lines[8:]], 7, "Entries 7 to 7 are missing"),
    "last entry missing": (lambda lines: [*lines[:19], lines[20]], 19, "cut off or rolled back"),
    "two lines swapped": (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], 3, "out of order"),
    "a line twice": (lambda lines: [*lines[:4], lines[3], *lines[4:]], 3, "out of order"),
    "a line of another record": (lambda lines: [b'{"seq":0}', *lines], 0, "Line 1 is no entry"),
    "body removed": (altered(7, body=None, salt=None), 7, "not by retention"),
    "no checkpoint": (lambda lines: lines[:-1], 20, "ends without a checkpoint"),
    "more after the checkpoint": (lambda lines: [*lines, lines[3]], None, "follows the checkpoint"),
    "two checkpoints": (lambda lines: [*lines, lines[-1]], None, "follows the checkpoint"),
    "checkpoint altered": (altered(20, checkpoint="nothing"), None, "not genuine"),
    "cut off and signed by another": (resigned, None, "expected key"),
    "cut in the middle of a line": (lambda lines: [*lines[:9], lines[9][:40]], 9, "Line 10 is no entry"),
}


@pytest.mark.parametrize("name", MANIPULATIONS)
def test_every_manipulation_is_found(records: Records, lines: Lines, name: str) -> None:
    do, first_bad, says = MANIPULATIONS[name]
    verdict = verify_export(do(lines), records.signer.key)
    assert not verdict.ok
    assert any(says in problem for problem in verdict.problems), verdict.problems
    assert verdict.first_bad == first_bad


def test_entries_beyond_the_checkpoint(records: Records, lines: Lines) -> None:
    records.fill(3)
    verdict = verify_export([*export(records)[:-1], lines[-1]], records.signer.key)
    assert (verdict.ok, verdict.first_bad) == (False, 20)


def test_an_earlier_checkpoint_holds_the_export_to_its_past(records: Records, lines: Lines) -> None:
    earlier = json.loads(lines[-1])["checkpoint"]
    records.fill(5)
    later = export(records)
    assert verify_export(later, records.signer.key, checkpoint=earlier).ok
    # The other way round: what was exported before is not all that has been signed for since.
    newest = json.loads(later[-1])["checkpoint"]
    verdict = verify_export(lines, records.signer.key, checkpoint=newest)
    assert (verdict.ok, verdict.first_bad) == (False, 20)
    other = records.beside()
    other.fill(25)
    verdict = verify_export(export(other), records.signer.key, checkpoint=earlier)
    assert verdict.problems == ("The first 20 entries are not those of the checkpoint given.",)


def test_from_a_file(records: Records, lines: Lines) -> None:
    assert verify_export(read_lines(io.BytesIO(b"".join(lines))), records.signer.key).ok


def test_a_line_without_end_is_not_held(records: Records) -> None:
    pieces = list(read_lines(io.BytesIO(b"x" * (3 * MAX_LINE))))
    assert max(map(len, pieces)) == MAX_LINE + 1
    with pytest.raises(Violation) as refusal:
        decode_line(pieces[0])
    assert refusal.value.code == "export-length"
    assert not verify_export(pieces, records.signer.key).ok


def test_a_body_that_is_no_text_is_not_passed_off_as_some() -> None:
    with pytest.raises(Tampered):
        encode_line(Row(3, 0, None, bytes(16), b"\xff", bytes(32)))


@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers(-(1 << 63), 1 << 63) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.fixed_dictionaries({"seq": inner, "salt": inner, "body": inner, "commitment": inner})
        ),
    ).map(orjson.dumps)
)
def test_any_other_line_is_a_violation(line: bytes) -> None:
    with suppress(Violation):  # the one refusal there is; any other exception fails the test
        decode_line(line)
