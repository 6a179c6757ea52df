"""How ages and forecasts read to people: the command line and the portal say the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from leadglass.archive.outlook import DAY, Expiring, Intake, Outlook

HOUR: Final = 3_600_000  # ms
MINUTE: Final = 60_000
SHORT: Final = 30  # days left on the disk that call for somebody
OLD_SCRUB: Final = 90 * DAY
_UNITS: Final = ((365 * DAY, "year"), (30 * DAY, "month"), (DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"))
_WHOSE: Final = {
    "web": "the web listener's certificate",
    "archive": "the archive's own DICOM certificate",
    "authority": "the archive's certificate authority",
}
_SIZES: Final = ("bytes", "kB", "MB", "GB", "TB", "PB")


def ago(at: int | None, now: int) -> str:
    """`3 days ago`; `never` for None."""
    if at is None:
        return "never"
    return f"{span(now - at)} ago" if now - at >= MINUTE else "just now"


def span(milliseconds: int) -> str:
    """The largest unit that is full: `3 days`."""
    for size, unit in _UNITS:
        if milliseconds >= size:
            number = milliseconds // size
            return f"{number:,} {unit}{'' if number == 1 else 's'}"
    return "less than a minute"


def size(count: int) -> str:
    """Bytes as people read them, in powers of 1000."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_SIZES) - 1:
        value, unit = value / 1000, unit + 1
    return f"{count} bytes" if unit == 0 else f"{value:.3g} {_SIZES[unit]}"


def per_day(came: Intake) -> str:
    """What came in, as a rate and as a sum."""
    if not came.objects:
        return "nothing"
    days = "today" if came.days == 1 else f"in {came.days} days"
    return f"{size(came.bytes_per_day)} a day ({came.objects:,} objects {days})"


def disk_full(days: int | None) -> str:
    """When, at the rate of the last 30 days."""
    if days is None:
        return "not foreseeable"
    return "today" if days == 0 else f"in {span(days * DAY)}"


def reading(found: Outlook, now: int) -> str:
    """How far reading everything again has come."""
    whole = "not all yet" if found.scrub.finished is None else f"all, {ago(found.scrub.finished, now)}"
    if found.scrub.started is None:
        return whole
    return f"{whole}; now {found.scrub.objects:,} objects in {span(now - found.scrub.started)}"


def figures(found: Outlook, now: int) -> list[tuple[str, str]]:
    """Name and value of everything that has an age or a forecast."""
    return [
        ("Newest image", ago(found.newest, now)),
        ("Came in, last 7 days", per_day(found.week)),
        ("Came in, last 30 days", per_day(found.month)),
        ("Disk full", disk_full(found.days_left)),
        ("Read again", reading(found, now)),
        ("Last check", ago(found.checked, now)),
        ("Last deep check", ago(found.deep_checked, now)),
        ("Record published", ago(found.published, now)),
    ]


def troubles(found: Outlook, now: int) -> Iterator[str]:
    """What somebody has to see to, one sentence each."""
    if found.damaged:
        yield (
            f"{_count(found.damaged, 'object was', 'objects were')} found damaged. See leadglass check "
            "--deep; with --repair they are taken out of sight and listed as lost."
        )
    if found.lost:
        them = "it" if found.lost == 1 else "them"
        yield (
            f"{_count(found.lost, 'object is', 'objects are')} lost and not shown. Have {them} sent again: "
            "the same object takes its place. PACS administrators see which."
        )
    if found.days_left is not None and found.days_left < SHORT:
        yield f"The disk is full {disk_full(found.days_left)} at the rate of the last 30 days."
    if found.scrub.finished is not None and now - found.scrub.finished > OLD_SCRUB:
        whole = ago(found.scrub.finished, now)
        yield f"Objects were last all read again {whole}. See the setting upkeep.scrub_mb_per_second."
    for each in found.expiring:
        yield _ending(each, now)


def _ending(each: Expiring, now: int) -> str:
    whose = _WHOSE.get(each.whose, f"the certificate of {each.whose}")
    when = f"ends in {span(each.expires - now)}" if each.expires > now else "has ended"
    return f"{whose[0].upper()}{whose[1:]} {when}."


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
