"""Every benchmark in turn, with what they were run on. `make bench`, or `make bench ARGS="header ingest"`.

Machines are shared: read ratios and medians, and the load average at the top.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
ORDER = (
    "header", "sealed", "record", "ingest", "upload", "receive", "getscu", "zip_out", "associations", "find", "server", "search",
    "arrivals", "growth",
    "render", "backup", "estate_rate", "probing", "scan",
)  # fmt: skip
LIBRARIES = ("pydicom", "cryptography", "tink", "sqlalchemy", "sqlcipher3", "uvicorn")


def main() -> int:
    chosen = sys.argv[1:] or [name for name in ORDER if (HERE / f"{name}.py").exists()]
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, load {load}")
    print(
        f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    )
    failed = 0
    for name in chosen:
        print(f"\n== {name}", flush=True)
        failed += subprocess.run([sys.executable, HERE / f"{name}.py"], cwd=HERE, check=False).returncode != 0
    return min(failed, 1)


if __name__ == "__main__":
    raise SystemExit(main())
