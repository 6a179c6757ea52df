"""python -m estate DESCRIPTION: play an estate until Ctrl-C."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from estate.description import draw, read
from estate.play import archives_of, play
from estate.truth import truth


def main() -> None:
    options = argparse.ArgumentParser(prog="estate", description="Plays networks of archives on 127.0.0.0/8.")
    options.add_argument("description", type=Path, help="a TOML file: see estate/description.py")
    options.add_argument("--truth", type=Path, help="write what is true of it to this file")
    options.add_argument("--log", type=Path, help="at the end, write what strangers did to this file")
    options.add_argument("--constituency", type=Path, help="write whose each network is to this CSV file")
    options.add_argument("--range", help="addresses, instead of those of the description")
    options.add_argument("--seed", type=int)
    options.add_argument("--attached", action="store_true", help="end when standard input ends")
    options.add_argument("--show", action="store_true", help="print the summary and play nothing")
    asked = options.parse_args()
    text = read(asked.description)
    changed = {name: value for name in ("range", "seed") if (value := getattr(asked, name)) is not None}
    estate = draw(text | changed)
    if asked.constituency:
        rows = [f"{n.asn},{n.cidr},{n.country},{n.sector},{n.contact}" for n in estate.networks]
        asked.constituency.write_text("\n".join(["asn,cidr,country,sector,contact", *rows, ""]))
    if asked.show:
        print(json.dumps(truth(estate, archives_of(estate))["summary"], indent=1))
        return
    play(estate, asked.truth, asked.log, attached=asked.attached)


if __name__ == "__main__":
    main()
