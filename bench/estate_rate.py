"""How fast the estate simulator is: nothing that is measured against it may be faster than it can answer.

    python bench/estate_rate.py [--seconds 5] [--at-once 64]

Associations with a C-ECHO and a release each, spread over the open systems of the estate of 2019; then the
matches of one C-FIND of its largest archive; then what it holds in memory.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import time
from typing import Final

import psutil
import uvloop
from common import MB
from estate.starting import playing

from leadglass.dicom.dictionary import TAG_BY_KEYWORD, transfer_syntax
from leadglass.dicom.writer import encode_dataset
from leadglass.dimse import sop_classes as uids
from leadglass.dimse.command import Command, Field
from leadglass.ul.items import ProposedContext, UserInformation
from leadglass.ul.pdu import AssociateRQ, ReleaseRQ
from leadglass.ul.wire import p_data

IMPLICIT: Final = "1.2.840.10008.1.2"


def _asking(sop_class: str) -> bytes:
    context = ProposedContext(1, sop_class, (IMPLICIT,))
    return AssociateRQ("ANY-SCP", "BENCH", (context,), UserInformation(1 << 18, "1.2.3")).encode()


def _command(command: Command) -> bytes:
    encoded = command.encode()
    return p_data(1, True, True, len(encoded)) + encoded


_ECHO: Final = _command(Command(Field.C_ECHO_RQ, message_id=1, affected_sop_class_uid=uids.VERIFICATION))
_RELEASE: Final = ReleaseRQ().encode()


async def _pdu(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(6)
    return head + await reader.readexactly(int.from_bytes(head[2:]))


async def _echoes(places: itertools.cycle[tuple[str, int]], until: float) -> int:
    asking, count = _asking(uids.VERIFICATION), 0
    while time.perf_counter() < until:
        reader, writer = await asyncio.open_connection(*next(places))
        for said in (asking, _ECHO, _RELEASE):
            writer.write(said)
            assert (await _pdu(reader))[0] in {2, 4, 6}
        writer.close()
        count += 1
    return count


async def _matches(place: tuple[str, int], many: int) -> None:
    """A C-FIND for everything there is, to its end: `many` responses, all of them as long as the first."""
    identifier = encode_dataset(
        [
            (TAG_BY_KEYWORD["QueryRetrieveLevel"], "CS", b"STUDY"),
            (TAG_BY_KEYWORD["StudyInstanceUID"], "UI", b""),
        ],
        transfer_syntax(IMPLICIT),
    )
    find = Command(
        Field.C_FIND_RQ,
        message_id=1,
        affected_sop_class_uid=uids.STUDY_ROOT_FIND,
        priority=0,
        has_dataset=True,
    )
    reader, writer = await asyncio.open_connection(*place, limit=1 << 20)
    writer.write(_asking(uids.STUDY_ROOT_FIND))
    await _pdu(reader)
    writer.write(_command(find) + p_data(1, False, True, len(identifier)) + identifier)
    first = len(await _pdu(reader)) + len(await _pdu(reader))
    rest = (many - 1) * first
    while rest > 0:
        rest -= len(chunk := await reader.read(min(rest, 1 << 20)))
        assert chunk, "it stopped before its last match"
    assert (await _pdu(reader))[0] == 4
    writer.close()


async def _measure(found: list[tuple[str, int]], at_once: int, seconds: float) -> float:
    places, began = itertools.cycle(found), time.perf_counter()
    counts = await asyncio.gather(*(_echoes(places, began + seconds) for _ in range(at_once)))
    return sum(counts) / (time.perf_counter() - began)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=5)
    options.add_argument("--at-once", type=int, default=64)
    asked = options.parse_args()
    began = time.perf_counter()
    with playing("2019", range_=f"127.{120 + os.getpid() % 64}.0.0/16") as estate:
        process = psutil.Process(estate.pid)
        print(f"{'2,300 systems listen after':<34}{time.perf_counter() - began:.2f} s")
        print(f"{'memory, before anybody came':<34}{process.memory_full_info().uss / MB:.0f} MB")
        found = [(s["address"], s["ports"][0]["port"]) for s in estate.systems("open", "orthanc-like")]
        before = process.cpu_times().user + process.cpu_times().system
        rate = uvloop.run(_measure(found, asked.at_once, asked.seconds))
        used = (process.cpu_times().user + process.cpu_times().system - before) / asked.seconds
        print(
            f"{'associations with C-ECHO':<34}{rate:,.0f}/s   with {used:.0%} of a processor, so {rate / used:,.0f}/s"
        )
        print(f"{'':<34}of one that does nothing else      bound ≥ 2,000")
        address, port = estate.port("capped-50000")
        began, many = time.perf_counter(), 50_000
        uvloop.run(_matches((address, port["port"]), many))
        print(f"{'matches of one C-FIND':<34}{many / (time.perf_counter() - began):,.0f}/s   bound ≥ 20,000")
        print(f"{'memory, afterwards':<34}{process.memory_full_info().uss / MB:.0f} MB")


if __name__ == "__main__":
    main()
