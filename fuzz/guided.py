"""One fuzzer guided by coverage: `python fuzz/guided.py fuzz_ul FOLDER [libFuzzer options]`. Needs atheris.

FOLDER keeps what was found to reach new code, so that a longer run goes on from there. The fuzzer's own
corpus is put there first. With files instead of options, those alone are tried.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from pathlib import Path

import atheris


def main() -> None:
    name, folder, options = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    with atheris.instrument_imports(include=["leadglass"]):
        fuzzer = importlib.import_module(name)
    folder.mkdir(parents=True, exist_ok=True)
    for seed in fuzzer.corpus():
        (folder / hashlib.sha256(seed).hexdigest()[:32]).write_bytes(seed)
    prefix = f"-artifact_prefix={folder.parent}/{name}-"
    alone = any(not option.startswith("-") for option in options)
    atheris.Setup([sys.argv[0], *options, prefix, *(() if alone else (str(folder),))], fuzzer.one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
