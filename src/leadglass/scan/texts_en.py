"""Findings, doubts and grades in English."""

from __future__ import annotations

from typing import Final

from leadglass.scan.checks import Severity
from leadglass.scan.doubts import DoubtKind, Reason
from leadglass.scan.texts import Text, Texts
from leadglass.scan.verdict import Verdict

_FIREWALL: Final = "Until then let only the machines that need this port reach it."
_PAGE_OPEN: Final = (
    "The first page of {programs} came without a sign-in, and the archive at the same port answers "
    "everybody: what the viewer shows, it shows to everybody."
)

_CHECKS: Final = {
    "D01": Text(
        "DICOM can be reached",
        "This port speaks DICOM: it answered an association request.",
        "That is what it is for. It belongs in your inventory, and nobody else has to be able to reach it.",
        "Let only the scanners, workstations and archives that need this port reach it.",
    ),
    "D02": Text(
        "Any called AE title is accepted",
        "An association for {called}, a name that was made up, was accepted.",
        "Who connects need not know what the server is called. Scanners that go through whole networks get "
        "in at the first attempt.",
        "Have the server check the called AE title. It is a name and no password: this keeps out "
        "passers-by and nobody else.",
    ),
    "D03": Text(
        "Any calling AE title is accepted",
        "An association from {calling}, a name that was made up, was accepted.",
        "The server does not ask who calls. Everybody who reaches the port is treated as a known device.",
        "Enter the AE titles of your devices, with their addresses where the product allows it, and refuse "
        "all others. AE titles can be copied: what decides is who can reach the port, or TLS with client "
        "certificates.",
    ),
    "D04": Text(
        "An AE title that is easy to guess opens the door",
        "Made-up names were refused; as {role} AE title, {title} was accepted.",
        "The only lock is a name, and this one stands in manuals or in your own inventory.",
        "Bind known AE titles to addresses or to client certificates. Another name alone is a new guess "
        "and no lock.",
    ),
    "D05": Text(
        "C-ECHO is answered",
        "The server answered a stranger's C-ECHO.",
        "This shows no patient. It confirms to anybody that the server works and lets him in.",
        "It ends when strangers are no longer let in.",
    ),
    "D06": Text(
        "Strangers may query the archive",
        "A query (C-FIND) of a stranger for a day without studies was answered: no match, and no refusal. No "
        "record was asked for.",
        "Whoever reaches this port can search the archive: names, birth dates, patient IDs, examinations. No "
        "password and no special tool is needed, a free DICOM viewer does it.",
        "Allow queries to known devices only. " + _FIREWALL,
        {
            "ignored": "A query (C-FIND) of a stranger for a day without studies was answered with a "
            "match: the server ignores the date. The association was aborted at once; the match was not "
            "looked at."
        },
    ),
    "D07": Text(
        "The archive's studies can be listed",
        "A stranger could count {studies}{images}{people}. Nothing was copied.{kinds}",
        "What can be counted can be listed and, in most such servers, fetched. Take it that others have been "
        "here: only your logs can tell. A number of studies is no number of people.",
        "Take the port off the network today, or allow it to known devices only. Keep the logs before "
        "anything is restarted: they answer whether and by whom records were seen.",
    ),
    "D08": Text(
        "Retrieving images was agreed to",
        "The server agreed with a stranger on services to {services}. Nothing was retrieved: this was "
        "negotiated, not proven.",
        "A server that agrees usually does it. Then images leave the house with everything that is written "
        "in them.",
        "Allow retrieving to known devices only, and sending to known destinations only.",
        {
            "refused": "The server agreed with a stranger on services to {services}, but refused a query "
            "of the same stranger. Nothing was retrieved: probably it would be refused too."
        },
    ),
    "D09": Text(
        "Strangers may send images",
        "The server agreed with a stranger to store {classes}. Nothing was sent.",
        "Anybody may put objects into the archive: forged images under a patient's name, malformed files "
        "that attack other systems, or so many that the disk is full.",
        "Accept objects from known devices only.",
    ),
    "D10": Text(
        "Strangers may query the worklist",
        "A worklist query of a stranger was answered: no match, and no refusal. No record was asked for.",
        "The worklist says who is examined today, where and why.",
        "Allow worklist queries to your scanners only. " + _FIREWALL,
        {
            "ignored": "A worklist query of a stranger was answered with a match, although none was "
            "possible. The association was aborted at once; the match was not looked at."
        },
    ),
    "D11": Text(
        "Other services were agreed to",
        "The server agreed with a stranger on: {services}. Nothing was asked for: this was negotiated, not "
        "proven.",
        "These services change what the archive or a scanner believes to be true.",
        "Allow them to known devices only.",
    ),
    "T01": Text(
        "DICOM without encryption",
        "An association without TLS was accepted.",
        "Names and images cross the network readable for everybody on the way. On a network of its own "
        "this is common; anywhere else it is not acceptable.",
        "Use DICOM over TLS with certificates on both sides, or carry the traffic inside a VPN. Devices that "
        "know no TLS belong on a network segment of their own.",
    ),
    "T02": Text(
        "Weak encryption",
        "The TLS of this port has weaknesses: {reasons}.",
        "Who listens on the network may be able to read along, or to pass for the server.",
        "Allow TLS 1.2 and 1.3 only, with the cipher suites of DICOM PS3.15 B.12, and renew the certificate.",
    ),
    "T03": Text(
        "No client certificate is asked for",
        "An association inside TLS was accepted without a client certificate.",
        "The traffic is encrypted, but the server does not know with whom it speaks.",
        "Ask for client certificates of an authority of your own, and give one to each device.",
    ),
    "W01": Text(
        "The archive answers strangers over the web",
        "A search (QIDO-RS) for a study that does not exist was answered at {path}, without a sign-in. No "
        "record was asked for.",
        "Whoever reaches this address can search and fetch studies with a web browser.",
        "Have every request sign in, or put a proxy that does in front of it. " + _FIREWALL,
        {
            "ignored": "A search (QIDO-RS) for a study that does not exist was answered with a match at "
            "{path}, without a sign-in: the server ignores what it is asked for. The match was not read."
        },
    ),
    "W02": Text(
        "The archive's studies can be counted over the web",
        "The web server told a stranger that it holds {studies}.",
        "What can be counted can usually be listed and fetched. Only your logs can tell whether others did.",
        "Have every request sign in. Keep the logs before anything is restarted.",
    ),
    "W03": Text(
        "Orthanc's interface is open",
        "Orthanc's REST API described itself to a stranger, without a sign-in.",
        "This interface can search, download, change and delete everything in the archive.",
        "Switch remote access off, or demand a sign-in. " + _FIREWALL,
        {
            "counted": "Orthanc's REST API described itself to a stranger, without a sign-in, and told "
            "what it holds: {studies}{images}{people}. Nothing was copied."
        },
    ),
    "W04": Text(
        "The default password works",
        "The name and password that the product's documentation gives were accepted at {path}, at the first "
        "attempt.",
        "Everybody has these documents.",
        "Change the password now, and look in the logs for sign-ins that are not yours.",
    ),
    "W05": Text(
        "Storing over the web is listed",
        "The web server lists POST among the methods of {path}. Nothing was sent: whether it accepts "
        "objects is not known.",
        "If it does, anybody may put objects into the archive.",
        "Accept objects after a sign-in only.",
    ),
    "W06": Text(
        "dcm4chee's pages are open",
        "The first page of {programs} came without a sign-in.",
        "It tells which product runs here. Whether it shows studies was not tried.",
        "Have it ask for a sign-in, and let only those reach it who work with it.",
        {"open": _PAGE_OPEN},
    ),
    "W07": Text(
        "A viewer's configuration is open",
        "The configuration of {programs} can be read without a sign-in.",
        "It tells where the archive is that the viewer reads from. Whether it shows studies was not tried.",
        "Have the viewer, and the archive behind it, ask for a sign-in.",
        {"open": _PAGE_OPEN},
    ),
    "W08": Text(
        "A viewer can be reached",
        "The first page of {programs} came without a sign-in.",
        "It tells which product runs here. Whether it shows studies was not tried.",
        "Have it ask for a sign-in, and let only those reach it who work with it.",
        {"open": _PAGE_OPEN},
    ),
    "W09": Text(
        "DICOM files lie open on a web server",
        "An index page at {path} has {links}. Nothing was fetched.",
        "Whoever opens this page can save the files, and in them stand names and birth dates.",
        "Take the files off the web server today, switch directory listings off, and keep its logs.",
    ),
    "W10": Text(
        "Foreign web pages may read along",
        "The web server allows pages of other origins to read its answers ({origin}).",
        "A page that one of your users opens elsewhere may fetch studies in his name.",
        "Allow only the origins of your own viewers, by name.",
    ),
    "N01": Text(
        "HL7 can be reached",
        "A port that is usually HL7 accepts connections. Nothing was sent.",
        "HL7 has no sign-in of its own: who reaches it may send orders and changes of patients' data.",
        "Let only your interface engine and the systems behind it reach this port.",
    ),
    "N02": Text(
        "A database can be reached",
        "A port that is usually {usually} accepts connections. Nothing was sent.",
        "All that protects the data there is a password, and it is guessed at machine speed.",
        "Let only the servers that work with this database reach it; on a single machine bind it to "
        "127.0.0.1.",
    ),
    "F01": Text(
        "A version with known flaws",
        "{program} says that it is version {version}. Advisories call such versions affected: {flaws}.",
        "Whether it really is, a version does not tell: distributions mend without changing the number. "
        "Nothing was tried.",
        "Ask the manufacturer or distributor, and update. " + _FIREWALL,
        {
            "toolkit": "Something here is made with {program} {version}; which product, is not known. "
            "Advisories call such versions affected: {flaws}. The product may not use the part that has "
            "the flaw."
        },
    ),
}

