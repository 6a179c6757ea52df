"""Findings, doubts and grades in German."""

from __future__ import annotations

from typing import Final

from leadglass.scan.checks import Severity
from leadglass.scan.doubts import DoubtKind, Reason
from leadglass.scan.texts import Text, Texts
from leadglass.scan.verdict import Verdict

_FIREWALL: Final = "Lassen Sie bis dahin nur die Geräte an diesen Port, die ihn brauchen."
_PAGE_OPEN: Final = (
    "Die Startseite von {programs} kam ohne Anmeldung, und das Bildarchiv am selben Port antwortet jedem: "
    "Was der Viewer zeigt, zeigt er allen."
)

_CHECKS: Final = {
    "D01": Text(
        "DICOM ist erreichbar",
        "Dieser Port spricht DICOM: Er hat eine Verbindungsanfrage (A-ASSOCIATE) beantwortet.",
        "Dafür ist er da. Er gehört in Ihr Geräteverzeichnis, und niemand sonst muss ihn erreichen können.",
        "Lassen Sie nur die Modalitäten, Befundplätze und Archive an diesen Port, die ihn brauchen.",
    ),
    "D02": Text(
        "Jeder gerufene AE-Titel wird angenommen",
        "Eine Verbindung zum erfundenen AE-Titel {called} wurde angenommen.",
        "Wer sich verbindet, muss nicht wissen, wie der Server heißt. Programme, die ganze Netze absuchen, "
        "kommen beim ersten Versuch hinein.",
        "Lassen Sie den Server den gerufenen AE-Titel prüfen. Er ist ein Name und kein Passwort: Das hält "
        "zufällige Besucher fern und sonst niemanden.",
    ),
    "D03": Text(
        "Jeder rufende AE-Titel wird angenommen",
        "Eine Verbindung vom erfundenen AE-Titel {calling} wurde angenommen.",
        "Der Server fragt nicht, wer ruft. Wer den Port erreicht, wird behandelt wie ein bekanntes Gerät.",
        "Tragen Sie die AE-Titel Ihrer Geräte ein, mit ihren Adressen, wo das Produkt es erlaubt, und "
        "weisen Sie alle anderen ab. AE-Titel lassen sich nachahmen: Entscheidend ist, wer den Port "
        "erreicht, oder TLS mit Client-Zertifikaten.",
    ),
    "D04": Text(
        "Ein leicht zu erratender AE-Titel öffnet die Tür",
        "Erfundene Namen wurden abgewiesen; {title} wurde als {role} AE-Titel angenommen.",
        "Das einzige Schloss ist ein Name, und dieser steht in Handbüchern oder in Ihrem eigenen "
        "Geräteverzeichnis.",
        "Binden Sie bekannte AE-Titel an Adressen oder an Client-Zertifikate. Ein anderer Name allein ist "
        "nur ein neues Rätsel.",
    ),
    "D05": Text(
        "C-ECHO wird beantwortet",
        "Der Server hat das C-ECHO eines Unbekannten beantwortet.",
        "Das zeigt keine Patientendaten. Es bestätigt jedem, dass der Server läuft und ihn einlässt.",
        "Das endet, sobald Unbekannte nicht mehr eingelassen werden.",
    ),
    "D06": Text(
        "Unbekannte dürfen das Bildarchiv durchsuchen",
        "Die Abfrage (C-FIND) eines Unbekannten nach einem Tag ohne Untersuchungen wurde beantwortet: kein "
        "Treffer, aber auch keine Ablehnung. Es wurde kein Datensatz abgefragt.",
        "Wer diesen Port erreicht, kann das Archiv durchsuchen: Namen, Geburtsdaten, Patientennummern, "
        "Untersuchungen. Dazu braucht es weder Passwort noch Spezialwerkzeug, ein kostenloser DICOM-Viewer "
        "genügt.",
        "Erlauben Sie Abfragen nur bekannten Geräten. " + _FIREWALL,
        {
            "ignored": "Die Abfrage (C-FIND) eines Unbekannten nach einem Tag ohne Untersuchungen wurde "
            "mit einem Treffer beantwortet: Der Server beachtet das Datum nicht. Die Verbindung wurde "
            "sofort abgebrochen, der Treffer nicht angesehen."
        },
    ),
    "D07": Text(
        "Die Untersuchungen im Bildarchiv lassen sich auflisten",
        "Ein Unbekannter konnte {studies}{images}{people} zählen. Kopiert wurde nichts.{kinds}",
        "Was sich zählen lässt, lässt sich auflisten und bei den meisten solchen Servern auch abrufen. "
        "Gehen Sie davon aus, dass andere hier waren: Sagen können es nur Ihre Protokolle. Eine Zahl von "
        "Untersuchungen ist keine Zahl von Personen.",
        "Nehmen Sie den Port heute vom Netz, oder erlauben Sie ihn nur bekannten Geräten. Sichern Sie die "
        "Protokolle, bevor etwas neu gestartet wird: Sie beantworten, ob und von wem Daten eingesehen "
        "wurden.",
    ),
    "D08": Text(
        "Das Abrufen von Bildern wurde zugesagt",
        "Der Server hat mit einem Unbekannten vereinbart, dass dieser {services} darf. Abgerufen wurde "
        "nichts: Das ist vereinbart, nicht erwiesen.",
        "Ein Server, der zusagt, tut es gewöhnlich auch. Dann verlassen Bilder das Haus mit allem, was in "
        "ihnen steht.",
        "Erlauben Sie das Abrufen nur bekannten Geräten und das Senden nur an bekannte Ziele.",
        {
            "refused": "Der Server hat mit einem Unbekannten vereinbart, dass dieser {services} darf, eine "
            "Abfrage desselben Unbekannten aber abgelehnt. Abgerufen wurde nichts: Vermutlich würde auch "
            "das abgelehnt."
        },
    ),
    "D09": Text(
        "Unbekannte dürfen Bilder senden",
        "Der Server hat einem Unbekannten zugesagt, Folgendes zu speichern: {classes}. Gesendet wurde "
        "nichts.",
        "Jeder kann Objekte in das Archiv legen: gefälschte Bilder unter dem Namen eines Patienten, "
        "fehlerhafte Dateien, die andere Systeme angreifen, oder so viele, dass der Speicher voll ist.",
        "Nehmen Sie Objekte nur von bekannten Geräten an.",
    ),
    "D10": Text(
        "Unbekannte dürfen die Arbeitsliste abfragen",
        "Die Arbeitslisten-Abfrage (Modality Worklist) eines Unbekannten wurde beantwortet: kein Treffer, "
        "aber auch keine Ablehnung. Es wurde kein Datensatz abgefragt.",
        "Die Arbeitsliste sagt, wer heute wo und weshalb untersucht wird.",
        "Erlauben Sie Arbeitslisten-Abfragen nur Ihren Modalitäten. " + _FIREWALL,
        {
            "ignored": "Die Arbeitslisten-Abfrage (Modality Worklist) eines Unbekannten wurde mit einem "
            "Treffer beantwortet, obwohl keiner möglich war. Die Verbindung wurde sofort abgebrochen, der "
            "Treffer nicht angesehen."
        },
    ),
    "D11": Text(
        "Weitere Dienste wurden zugesagt",
        "Der Server hat mit einem Unbekannten vereinbart: {services}. Genutzt wurde nichts: Das ist "
        "vereinbart, nicht erwiesen.",
        "Diese Dienste ändern, was das Archiv oder eine Modalität für wahr hält.",
        "Erlauben Sie sie nur bekannten Geräten.",
    ),
    "T01": Text(
        "DICOM ohne Verschlüsselung",
        "Eine Verbindung ohne TLS wurde angenommen.",
        "Namen und Bilder laufen für alle lesbar durch das Netz. In einem eigenen, abgetrennten Netz ist das "
        "üblich; überall sonst ist es nicht hinnehmbar.",
        "Verwenden Sie DICOM über TLS mit Zertifikaten auf beiden Seiten, oder führen Sie den Verkehr "
        "durch ein VPN. Geräte, die kein TLS beherrschen, gehören in ein eigenes Netzsegment.",
    ),
    "T02": Text(
        "Schwache Verschlüsselung",
        "Das TLS dieses Ports hat Schwächen: {reasons}.",
        "Wer im Netz lauscht, kann womöglich mitlesen oder sich als der Server ausgeben.",
        "Erlauben Sie nur TLS 1.2 und 1.3 mit den Verfahren aus DICOM PS3.15 B.12, und erneuern Sie das "
        "Zertifikat.",
    ),
    "T03": Text(
        "Es wird kein Client-Zertifikat verlangt",
        "Eine Verbindung über TLS wurde ohne Client-Zertifikat angenommen.",
        "Der Verkehr ist verschlüsselt, aber der Server weiß nicht, mit wem er spricht.",
        "Verlangen Sie Client-Zertifikate einer eigenen Zertifizierungsstelle, und geben Sie jedem Gerät "
        "eines.",
    ),
    "W01": Text(
        "Das Bildarchiv antwortet Unbekannten über das Web",
        "Eine Suche (QIDO-RS) nach einer Untersuchung, die es nicht gibt, wurde unter {path} ohne Anmeldung "
        "beantwortet. Es wurde kein Datensatz abgefragt.",
        "Wer diese Adresse erreicht, kann mit einem Browser Untersuchungen suchen und abrufen.",
        "Verlangen Sie bei jeder Anfrage eine Anmeldung, oder stellen Sie einen Proxy davor, der es tut. "
        + _FIREWALL,
        {
            "ignored": "Eine Suche (QIDO-RS) nach einer Untersuchung, die es nicht gibt, wurde unter "
            "{path} ohne Anmeldung mit einem Treffer beantwortet: Der Server beachtet nicht, wonach "
            "gesucht wird. Der Treffer wurde nicht gelesen."
        },
    ),
    "W02": Text(
        "Die Untersuchungen lassen sich über das Web zählen",
        "Der Webserver hat einem Unbekannten gesagt, was er enthält: {studies}.",
        "Was sich zählen lässt, lässt sich meist auch auflisten und abrufen. Ob andere es getan haben, "
        "sagen nur Ihre Protokolle.",
        "Verlangen Sie bei jeder Anfrage eine Anmeldung. Sichern Sie die Protokolle, bevor etwas neu "
        "gestartet wird.",
    ),
    "W03": Text(
        "Die Schnittstelle von Orthanc steht offen",
        "Die REST-Schnittstelle von Orthanc hat sich einem Unbekannten ohne Anmeldung vorgestellt.",
        "Über diese Schnittstelle lässt sich alles im Archiv suchen, herunterladen, ändern und löschen.",
        "Schalten Sie den Fernzugriff ab, oder verlangen Sie eine Anmeldung. " + _FIREWALL,
        {
            "counted": "Die REST-Schnittstelle von Orthanc hat sich einem Unbekannten ohne Anmeldung "
            "vorgestellt und gesagt, was sie enthält: {studies}{images}{people}. Kopiert wurde nichts."
        },
    ),
    "W04": Text(
        "Das voreingestellte Passwort gilt noch",
        "Name und Passwort aus der Dokumentation des Produkts wurden unter {path} beim ersten Versuch "
        "angenommen.",
        "Diese Dokumentation hat jeder.",
        "Ändern Sie das Passwort jetzt, und suchen Sie in den Protokollen nach Anmeldungen, die nicht von "
        "Ihnen sind.",
    ),
    "W05": Text(
        "Das Speichern über das Web wird angeboten",
        "Der Webserver nennt POST unter den Methoden von {path}. Gesendet wurde nichts: Ob er Objekte "
        "annimmt, ist nicht bekannt.",
        "Falls ja, kann jeder Objekte in das Archiv legen.",
        "Nehmen Sie Objekte nur nach einer Anmeldung an.",
    ),
    "W06": Text(
        "Die Seiten von dcm4chee stehen offen",
        "Die Startseite von {programs} kam ohne Anmeldung.",
        "Sie verrät, welches Produkt hier läuft. Ob sie Untersuchungen zeigt, wurde nicht versucht.",
        "Verlangen Sie eine Anmeldung, und lassen Sie nur die dorthin, die damit arbeiten.",
        {"open": _PAGE_OPEN},
    ),
    "W07": Text(
        "Die Konfiguration eines Viewers ist lesbar",
        "Die Konfiguration von {programs} ist ohne Anmeldung lesbar.",
        "Sie verrät, aus welchem Archiv der Viewer liest. Ob er Untersuchungen zeigt, wurde nicht versucht.",
        "Verlangen Sie eine Anmeldung, beim Viewer und beim Archiv dahinter.",
        {"open": _PAGE_OPEN},
    ),
    "W08": Text(
        "Ein Viewer ist erreichbar",
        "Die Startseite von {programs} kam ohne Anmeldung.",
        "Sie verrät, welches Produkt hier läuft. Ob sie Untersuchungen zeigt, wurde nicht versucht.",
        "Verlangen Sie eine Anmeldung, und lassen Sie nur die dorthin, die damit arbeiten.",
        {"open": _PAGE_OPEN},
    ),
    "W09": Text(
        "DICOM-Dateien liegen offen auf einem Webserver",
        "Ein Verzeichnis unter {path} enthält {links}. Abgerufen wurde nichts.",
        "Wer diese Seite öffnet, kann die Dateien speichern, und in ihnen stehen Namen und Geburtsdaten.",
        "Nehmen Sie die Dateien heute vom Webserver, schalten Sie Verzeichnislisten ab, und sichern Sie die "
        "Protokolle.",
    ),
    "W10": Text(
        "Fremde Webseiten dürfen mitlesen",
        "Der Webserver erlaubt Seiten anderer Herkunft, seine Antworten zu lesen ({origin}).",
        "Eine Seite, die jemand aus Ihrem Haus anderswo öffnet, kann in dessen Namen Untersuchungen abrufen.",
        "Erlauben Sie nur die Herkunft Ihrer eigenen Viewer, namentlich.",
    ),
    "N01": Text(
        "HL7 ist erreichbar",
        "Ein Port, an dem gewöhnlich HL7 läuft, nimmt Verbindungen an. Gesendet wurde nichts.",
        "HL7 kennt keine eigene Anmeldung: Wer den Port erreicht, kann Aufträge und Änderungen von "
        "Patientendaten senden.",
        "Lassen Sie nur Ihren Kommunikationsserver und die Systeme dahinter an diesen Port.",
    ),
    "N02": Text(
        "Eine Datenbank ist erreichbar",
        "Ein Port, an dem gewöhnlich {usually} läuft, nimmt Verbindungen an. Gesendet wurde nichts.",
        "Was die Daten dort schützt, ist allein ein Passwort, und das wird maschinell erraten.",
        "Lassen Sie nur die Server an diesen Port, die mit der Datenbank arbeiten; auf einem einzelnen "
        "Rechner binden Sie sie an 127.0.0.1.",
    ),
    "F01": Text(
        "Eine Version mit bekannten Schwachstellen",
        "{program} nennt als Version {version}. Warnungen der Hersteller und Behörden nennen solche "
        "Versionen betroffen: {flaws}.",
        "Ob das zutrifft, sagt eine Versionsnummer nicht: Distributionen beheben Fehler, ohne die Nummer zu "
        "ändern. Versucht wurde nichts.",
        "Fragen Sie den Hersteller oder Distributor, und aktualisieren Sie. " + _FIREWALL,
        {
            "toolkit": "Hier ist etwas mit {program} {version} gebaut; welches Produkt, ist nicht bekannt. "
            "Warnungen der Hersteller und Behörden nennen solche Versionen betroffen: {flaws}. Das Produkt "
            "nutzt den betroffenen Teil möglicherweise nicht."
        },
    ),
}

