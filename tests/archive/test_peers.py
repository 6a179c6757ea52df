"""Known AEs: each change and its entry stand or fall together, and the archive's own certificates."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from joserfc import jwk, jwt

from leadglass.access.certificates import DAY, LIFETIME, found_authority, issue_to_ae
from leadglass.access.plans import plan
from leadglass.access.policy import Action, Resource, decide
from leadglass.access.principal import Context, Kind, Role, Via, operator
from leadglass.compose import open_home
from leadglass.errors import Conflict, Denied, NotFound, StorageFull, Unavailable, Violation

OPERATOR = operator(1000, "op")
PEM = "-----BEGIN"
NOW = 1_800_000_000_000


@pytest.fixture
def desk(clinic: Any) -> Any:
    clinic.peers = clinic.services.peers
    clinic.command = clinic.context(Via.COMMAND)
    clinic.add = lambda text, certificate=None, **more: clinic.peers.add(
        OPERATOR,
        plan(text, **({"certified": False} | more)),
        clinic.command,
        department="Radiology",
        certificate=certificate,
    )
    clinic.add("CT1", receive_only=True)
    clinic.ws1 = clinic.add("WS1", certified=True, allow="store,find")
    return clinic


def der(pem: str) -> bytes:
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return certificate.public_bytes(serialization.Encoding.DER)


def identified(desk: Any, title: str = "WS1", certificate: str | None = None) -> Any:
    shown = der(certificate or desk.ws1.issued.certificate)
    return desk.peers.identify(title, "192.0.2.7", shown, Via.DIMSE, desk.now)


CHANGES: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "ae.add": (
        lambda d, who: d.peers.add(who, plan("CT2", certified=False, receive_only=True), d.command),
        "SELECT count(*) FROM aes",
    ),
    "ae.remove": (
        lambda d, who: d.peers.remove(who, "CT1", d.command),
        "SELECT count(*) FROM aes WHERE removed IS NULL",
    ),
    "ae.certificate": (
        lambda d, who: d.peers.renew(who, "WS1", d.command),
        "SELECT group_concat(certificate) FROM aes",
    ),
}


@pytest.mark.parametrize("action", CHANGES)
def test_a_change_has_its_entry(desk: Any, action: str) -> None:
    change, state = CHANGES[action]
    before = desk.scalar(state), len(desk.entries(action))
    change(desk, OPERATOR)
    assert desk.scalar(state) != before[0]
    assert len(desk.entries(action)) == before[1] + 1
    assert desk.entries(action)[-1].entry.actor == "operator:1000"


@pytest.mark.parametrize("action", CHANGES)
def test_without_an_entry_there_is_no_change(desk: Any, mute: Callable[[], None], action: str) -> None:
    change, state = CHANGES[action]
    before = desk.scalar(state)
    mute()
    with pytest.raises(StorageFull):
        change(desk, OPERATOR)
    assert desk.scalar(state) == before


@pytest.mark.parametrize("role", [Role.RADIOLOGIST, Role.TECHNOLOGIST, Role.PACS_ADMINISTRATOR, Role.AUDITOR])
def test_who_may_not_is_refused_on_the_record(desk: Any, role: Role) -> None:
    who = desk.people[role]
    asked = [
        *(lambda change=change: change(desk, who) for change, _ in CHANGES.values()),
        lambda: desk.peers.list_aes(who, desk.context()),
        lambda: desk.peers.authority_certificate(who, desk.context()),
    ]
    before = desk.scalar("SELECT group_concat(title || coalesce(CAST(removed AS text), '')) FROM aes")
    for ask in asked:
        with pytest.raises(Denied):
            ask()
        last = desk.entries()[-1].entry
        assert (last.action, last.outcome, last.actor) == ("ae.manage", "denied", who.actor)
    assert desk.scalar("SELECT group_concat(title || coalesce(CAST(removed AS text), '')) FROM aes") == before


def test_system_administrators_may(desk: Any) -> None:
    who = desk.people[Role.SYSTEM_ADMINISTRATOR]
    desk.peers.remove(who, "CT1", desk.context())
    assert [ae.title for ae in desk.peers.list_aes(who, desk.context())] == ["WS1"]


def test_what_the_record_says_of_an_ae(desk: Any) -> None:
    desk.add("CT2@192.0.2.7:104", receive_only=True, reason="old", allow="store,private")
    added = desk.entries("ae.add")[-1].entry
    assert added.department == desk.own
    assert added.detail == {
        "ae": "CT2", "number": 3, "allow": "store,private", "from": "192.0.2.7", "to": "192.0.2.7 104 plain",
        "reason": "old",
    }  # fmt: skip
    certified = desk.entries("ae.certificate")[-1].entry.detail
    assert certified["ae"] == "WS1"
    assert certified["made"] == "here"
    assert certified["sha256"] == desk.ws1.ae.fingerprint.hex()
    assert certified["expires"].endswith("Z")


def test_no_key_and_no_certificate_stands_in_the_record(desk: Any) -> None:
    desk.peers.server_identity((), desk.now)
    said = str(desk.entries())
    assert PEM not in said
    assert desk.ws1.issued.key.splitlines()[1] not in said


def test_no_key_lies_in_the_home(desk: Any) -> None:
    """The wrapped ones are inside of the sealed database as well; an issued one is not kept at all."""
    _, server_key = desk.peers.server_identity((), desk.now)
    desk.services.db.write(lambda _: None).result(30)
    secrets = []
    for pem in (server_key, desk.ws1.issued.key):
        key: Any = serialization.load_pem_private_key(pem.encode(), None)
        secrets += [key.private_numbers().private_value.to_bytes(32, "big"), pem.splitlines()[1].encode()]
    files = [path.read_bytes() for path in desk.root.rglob("*") if path.is_file()]
    assert files
    assert not any(secret in content for secret in secrets for content in files)
    assert desk.ws1.issued.key.splitlines()[1] not in repr(desk.ws1)


def test_a_failed_change_leaves_nothing(desk: Any) -> None:
    with pytest.raises(Conflict):
        desk.peers.add(
            OPERATOR, plan("CT1", certified=False, receive_only=True), desk.command, department="Oncology"
        )
    assert "Oncology" not in {department.name for department in desk.services.accounts.departments()}
    assert len(desk.entries("ae.add")) == 2


def test_a_removed_ae_is_refused_at_once(desk: Any) -> None:
    assert identified(desk).principal.name == "WS1"
    desk.peers.remove(OPERATOR, "WS1", desk.command)
    assert identified(desk) is None
    with pytest.raises(NotFound):
        desk.peers.remove(OPERATOR, "WS1", desk.command)
    assert desk.peers.has_receive_only()
    desk.peers.remove(OPERATOR, "CT1", desk.command)
    assert desk.peers.identify("CT1", "127.0.0.1", None, Via.RECEIVE, desk.now) is None
    assert not desk.peers.has_receive_only()


def test_a_renewed_certificate_is_the_only_one(desk: Any) -> None:
    renewed = desk.peers.renew(OPERATOR, "WS1", desk.command)
    assert identified(desk) is None
    assert identified(desk, certificate=renewed.issued.certificate).ae.id == desk.ws1.ae.id
    for title in ("CT1", "NOBODY"):
        with pytest.raises(NotFound):
            desk.peers.renew(OPERATOR, title, desk.command)


def test_a_certificate_that_was_brought_along(desk: Any) -> None:
    foreign = issue_to_ae(found_authority(desk.now), "theirs", "", desk.now)
    added = desk.peers.add(
        OPERATOR, plan("WS2", certified=True), desk.command, certificate=foreign.certificate_pem.encode()
    )
    assert added.issued is None
    assert identified(desk, "WS2", foreign.certificate_pem).ae == added.ae
    assert desk.entries("ae.certificate")[-1].entry.detail["made"] == "elsewhere"
    with pytest.raises(Violation):
        desk.peers.renew(OPERATOR, "WS2", desk.command, certificate=foreign.key_pem.encode())
    assert identified(desk, "WS2", foreign.certificate_pem) is not None


def test_an_ae_sees_its_own_department_only(desk: Any) -> None:
    known = identified(desk)
    assert known.principal.kind is Kind.AE
    context = desk.context(Via.DIMSE)
    for department, allowed in ((desk.own, True), (desk.foreign, False)):
        found = decide(known.principal, Action.STUDY_SEARCH, Resource(department), context)
        assert found.allowed is allowed
    assert not decide(known.principal, Action.STUDY_RETRIEVE, Resource(desk.own), context).allowed


def test_where_images_can_be_sent(desk: Any) -> None:
    desk.add("PACS2@127.0.0.1:104")
    desk.add("CT2@127.0.0.1:104", receive_only=True)
    assert desk.peers.destination("PACS2").port == 104
    for title in ("WS1", "CT1", "CT2", "NOBODY"):  # does not listen, receive-only twice, unknown
        assert desk.peers.destination(title) is None
    assert desk.peers.find("CT2").port == 104
    desk.peers.remove(OPERATOR, "PACS2", desk.command)
    assert desk.peers.destination("PACS2") is None


def test_a_token_is_its_user_and_a_password_is_nobody(desk: Any) -> None:
    accounts = desk.services.accounts
    password = accounts.add_user(OPERATOR, "dr.roth", Role.RADIOLOGIST, desk.command, department="Radiology")
    token = accounts.create_token(OPERATOR, "dr.roth", desk.command)
    who = desk.peers.resolve_user(token, desk.now)
    assert (who.name, who.kind, who.departments) == ("dr.roth", Kind.TOKEN, {desk.own})
    allowed = {
        via: decide(who, Action.STUDY_SEARCH, Resource(desk.own), desk.context(via)).allowed
        for via in (Via.DIMSE, Via.RECEIVE)
    }
    assert allowed == {Via.DIMSE: True, Via.RECEIVE: False}
    for passcode in (password, "", "dr.roth", token + "x", "x" * 100_000):
        assert desk.peers.resolve_user(passcode, desk.now) is None
    accounts.disable_user(OPERATOR, "dr.roth", desk.command)
    assert desk.peers.resolve_user(token, desk.now) is None


# The archive's own certificates


def test_the_listener_s_certificate_is_made_once_with_its_authority(home: Any, site_of: Any) -> None:
    """In a home that has just been made."""
    now = [1_800_000_000_000]
    with open_home(home.root, os.environ, lambda: now[0], site_of) as opened:
        peers = opened.services.peers
        assert peers.trusted() == ()
        first = peers.server_identity(("pacs.example.org",), now[0])
        assert peers.server_identity(("pacs.example.org",), now[0] + DAY) == first
        assert len(peers.trusted()) == 1
        certificate = x509.load_pem_x509_certificate(first[0].encode())
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(peers.trusted()[0].encode()))
        key: Any = serialization.load_pem_private_key(first[1].encode(), None)
        assert key.public_key() == certificate.public_key()
    with open_home(home.root, os.environ, lambda: now[0], site_of) as opened:
        peers = opened.services.peers
        assert peers.server_identity(["pacs.example.org"], now[0]) == first
        assert peers.calling_identity(now[0]) == first
        assert peers.server_identity([], now[0]) != first


def test_both_are_on_the_record(desk: Any) -> None:
    desk.peers.server_identity((), desk.now)
    (founded,), (made,) = desk.entries("tls.authority"), desk.entries("tls.server")
    assert founded.entry.actor == "operator:1000"  # who added the first AE with a certificate
    assert made.entry.actor == "system"
    assert len(made.entry.detail["sha256"]) == 64


def test_without_an_entry_there_is_no_certificate(desk: Any, mute: Callable[[], None]) -> None:
    mute()
    with pytest.raises(StorageFull):
        desk.peers.server_identity((), desk.now)
    assert desk.scalar("SELECT count(*) FROM tls_identities WHERE name = 'server'") == 0


def test_it_is_renewed_in_time(desk: Any) -> None:
    first, _ = desk.peers.server_identity((), desk.now)
    later = desk.now + LIFETIME - 80 * DAY
    second, _ = desk.peers.server_identity((), later)
    assert second != first
    assert x509.load_pem_x509_certificate(second.encode()).not_valid_after_utc == datetime.fromtimestamp(
        (later + LIFETIME) // 1000, UTC
    )


def test_what_is_trusted_is_our_authority_and_what_was_brought_along(desk: Any) -> None:
    foreign = issue_to_ae(found_authority(desk.now), "theirs", "", desk.now).certificate_pem
    desk.peers.add(OPERATOR, plan("WS2", certified=True), desk.command, certificate=foreign.encode())
    desk.peers.add(OPERATOR, plan("WS3", certified=True), desk.command, certificate=foreign.encode())
    assert desk.peers.trusted() == (desk.ws1.issued.authority, foreign)
    for title in ("WS2", "WS3"):
        desk.peers.remove(OPERATOR, title, desk.command)
    assert desk.peers.trusted() == (desk.ws1.issued.authority,)


def test_under_a_new_authority_the_old_one_s_certificates_go_on(desk: Any) -> None:
    old = desk.ws1.issued
    desk.command = Context("", Via.COMMAND, desk.now + 3640 * DAY)
    fresh = desk.add("WS9", certified=True).issued
    assert fresh.authority != old.authority
    assert desk.peers.trusted() == (fresh.authority, old.certificate)
    assert desk.peers.authority_certificate(OPERATOR, desk.command) == fresh.authority


# Another system's tokens


class Provider:
    """An identity provider, and a home that trusts it."""

    def __init__(self, home: Any) -> None:
        self.key = jwk.ECKey.generate_key("P-256", {"kid": "one"})
        self.file = home.root / "provider.json"
        self.write()
        self.settings = {"issuer": "https://id.example.org", "audience": "leadglass", "keys": "provider.json"}

    def write(self) -> None:
        self.file.write_text(json.dumps({"keys": [self.key.as_dict(private=False)]}))

    def token(self, user: str) -> str:
        claims = {"iss": "https://id.example.org", "aud": "leadglass", "exp": NOW // 1000 + 60}
        return jwt.encode({"alg": "ES256", "kid": "one"}, claims | {"preferred_username": user}, self.key)


@pytest.fixture
def provider(home: Any) -> Provider:
    return Provider(home)


@pytest.fixture
def trusting(home: Any, site_of: Any, provider: Provider) -> Any:
    with open_home(home.root, os.environ, lambda: NOW, site_of, identity=provider.settings) as opened:
        command = Context("", Via.COMMAND, NOW)
        opened.services.accounts.add_user(OPERATOR, "dr.roth", Role.RADIOLOGIST, command)
        yield opened.services


def test_another_system_s_token_is_its_user(trusting: Any, provider: Provider) -> None:
    who = trusting.peers.resolve_assertion(provider.token("dr.roth"), NOW)
    assert (who.kind, who.name, who.role) == (Kind.JWT, "dr.roth", Role.RADIOLOGIST)
    (own,) = who.departments
    allowed = {
        via: decide(who, Action.STUDY_SEARCH, Resource(own), Context("", via, NOW)).allowed for via in Via
    }
    assert [via for via in Via if allowed[via]] == [Via.DIMSE]
    assert trusting.peers.resolve_assertion(provider.token("dr.nobody"), NOW) is None
    assert trusting.peers.resolve_assertion("x", NOW) is None


def test_a_disabled_user_s_does_not_count(trusting: Any, provider: Provider) -> None:
    trusting.accounts.disable_user(OPERATOR, "dr.roth", Context("", Via.COMMAND, NOW))
    assert trusting.peers.resolve_assertion(provider.token("dr.roth"), NOW) is None


def test_new_keys_need_no_restart(trusting: Any, provider: Provider) -> None:
    old = provider.token("dr.roth")
    provider.key = jwk.ECKey.generate_key("P-256", {"kid": "one"})
    provider.write()
    assert trusting.peers.resolve_assertion(old, NOW) is None
    assert trusting.peers.resolve_assertion(provider.token("dr.roth"), NOW) is not None


@pytest.mark.parametrize("text", [None, "", '{"keys": []}'])
def test_keys_that_cannot_be_read_are_not_an_answer(
    trusting: Any, provider: Provider, text: str | None
) -> None:
    token = provider.token("dr.roth")
    provider.file.unlink()
    if text is not None:
        provider.file.write_text(text)
    with pytest.raises(Unavailable):
        trusting.peers.resolve_assertion(token, NOW)


def test_without_an_issuer_nobody_s_word_counts(desk: Any, provider: Provider) -> None:
    desk.services.accounts.add_user(OPERATOR, "dr.roth", Role.RADIOLOGIST, desk.command)
    assert desk.peers.resolve_assertion(provider.token("dr.roth"), NOW) is None


@pytest.mark.parametrize("missing", ["audience", "keys", "claim"])
def test_half_an_issuer_is_refused(home: Any, site_of: Any, provider: Provider, missing: str) -> None:
    settings = provider.settings | {missing: ""}
    with (
        pytest.raises(Violation, match="identity"),
        open_home(home.root, os.environ, lambda: NOW, site_of, identity=settings),
    ):
        pass


def test_what_the_listener_could_not_load_is_not_registered(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It loads all of them when it starts: one would keep it from starting."""
    theirs = issue_to_ae(found_authority(desk.now), "WS9", "", desk.now).certificate_pem.encode()
    before = desk.scalar("SELECT group_concat(title || hex(coalesce(fingerprint, ''))) FROM aes")

    def refuse(certificate: str) -> None:
        assert certificate.startswith(PEM)
        raise Violation("This certificate is damaged.")

    with monkeypatch.context() as patch:
        patch.setattr("leadglass.net.tls.require_loadable", refuse)
        with pytest.raises(Violation, match="damaged"):
            desk.add("WS9", certified=True, certificate=theirs)
        with pytest.raises(Violation, match="damaged"):
            desk.peers.renew(OPERATOR, "WS1", desk.command, certificate=theirs)
    assert desk.scalar("SELECT group_concat(title || hex(coalesce(fingerprint, ''))) FROM aes") == before
    desk.peers.renew(OPERATOR, "WS1", desk.command, certificate=theirs)
    assert desk.scalar("SELECT group_concat(title || hex(coalesce(fingerprint, ''))) FROM aes") != before
