"""The templates of reports and letters. What is not said is an error, and what is said is escaped in HTML."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def environment() -> Environment:
    """A new one, for whoever adds filters of its own."""
    return Environment(
        loader=PackageLoader("leadglass.scan.report"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
