"""Nothing readable on disk: every file of a filled home is searched for what was put into it."""

from __future__ import annotations

import base64
import gzip
import shutil
import zlib
from pathlib import Path

import pytest
import sqlcipher3.dbapi2 as sqlcipher
import zstandard
from fault_home import (
    CT,
    OPERATOR,
    WAIT,
    Site,
    context,
    delivered,
    made_up,
    reader,
    recorded,
    take_in,
)
from fault_search import forms, search, search_files

from leadglass.access.principal import Context, Role, Via
from leadglass.archive.ingest import Kind
from leadglass.archive.queries import portal_query
from leadglass.compose import Opened
from leadglass.home import open_master, read_home
from leadglass.store.keys import Keyring

pytestmark = pytest.mark.slow

PATIENTS = {
    "ZWETSCHGENSTEIN^KUNIGUNDE": "PID-QX7731-K",
    "ÆGIRSDÓTTIR^ÞÓRHALLA": "PID-QX7732-L",
}
STUDY, SERIES = "1.2.826.0.1.3680043.77.471108", "1.2.826.0.1.3680043.77.471108.52"
PASSWORD, ROLE_NAME = "murmeltier-grillparzer-quendel", "dr.quastenflosser"
IN_ROWS = {  # what the index, the record and the objects hold: an unsealed copy shows all of it
    *(part for name in PATIENTS for part in name.split("^")),
    *PATIENTS.values(),
    STUDY,
    SERIES,
    "ACC-77-XQZ-1",
    "Verdacht auf Quarkstrudel",
    "Serie Zwiebelfisch",
    "HOLLERSTAUDE^LIESL",
    "VORNAMENSWECHSEL^KUNIGUNDE",  # of what was kept aside
    ROLE_NAME,
    "Dr. Quastenflosser",
    "Abteilung Nebelkrähe",
    "import-quelle-bilchmaus",
}


def fill(opened: Opened) -> set[str]:
    """Patients, people, accesses; returns the secrets that nothing on disk may hold, sealed or not."""
    services, now = opened.services, context()
    department = services.accounts.department(OPERATOR, "Abteilung Nebelkrähe", now)
    services.accounts.add_user(
        OPERATOR,
        ROLE_NAME,
        Role.RADIOLOGIST,
        now,
        department="Abteilung Nebelkrähe",
        display_name="Dr. Quastenflosser",
        password=PASSWORD,
    )
    token = services.accounts.create_token(OPERATOR, ROLE_NAME, now)
    setup = services.accounts.create_setup_link(OPERATOR, now)
    session = services.accounts.sign_in(ROLE_NAME, PASSWORD, Context("192.0.2.7", Via.WEB, now.now))
    assert session is not None
    for number, (name, patient_id) in enumerate(PATIENTS.items()):
        study = STUDY if number == 0 else f"{STUDY}.{number}"
        for instance in range(3):
            file = of_patient(name, patient_id, study, f"{study}.52.{instance}")
            assert take_in(opened, file, source="import-quelle-bilchmaus").result(WAIT).kind is Kind.STORED
    clash = of_patient(
        "VORNAMENSWECHSEL^KUNIGUNDE", PATIENTS["ZWETSCHGENSTEIN^KUNIGUNDE"], STUDY, f"{STUDY}.52.0"
    )
    aside = take_in(opened, clash, source="import-quelle-bilchmaus").result(WAIT)
    assert aside.kind is Kind.KEPT_ASIDE
    who = services.accounts.resolve_session(session, now.now)
    assert who is not None
    assert who.departments == {department}
    services.search.studies(reader(), portal_query(name="Zwetschgenstein"), context())
    services.search.studies(reader(), portal_query(accession="ACC-77-XQZ-1"), context())
    delivered(opened, lambda uid, chunk: None)
    assert recorded(opened)
    opened.publish()
    return {PASSWORD, token, session, setup}


def of_patient(name: str, patient_id: str, study: str, uid: str) -> bytes:
    return made_up(
        uid,
        study=study,
        SOPClassUID=CT,
        SeriesInstanceUID=f"{study}.52",
        SpecificCharacterSet="ISO_IR 192",
        PatientName=name,
        PatientID=patient_id,
        AccessionNumber="ACC-77-XQZ-1",
        StudyDescription="Verdacht auf Quarkstrudel",
        SeriesDescription="Serie Zwiebelfisch",
        ReferringPhysicianName="HOLLERSTAUDE^LIESL",
    )


@pytest.fixture(scope="module")
def homes(founded: Site, tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Path, set[str]]:
    """The filled home, closed; a copy of its folder from while it was open; the secrets."""
    folder = tmp_path_factory.mktemp("readable")
    site = founded.copy_to(folder / "site")
    with site.open() as opened:
        secrets = fill(opened)
        shutil.copytree(site.root, folder / "while-open")
    return site, folder / "while-open", secrets


def words_of(*texts: set[str]) -> dict[str, set[bytes]]:
    return {text: forms(text) for group in texts for text in group}