_REASONS: Final = {
    Reason.ACCEPTS_ANYTHING: "It agreed to a service that was made up for this survey. Honeypots agree to "
    "anything; so do a few archives that are set to take every kind of object.",
    Reason.SIGNATURE: "It answers what the source of the honeypot {program} makes it answer.",
    Reason.ANY_KEY: "It answered queries that nothing can match with matches, whatever was asked. "
    "Honeypots do; so do poor archives.",
    Reason.ANY_DATE: "For every range of dates it told the same number of studies, {matches}.",
    Reason.TOO_FAST: "It answered within {answer} µs, but a connection to it takes {connect} µs: something "
    "nearer answers in its name.",
    Reason.ALL_SERVICES: "It agreed to be archive, worklist, scheduler and printer in one.",
    Reason.EVERY_PORT: "All {ports} ports that were tried at this address accept connections.",
    Reason.STALLS: "It takes connections and lets them wait: answers do not come, or byte by byte.",
    Reason.TOO_MANY: "It tells {studies}, more than any archive is known to hold.",
    Reason.CONTRADICTION: "Its figures contradict each other: more {more} than {less}.",
    Reason.NO_STUDIES: "It answers, and holds no study.",
    Reason.CHANGING_PROGRAM: "Behind this port {programs} different programs answered. A count may be of "
    "one of them only.",
    Reason.CHANGING_CERTIFICATE: "Behind this port several certificates were shown. A count may be of one "
    "server of several.",
    Reason.SAME_COUNT: "{doors} hold exactly as many studies ({studies}): likely one archive.",
    Reason.SAME_STUDIES: "{doors} gave the same answers, word for word, when their studies were counted "
    "({studies}): one archive.",
    Reason.SAME_FIGURES: "{doors} agree in the number of studies ({studies}) and in a second figure: one "
    "archive.",
    Reason.NEARLY_SAME_COUNT: "{doors} hold nearly as many studies ({studies}), counted soon after each "
    "other: likely one archive at work.",
    Reason.SAME_CERTIFICATE: "{doors} show the same certificate{same}.",
}