_REASONS: Final = {
    Reason.ACCEPTS_ANYTHING: "Er hat einem Dienst zugestimmt, den es nicht gibt. Honeypots stimmen allem zu; "
    "einige Archive, die jede Art von Objekten annehmen sollen, aber auch.",
    Reason.SIGNATURE: "Er antwortet so, wie es im Quelltext des Honeypots {program} steht.",
    Reason.ANY_KEY: "Er hat Abfragen, auf die nichts passen kann, mit Treffern beantwortet, gleich wonach "
    "gefragt wurde. Honeypots tun das; schlechte Archive auch.",
    Reason.ANY_DATE: "Für jeden Zeitraum nannte er dieselbe Zahl von Untersuchungen, {matches}.",
    Reason.TOO_FAST: "Er hat nach {answer} µs geantwortet, eine Verbindung zu ihm dauert aber {connect} "
    "µs: Etwas Näheres antwortet in seinem Namen.",
    Reason.ALL_SERVICES: "Er will Bildarchiv, Arbeitsliste, Terminplanung und Drucker in einem sein.",
    Reason.EVERY_PORT: "Alle {ports} Ports, die an dieser Adresse versucht wurden, nehmen Verbindungen an.",
    Reason.STALLS: "Er nimmt Verbindungen an und lässt sie warten: Antworten bleiben aus oder kommen Byte "
    "für Byte.",
    Reason.TOO_MANY: "Er nennt {studies}, mehr als von irgendeinem Archiv bekannt ist.",
    Reason.CONTRADICTION: "Seine Zahlen widersprechen sich: mehr {more} als {less}.",
    Reason.NO_STUDIES: "Er antwortet und enthält keine Untersuchung.",
    Reason.CHANGING_PROGRAM: "Hinter diesem Port haben {programs} verschiedene Programme geantwortet. Eine "
    "Zählung betrifft vielleicht nur eines davon.",
    Reason.CHANGING_CERTIFICATE: "Hinter diesem Port wurden mehrere Zertifikate gezeigt. Eine Zählung "
    "betrifft vielleicht nur einen von mehreren Servern.",
    Reason.SAME_COUNT: "{doors} enthalten genau gleich viel ({studies}): wahrscheinlich ein und dasselbe "
    "Archiv.",
    Reason.SAME_STUDIES: "{doors} gaben, als ihre Untersuchungen gezählt wurden ({studies}), Wort für Wort "
    "dieselben Antworten: ein und dasselbe Archiv.",
    Reason.SAME_FIGURES: "{doors} stimmen in der Zahl der Untersuchungen ({studies}) und in einer zweiten "
    "Zahl überein: ein und dasselbe Archiv.",
    Reason.NEARLY_SAME_COUNT: "{doors} enthalten fast gleich viel ({studies}) und wurden kurz nacheinander "
    "gezählt: wahrscheinlich ein und dasselbe Archiv im Betrieb.",
    Reason.SAME_CERTIFICATE: "{doors} zeigen dasselbe Zertifikat{same}.",
}

