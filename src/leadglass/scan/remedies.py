"""How a finding is closed on the product at hand, in its own options' names.

Every option was read in the program's own documentation or source, or tried; `source` says which. Where
nobody knows the product there is no entry: `wording.close` says what holds for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from leadglass.scan.fingerprint import NAMES, Identity, Provenance
from leadglass.scan.wording import Language


class Topic(StrEnum):
    TITLES = "titles"
    QUERY = "query"
    RETRIEVE = "retrieve"
    STORE = "store"
    WORKLIST = "worklist"
    TLS = "tls"
    WEB = "web"


TOPICS: Final[Mapping[str, Topic]] = MappingProxyType(
    {
        **dict.fromkeys(("D02", "D03", "D04", "D05"), Topic.TITLES),
        **dict.fromkeys(("D06", "D07"), Topic.QUERY),
        "D08": Topic.RETRIEVE,
        "D09": Topic.STORE,
        "D10": Topic.WORKLIST,
        **dict.fromkeys(("T01", "T02", "T03"), Topic.TLS),
        **dict.fromkeys(("W01", "W02", "W03", "W04", "W05", "W06"), Topic.WEB),
    }
)


@dataclass(frozen=True, slots=True)
class Remedy:
    en: str
    de: str
    source: str

    def text(self, language: Language) -> str:
        return self.de if language is Language.DE else self.en


_ORTHANC: Final = "Configuration.json of Orthanc 1.10.1, its NEWS; tried"
_DCMQRSCP: Final = "manual and dcmqrscp.cfg of DCMTK 3.6.7; tried"
_DCM4CHEE: Final = "dcm4chee-arc-light, networkAE.schema.json, networkConnection.schema.json and README"
_CONQUEST: Final = "Conquest, dicomlib, CheckedPDU_Service"
_PYNETDICOM: Final = "pynetdicom 3.0.4, ae.py and apps/qrscp"

_ANY_PEER_EN: Final = (
    "If this is dcmqrscp: in dcmqrscp.cfg, replace ANY in each row of the AETable by the peers that may: (AE "
    "title, host, port). Access W does not keep anybody from querying."
)
_ANY_PEER_DE: Final = (
    "Falls dies dcmqrscp ist: Ersetzen Sie in dcmqrscp.cfg in jeder Zeile der AETable das ANY durch die "
    "erlaubten Gegenstellen: (AE-Titel, Host, Port). Der Zugriff W hindert niemanden am Abfragen."
)
_ACCEPTED_EN: Final = (
    "Enter your devices at the AE under Accepted Calling AE Title (dcmAcceptedCallingAETitle): as long as "
    "it is empty, any is accepted."
)
_ACCEPTED_DE: Final = (
    "Tragen Sie Ihre Geräte bei der AE unter Accepted Calling AE Title (dcmAcceptedCallingAETitle) ein: "
    "Solange dort nichts steht, wird jeder angenommen."
)
_REMOTE_AE_EN: Final = (
    'List the AE titles that may connect in dgatesop.lst, one a line, as "name title RemoteAE": as long as '
    "there is no such line, any is accepted. Restart the server."
)
_REMOTE_AE_DE: Final = (
    'Führen Sie die erlaubten AE-Titel in dgatesop.lst auf, je Zeile einen, als "Name Titel RemoteAE": '
    "Solange es keine solche Zeile gibt, wird jeder angenommen. Starten Sie den Server neu."
)
_REQUIRE_EN: Final = (
    "In the program, set AE.require_called_aet = True and AE.require_calling_aet to the list of your "
    "devices. pynetdicom's qrscp has no option for it: it is an example and does not belong on a network."
)
_REQUIRE_DE: Final = (
    "Setzen Sie im Programm AE.require_called_aet = True und AE.require_calling_aet auf die Liste Ihrer "
    "Geräte. Das mitgelieferte qrscp hat keine Option dafür: Es ist ein Beispiel und gehört in kein Netz."
)

_T: Final = Topic
REMEDIES: Final[Mapping[tuple[str, Topic], Remedy]] = MappingProxyType(
    {
        ("orthanc", _T.TITLES): Remedy(
            'Set "DicomCheckCalledAet" to true, and "DicomAlwaysAllowEcho" and "DicomAlwaysAllowStore" to '
            'false; then only the AEs in "DicomModalities" are let in. "DicomCheckModalityHost": true '
            "checks their addresses too.",
            'Setzen Sie "DicomCheckCalledAet" auf true sowie "DicomAlwaysAllowEcho" und '
            '"DicomAlwaysAllowStore" auf false; dann werden nur die AEs aus "DicomModalities" '
            'eingelassen. "DicomCheckModalityHost": true prüft auch ihre Adressen.',
            _ORTHANC,
        ),
        ("orthanc", _T.QUERY): Remedy(
            'Set "DicomAlwaysAllowFind" to false, as it is by default, and "AllowFind" to false for those in '
            '"DicomModalities" that need not query.',
            'Setzen Sie "DicomAlwaysAllowFind" auf false, wie es voreingestellt ist, und "AllowFind" auf '
            'false für die in "DicomModalities", die nicht abfragen müssen.',
            _ORTHANC,
        ),
        ("orthanc", _T.RETRIEVE): Remedy(
            'Set "DicomAlwaysAllowGet" and "DicomAlwaysAllowMove" to false, as they are by default. '
            "Orthanc agrees to the services all the same and refuses when they are used.",
            'Setzen Sie "DicomAlwaysAllowGet" und "DicomAlwaysAllowMove" auf false, wie sie voreingestellt '
            "sind. Orthanc sagt die Dienste trotzdem zu und lehnt erst ihre Benutzung ab.",
            _ORTHANC,
        ),
        ("orthanc", _T.STORE): Remedy(
            'Set "DicomAlwaysAllowStore" to false (it is true by default), and enter your scanners in '
            '"DicomModalities".',
            'Setzen Sie "DicomAlwaysAllowStore" auf false (voreingestellt ist true), und tragen Sie Ihre '
            'Modalitäten in "DicomModalities" ein.',
            _ORTHANC,
        ),
        ("orthanc", _T.WORKLIST): Remedy(
            'Set "DicomAlwaysAllowFindWorklist" to false, as it is by default.',
            'Setzen Sie "DicomAlwaysAllowFindWorklist" auf false, wie es voreingestellt ist.',
            _ORTHANC,
        ),
        ("orthanc", _T.TLS): Remedy(
            'Set "DicomTlsEnabled" to true with "DicomTlsCertificate", "DicomTlsPrivateKey" and '
            '"DicomTlsTrustedCertificates"; "DicomTlsRemoteCertificateRequired" is true by default. For '
            'the web: "SslEnabled" and "SslCertificate".',
            'Setzen Sie "DicomTlsEnabled" auf true, mit "DicomTlsCertificate", "DicomTlsPrivateKey" und '
            '"DicomTlsTrustedCertificates"; "DicomTlsRemoteCertificateRequired" ist voreingestellt. Für '
            'das Web: "SslEnabled" und "SslCertificate".',
            _ORTHANC,
        ),
        ("orthanc", _T.WEB): Remedy(
            'Set "RemoteAccessAllowed" to false; or "AuthenticationEnabled" to true, with users and '
            'passwords of your own in "RegisteredUsers": without any, Orthanc makes one that everybody '
            "knows.",
            'Setzen Sie "RemoteAccessAllowed" auf false; oder "AuthenticationEnabled" auf true, mit eigenen '
            'Benutzern und Passwörtern in "RegisteredUsers": Ohne legt Orthanc einen an, den jeder kennt.',
            _ORTHANC,
        ),
        ("dcmtk", _T.TITLES): Remedy(_ANY_PEER_EN, _ANY_PEER_DE, _DCMQRSCP),
        ("dcmtk", _T.QUERY): Remedy(_ANY_PEER_EN, _ANY_PEER_DE, _DCMQRSCP),
        ("dcmtk", _T.RETRIEVE): Remedy(_ANY_PEER_EN, _ANY_PEER_DE, _DCMQRSCP),
        ("dcmtk", _T.STORE): Remedy(
            "If this is storescp: it knows no list of AE titles. Let it run with --enable-tls and "
            "--require-peer-cert, or behind a firewall; --access-control uses the rules of hosts.allow. "
            "If it is dcmqrscp: access R in the AETable keeps it from storing.",
            "Falls dies storescp ist: Es kennt keine Liste von AE-Titeln. Betreiben Sie es mit "
            "--enable-tls und --require-peer-cert oder hinter einer Firewall; --access-control wendet die "
            "Regeln aus hosts.allow an. Falls es dcmqrscp ist: Der Zugriff R in der AETable verhindert "
            "das Speichern.",
            _DCMQRSCP,
        ),
        ("dcm4che", _T.TITLES): Remedy(_ACCEPTED_EN, _ACCEPTED_DE, _DCM4CHEE),
        ("dcm4che", _T.QUERY): Remedy(_ACCEPTED_EN, _ACCEPTED_DE, _DCM4CHEE),
        ("dcm4che", _T.RETRIEVE): Remedy(_ACCEPTED_EN, _ACCEPTED_DE, _DCM4CHEE),
        ("dcm4che", _T.STORE): Remedy(_ACCEPTED_EN, _ACCEPTED_DE, _DCM4CHEE),
        ("dcm4che", _T.WORKLIST): Remedy(_ACCEPTED_EN, _ACCEPTED_DE, _DCM4CHEE),
        ("dcm4che", _T.TLS): Remedy(
            "Use a network connection with TLS CipherSuites (dicomTLSCipherSuite) and TLS Need Client Auth "
            "(dcmTLSNeedClientAuth, on by default), and take the one without TLS from the AE.",
            "Verwenden Sie eine Network Connection mit TLS CipherSuites (dicomTLSCipherSuite) und TLS Need "
            "Client Auth (dcmTLSNeedClientAuth, voreingestellt), und nehmen Sie der AE die ohne TLS.",
            _DCM4CHEE,
        ),
        ("dcm4chee", _T.WEB): Remedy(
            "Deploy the build with secured user interface and services (-D secure=all), which asks "
            "Keycloak for a sign-in.",
            "Setzen Sie die Fassung mit gesicherter Oberfläche und gesicherten Diensten ein (-D "
            "secure=all); sie verlangt eine Anmeldung über Keycloak.",
            _DCM4CHEE,
        ),
        ("conquest", _T.TITLES): Remedy(_REMOTE_AE_EN, _REMOTE_AE_DE, _CONQUEST),
        ("conquest", _T.QUERY): Remedy(_REMOTE_AE_EN, _REMOTE_AE_DE, _CONQUEST),
        ("conquest", _T.RETRIEVE): Remedy(
            _REMOTE_AE_EN + " Take entries with * out of acrnema.map: they make whoever calls a destination.",
            _REMOTE_AE_DE + " Nehmen Sie Zeilen mit * aus acrnema.map: Sie machen jeden zum Ziel, der ruft.",
            _CONQUEST,
        ),
        ("conquest", _T.STORE): Remedy(_REMOTE_AE_EN, _REMOTE_AE_DE, _CONQUEST),
        ("pynetdicom", _T.TITLES): Remedy(_REQUIRE_EN, _REQUIRE_DE, _PYNETDICOM),
        ("pynetdicom", _T.QUERY): Remedy(_REQUIRE_EN, _REQUIRE_DE, _PYNETDICOM),
        ("pynetdicom", _T.RETRIEVE): Remedy(_REQUIRE_EN, _REQUIRE_DE, _PYNETDICOM),
        ("pynetdicom", _T.STORE): Remedy(_REQUIRE_EN, _REQUIRE_DE, _PYNETDICOM),
    }
)  # fmt: skip


# A toolkit's name may be all that a product shows: it is then named with a question mark.
MADE_WITH: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({"dcmtk": ("orthanc",)})


def remedies(check: str, identities: Iterable[Identity], language: Language) -> tuple[tuple[str, str], ...]:
    """(the program's name, what to do there), each once; () for none. `identities`: those of the port, or of
    all ports of its host: its web server may tell which product the DICOM port belongs to."""
    topic = TOPICS.get(check)
    return tuple(_of(topic, tuple(identities), language)) if topic else ()


def _of(topic: Topic, identities: tuple[Identity, ...], language: Language) -> Iterator[tuple[str, str]]:
    known = [each.program for each in identities if each.provenance is not Provenance.UNVERIFIED]
    perhaps = [product for program in known for product in MADE_WITH.get(program, ())]
    for program in dict.fromkeys((*known, *perhaps)):
        remedy = REMEDIES.get((program, topic))
        if remedy:
            yield NAMES[program] + ("" if program in known else "?"), remedy.text(language)