def unsealed(site: Site, folder: Path) -> Path:
    """What the same home would be without sealing: Part 10 files and a plain SQLite database."""
    folder.mkdir()
    with site.open() as opened:
        upkeep = opened.services.upkeep
        for number, holding in enumerate(upkeep._check._holdings()):  # what was kept aside among them
            with opened.services.db.read() as connection:
                key = upkeep.examiner._keys.of(connection, holding.sealed.study_id)
            with upkeep.examiner._objects.open_sealed(holding.sealed, key) as stored:
                (folder / f"{number}.dcm").write_bytes(b"".join(stored.chunks()))
    export(site, folder / "plain.db")
    return folder


def export(site: Site, target: Path) -> None:
    home = read_home(site.root)
    key = Keyring.from_master(open_master(home, site.environ)).database_key
    connection = sqlcipher.connect(str(home.database), isolation_level=None)
    connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
    connection.execute(f"ATTACH DATABASE '{target}' AS plain KEY ''")
    connection.execute("SELECT sqlcipher_export('plain')")
    connection.close()


def test_no_file_of_a_closed_home_shows_anything(homes: tuple[Site, Path, set[str]]) -> None:
    site, _, secrets = homes
    assert not (site.root / "db" / "index.db-wal").exists()
    assert search_files(site.root, words_of(IN_ROWS, secrets)) == {}


def test_no_file_of_an_open_home_shows_anything(homes: tuple[Site, Path, set[str]]) -> None:
    _, copy, secrets = homes
    assert (copy / "db" / "index.db-wal").stat().st_size > 0
    assert (copy / "record" / "checkpoint").stat().st_size > 0
    assert len(list((copy / "objects").rglob("*"))) > 6
    assert search_files(copy, words_of(IN_ROWS, secrets)) == {}


def test_an_unsealed_copy_shows_everything_but_the_secrets(
    homes: tuple[Site, Path, set[str]], tmp_path: Path
) -> None:
    """Control; and passwords, tokens, sessions and codes are not even under the seal."""
    site, _, secrets = homes
    found = search_files(unsealed(site, tmp_path / "unsealed"), words_of(IN_ROWS, secrets))
    assert set().union(*found.values()) == IN_ROWS
    assert {name.rpartition(".")[2] for name in found} == {"dcm", "db"}


def test_no_key_lies_in_the_home(homes: tuple[Site, Path, set[str]]) -> None:
    """With the control that the same words stand in the two places outside of it."""
    site, copy, _ = homes
    master = open_master(read_home(site.root), site.environ)
    keyring = Keyring.from_master(master)
    words = {
        name: {key, key.hex().encode(), key.hex().upper().encode(), base64.b64encode(key)}
        for name, key in (("master", master), ("database", keyring.database_key))
    }
    paper = (site.folder / "recovery").read_text()
    words["recovery"] = forms(paper) | forms(paper.replace("-", ""))
    assert search_files(site.root, words) == {}
    assert search_files(copy, words) == {}
    outside = {
        path.name: search(path.read_bytes(), words) for path in site.folder.iterdir() if path.is_file()
    }
    assert outside == {"master.key": {"master"}, "recovery": {"recovery"}}


JUNK = bytes(range(251)) * 3
TEXT = "… KUNIGUNDE …"
CONTROLS = {
    "plain": TEXT.encode(),
    "lower": TEXT.lower().encode(),
    "utf-16-le": TEXT.encode("utf-16-le"),
    "utf-16-be": TEXT.encode("utf-16-be"),
    "hex": TEXT.encode().hex().encode(),
    "HEX": TEXT.encode().hex().upper().encode(),
    "hex of utf-16": TEXT.encode("utf-16-le").hex().encode(),
    "base64": base64.b64encode(b"KUNIGUNDE"),
    "base64 one later": base64.b64encode(b"-KUNIGUNDE"),
    "base64 two later": base64.b64encode(b"--KUNIGUNDE--"),
    "base64 of utf-16": base64.urlsafe_b64encode(b"-" + "KUNIGUNDE".encode("utf-16-be")),
    "zlib": zlib.compress(TEXT.encode() * 3),
    "zlib, fast, of utf-16": zlib.compress(TEXT.encode("utf-16-le") * 3, 1),
    "gzip": gzip.compress(TEXT.encode() * 3),
    "deflate": zlib.compress(TEXT.encode() * 3, wbits=-15),
    "deflate, stored": zlib.compress(TEXT.encode() * 3, 0, wbits=-15),
    "deflate of hex": zlib.compress(TEXT.encode().hex().encode() * 3, wbits=-15),
    "zstd": zstandard.compress(TEXT.encode() * 3),
}


@pytest.mark.parametrize("written", CONTROLS)
@pytest.mark.parametrize("before", [0, 1, 37])
def test_the_search_finds_a_planted_word_however_written(written: str, before: int) -> None:
    """Control of the search itself, at odd offsets and with something after it."""
    data = JUNK[:before] + CONTROLS[written] + JUNK
    assert search(data, words_of({"Kunigunde", "Rosamunde"})) == {"Kunigunde"}


def test_the_search_sees_names_of_files_too(tmp_path: Path) -> None:
    (tmp_path / "KUNIGUNDE.dcm").write_bytes(b"")
    assert search_files(tmp_path, words_of({"Kunigunde"})) == {"KUNIGUNDE.dcm": {"Kunigunde"}}