DE: Final = Texts(
    thousands=".",
    joined=" und ",
    exactly="genau {n}",
    at_least="mindestens {n}",
    things={
        "studies": ("Untersuchung", "Untersuchungen"), "images": ("Bild", "Bilder"),
        "people": ("Person", "Personen"),
        "links": ("Verweis auf eine DICOM-Datei", "Verweise auf DICOM-Dateien"),
        "records": ("Datensatz", "Datensätzen"),
    },
    words={
        "get": "Bilder abrufen (C-GET)", "move": "Bilder an andere senden lassen (C-MOVE)",
        "commitment": "Speicherbestätigung (Storage Commitment)",
        "mpps": "Rückmeldung von Untersuchungsschritten (MPPS)", "print": "Drucken",
        "called": "gerufener", "calling": "rufender",
        "any": "jede Herkunft", "reflected": "welche auch immer fragt",
        "expired": "ein abgelaufenes Zertifikat", "not-yet-valid": "ein noch nicht gültiges Zertifikat",
        "old-version": "eine TLS-Version unter 1.2", "weak-cipher": "ein schwaches Verschlüsselungsverfahren",
        "weak-signature": "ein mit SHA-1 oder MD5 signiertes Zertifikat", "small-key": "ein zu kurzer "
        "Schlüssel",
        "self-signed": "ein selbst signiertes Zertifikat",
        "undated": "Untersuchungen ohne Datum", "patients": "Patienten", "series": "Serien",
        "instances": "Bilder",
        "studies": "Untersuchungen", "images": "Bilder", "people": "Personen",
        "name": "Name", "birth-date": "Geburtsdatum", "patient-id": "Patientennummer",
        "other-ids": "weitere Nummern", "national-id": "was wie eine amtliche Personenkennung aussieht",
        "other-names": "weitere Namen", "mothers-name": "Name der Mutter", "address": "Anschrift",
        "telephone": "Telefon", "occupation": "Beruf", "comments": "Bemerkungen", "diagnosis": "Diagnose",
        "description": "Untersuchungsbeschreibung", "physician": "Ärztin oder Arzt",
        "institution": "Einrichtung", "sex": "Geschlecht", "accession-number": "Auftragsnummer",
        "others": "und andere",
        "PostgreSQL": "PostgreSQL", "MySQL or MariaDB": "MySQL oder MariaDB",
        "dcm4che 3 or later": "dcm4che 3 oder neuer", "Fujifilm or Canon": "Fujifilm oder Canon",
    },
    clauses={
        "images": ", {n}", "people": " von {n}",
        "kinds": " In {records} standen Werte für: {kinds}.",
        "kinds-in-all": " In jedem von {records} standen Werte für: {kinds}.",
        "records": "{n}", "same": ", und es wurde gleich viel gezählt ({studies})",
    },
    checks=_CHECKS,
    doubts={
        DoubtKind.HONEYPOT: "vielleicht ein Honeypot", DoubtKind.TARPIT: "vielleicht ein Tarpit",
        DoubtKind.IMPLAUSIBLE: "unglaubwürdige Zahlen", DoubtKind.EMPTY: "ein leeres Archiv",
        DoubtKind.BALANCER: "mehrere Server hinter einem Port",
        DoubtKind.DUPLICATE: "ein Archiv hinter mehreren Türen",
    },
    reasons=_REASONS,
    verdicts={
        Verdict.COUNTED: "antwortet Unbekannten; die Untersuchungen wurden gezählt",
        Verdict.ANSWERS: "antwortet Unbekannten",
        Verdict.WITHHOLDS: "lässt Unbekannte ein, beantwortet ihre Abfragen nicht",
        Verdict.ECHOES: "lässt Unbekannte ein", Verdict.ASSOCIATES: "lässt Unbekannte ein",
        Verdict.TAKES_NOTHING: "lässt Unbekannte ein, aber zu nichts",
        Verdict.REFUSES_STRANGERS: "weist Unbekannte ab: rufender AE-Titel nicht bekannt",
        Verdict.ASKS_CERTIFICATE: "weist Unbekannte ab: verlangt ein Zertifikat",
        Verdict.WRONG_TITLE: "weist ab: gerufener AE-Titel nicht bekannt",
        Verdict.REFUSES: "weist ab, ohne zu sagen warum", Verdict.BUSY: "beschäftigt: noch einmal fragen",
        Verdict.WEB_SHUT: "ein Webserver, der eine Anmeldung verlangt",
        Verdict.WEB: "ein Webserver, der kein Archiv zeigt", Verdict.MISBEHAVES: "hält sich nicht an die "
        "Regeln",
        Verdict.NOT_DICOM: "kein DICOM", Verdict.OPEN: "offen; was es ist, war nicht zu erfahren",
        Verdict.MUTE: "offen und stumm", Verdict.HANGS_UP: "legt auf",
        Verdict.UNKNOWN: "konnte nicht versucht werden", Verdict.UNREACHABLE: "kein Weg dorthin",
        Verdict.SILENT: "schweigt", Verdict.CLOSED: "geschlossen",
    },
    grades={
        "answers-strangers": "Die Abfrage eines Unbekannten wird beantwortet.",
        "critical": "Es gibt einen kritischen Befund.", "high": "Es gibt einen schweren Befund.",
        "medium": "Es gibt einen mittleren Befund.", "low": "Es gibt einen leichten Befund.",
        "not-judged": "Keine Note: Etwas hat so geantwortet, dass es sich nicht beurteilen ließ. Fragen "
        "Sie noch einmal.",
        "by-name-only": "Unbekannte werden abgewiesen, aber nur, weil sie einen Namen nicht kennen, oder "
        "ohne Begründung.",
        "takes-nothing": "Unbekannte dürfen sich verbinden, und es wird ihnen nichts gewährt.",
        "refuses-strangers": "Unbekannte werden abgewiesen.",
        "no-imaging": "Keine Note: Es war keine Bildgebung zu sehen.",
        "nothing-open": "Keine Note: Nichts ist offen.",
    },
    severities={
        Severity.INFO: "Hinweis", Severity.LOW: "leicht", Severity.MEDIUM: "mittel", Severity.HIGH: "schwer",
        Severity.CRITICAL: "kritisch",
    },
)  # fmt: skip