EN: Final = Texts(
    thousands=",",
    joined=" and ",
    exactly="exactly {n}",
    at_least="at least {n}",
    things={
        "studies": ("study", "studies"), "images": ("image", "images"), "people": ("person", "people"),
        "links": ("link to a DICOM file", "links to DICOM files"), "records": ("record", "records"),
    },
    words={
        "get": "fetch images (C-GET)", "move": "have images sent elsewhere (C-MOVE)",
        "commitment": "storage commitment", "mpps": "performed procedure steps", "print": "printing",
        "called": "called", "calling": "calling",
        "any": "any origin", "reflected": "whichever origin asks",
        "expired": "an expired certificate", "not-yet-valid": "a certificate that is not valid yet",
        "old-version": "a TLS version below 1.2", "weak-cipher": "a weak cipher suite",
        "weak-signature": "a certificate signed with SHA-1 or MD5", "small-key": "a key that is too small",
        "self-signed": "a self-signed certificate",
        "undated": "studies without a date", "patients": "patients", "series": "series",
        "instances": "images",
        "studies": "studies", "images": "images", "people": "people",
        "name": "name", "birth-date": "birth date", "patient-id": "patient ID", "other-ids": "other IDs",
        "national-id": "what looks like a national ID", "other-names": "other names",
        "mothers-name": "mother's name", "address": "address", "telephone": "telephone",
        "occupation": "occupation", "comments": "comments", "diagnosis": "diagnosis",
        "description": "study description", "physician": "physician", "institution": "institution",
        "sex": "sex", "accession-number": "accession number", "others": "and others",
    },
    clauses={
        "images": ", {n}", "people": " of {n}", "kinds": " In {records} these had values: {kinds}.",
        "kinds-in-all": " In each of {records} these had values: {kinds}.",
        "records": "{n}", "same": ", and counted the same ({studies})",
    },
    checks=_CHECKS,
    doubts={
        DoubtKind.HONEYPOT: "perhaps a honeypot", DoubtKind.TARPIT: "perhaps a tarpit",
        DoubtKind.IMPLAUSIBLE: "implausible figures", DoubtKind.EMPTY: "an empty archive",
        DoubtKind.BALANCER: "several servers behind one port", DoubtKind.DUPLICATE: "one archive behind "
        "several doors",
    },
    reasons=_REASONS,
    verdicts={
        Verdict.COUNTED: "answers strangers; its studies were counted", Verdict.ANSWERS: "answers strangers",
        Verdict.WITHHOLDS: "lets strangers in, answers no query of theirs", Verdict.ECHOES: "lets "
        "strangers in",
        Verdict.ASSOCIATES: "lets strangers in", Verdict.TAKES_NOTHING: "lets strangers in, to nothing",
        Verdict.REFUSES_STRANGERS: "refuses strangers: calling AE title not recognised",
        Verdict.ASKS_CERTIFICATE: "refuses strangers: asks for a certificate",
        Verdict.WRONG_TITLE: "refuses: called AE title not recognised", Verdict.REFUSES: "refuses, without "
        "saying why",
        Verdict.BUSY: "busy: ask again", Verdict.WEB_SHUT: "a web server that asks for a sign-in",
        Verdict.WEB: "a web server that shows no archive", Verdict.MISBEHAVES: "misbehaves",
        Verdict.NOT_DICOM: "not DICOM", Verdict.OPEN: "open; what it is was not learnt", Verdict.MUTE: "open "
        "and mute",
        Verdict.HANGS_UP: "hangs up", Verdict.UNKNOWN: "could not be tried",
        Verdict.UNREACHABLE: "no way there", Verdict.SILENT: "silent", Verdict.CLOSED: "closed",
    },
    grades={
        "answers-strangers": "A stranger's query is answered.", "critical": "There is a critical finding.",
        "high": "There is a high finding.", "medium": "There is a medium finding.", "low": "There is a low "
        "finding.",
        "not-judged": "Not graded: something answered in a way that could not be judged. Ask again.",
        "by-name-only": "Strangers are refused, but for their not knowing a name, or without a reason.",
        "takes-nothing": "Strangers may associate, and are granted nothing.",
        "refuses-strangers": "Strangers are refused.", "no-imaging": "Not graded: no imaging was seen.",
        "nothing-open": "Not graded: nothing listens.",
    },
    severities={
        Severity.INFO: "information", Severity.LOW: "low", Severity.MEDIUM: "medium", Severity.HIGH: "high",
        Severity.CRITICAL: "critical",
    },
)  # fmt: skip
