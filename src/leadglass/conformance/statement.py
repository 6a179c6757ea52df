"""The whole page: prose with tables in it, in the order of PS3.2 Annex N."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from string import Template

from leadglass import __version__
from leadglass.conformance import characters, keys, network, security, services, statuses
from leadglass.conformance.markdown import code, contents, table
from leadglass.dicom.dictionary import TRANSFER_SYNTAXES
from leadglass.dimse.reference import STORAGE_HEAD, storage_rows
from leadglass.scp.admission import UNCOMPRESSED


def statement() -> str:
    """docs/reference/dicom-conformance.md. KeyError when the prose names a value that nobody has."""
    prose = files("leadglass.conformance").joinpath("statement.md").read_text(encoding="utf-8")
    values: dict[str, object] = {
        "version": __version__,
        "contents": contents(prose),
        "storage": table(STORAGE_HEAD, storage_rows()),
        "syntaxes": table(("transfer syntax", "UID", "uncompressed"), _syntaxes()),
    }
    for chapter in (services, keys, characters, network, statuses, security):
        values |= chapter.values()
    return Template(prose).substitute(values)


def _syntaxes() -> Iterator[tuple[str, str, str]]:
    for syntax in TRANSFER_SYNTAXES.values():
        yield syntax.name, code(syntax.uid), "yes" if syntax.uid in UNCOMPRESSED else ""
