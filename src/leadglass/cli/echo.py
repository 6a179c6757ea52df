"""leadglass echo: is anybody there, and would they talk to us?"""

from __future__ import annotations

from typing import Annotated

import typer

from leadglass.cli import show
from leadglass.cli.reach import (
    AeArgument,
    CallingOption,
    CaOption,
    CertificateOption,
    KeyOption,
    PlaintextOption,
    TlsOption,
    reach,
    reached,
    run,
)
from leadglass.cli.work import HomeOption, JsonOption

CountOption = Annotated[int, typer.Option("--count", min=1, max=1000, help="How often, one after the other.")]


def echo(
    ae: AeArgument,
    *,
    count: CountOption = 1,
    calling: CallingOption = None,
    tls: TlsOption = False,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    ca: CaOption = None,
    plaintext: PlaintextOption = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Ask whether anybody is there (C-ECHO). Exit status 1 and the reason when they do not answer."""
    from leadglass.transfer.verify import echo as ask

    options = reach(
        ae, calling=calling, tls=tls, certificate=certificate, key=key, ca=ca, plaintext=plaintext
    )
    with reached(options, home) as (endpoint, _):
        answers = [run(ask(endpoint)) for _ in range(count)]
    last = answers[-1]
    if json:
        show.as_json(
            {
                "ae": str(endpoint.target),
                "calling": endpoint.calling,
                "tls": last.tls,
                "implementation": last.implementation,
                "maximum_length": last.maximum_length,
                "associated_ms": [round(answer.associated * 1000, 3) for answer in answers],
                "answered_ms": [round(answer.answered * 1000, 3) for answer in answers],
            }
        )
        return
    took = sorted(answer.answered for answer in answers)[len(answers) // 2] * 1000
    times = f"{took:.1f} ms" if count == 1 else f"{count} times, median {took:.1f} ms"
    how = "TLS" if last.tls else "plaintext"
    show.out().print(
        show.printable(
            f"{endpoint.target} answers {endpoint.calling}: {times}, {how}, {last.implementation}."
        ),
        soft_wrap=True,
    )
