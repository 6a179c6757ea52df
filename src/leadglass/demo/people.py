"""The made-up people of the demo and what was made of them: data, and nothing but data.

Nobody here exists. Names are common ones put together at random, from several languages and scripts, one
about as long as the Standard allows (PS3.5 6.2: 64 characters), one with nothing but a family name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Person:
    """`name` as PN (PS3.5 6.2.1.2): alphabetic, ideographic and phonetic groups between equals signs."""

    number: int
    name: str
    born: str  # YYYYMMDD
    sex: str

    @property
    def patient_id(self) -> str:
        return f"DEMO-{self.number:04d}"


@dataclass(frozen=True, slots=True)
class Visit:
    """A study: whose, how many days before the demo was set up, at which hour, and which images."""

    person: int
    days: int
    time: str  # HHMM
    description: str
    referrer: str
    images: tuple[str, ...]  # keys of `images.IMAGES`, each a series


_PEOPLE = (
    ("Brandt^Johanna^Marie", "19580314", "F"),
    ("Okafor^Daniel^Chidi", "19790822", "M"),
    ("Lefèvre^Aurélie", "19860203", "F"),
    ("Müller^Karl-Heinz^^Dr.", "19421127", "M"),
    ("Yamada^Tarou=山田^太郎=やまだ^たろう", "19650711", "M"),
    ("Whitcombe^Eleanor^Rose", "19911005", "F"),
    ("Schröder^Lukas", "20030419", "M"),
    ("Garnier^Étienne^Paul", "19700130", "M"),
    ("Hohenstein-Wittgenstein^Maximiliane Theodora Isolde^von und zu", "19361224", "F"),
    ("Sato^Hanako=佐藤^花子=さとう^はなこ", "19940616", "F"),
    ("O'Sullivan^Fionnuala", "19830909", "F"),
    ("Weiß^Birgit", "19671212", "F"),
    ("Nguyen^Minh", "19750228", "M"),
    ("Dubois^Camille", "20110507", "O"),
    ("Krüger^Wolfgang", "19490815", "M"),
    ("Ashworth^Thomas^Edward", "19540321", "M"),
    ("Çelik^Ayşe", "19881118", "F"),
    ("Moreau^Lucienne", "19310702", "F"),
    ("Tanaka^Kenji=田中^健二=たなか^けんじ", "19580925", "M"),
    ("Fischer^Amelie", "20160110", "F"),
    ("Hartmann^Paul", "19800606", "M"),
    ("Suharto", "19620417", "M"),
)

PEOPLE: Final = tuple(Person(number, *facts) for number, facts in enumerate(_PEOPLE, 1))

_KELLER, _BAKER, _LAURENT, _ITO = (
    "Keller^Sabine^^Dr.",
    "Baker^Simon^^Dr",
    "Laurent^Nadine^^Dr",
    "Ito^Akira^^Dr",
)

# Ordered as in a day's work; the newest first.
VISITS: Final = tuple(
    Visit(*facts)
    for facts in (
        (7, 1, "0912", "CT Schädel nativ", _KELLER, ("ct_head",)),
        (1, 1, "0847", "Röntgen Thorax p.a.", _KELLER, ("cr_chest",)),
        (5, 2, "1530", "MR Abdomen mit Kontrastmittel", _ITO, ("mr_abdomen",)),
        (2, 2, "1105", "Echocardiogram", _BAKER, ("us_heart_cine", "us_heart")),
        (20, 3, "1018", "Röntgen Unterschenkel rechts", _KELLER, ("cr_leg",)),
        (9, 4, "0831", "CT Abdomen", _KELLER, ("ct_abdomen",)),
        (11, 6, "1412", "MRI Shoulder Right", _BAKER, ("mr_shoulder",)),
        (3, 7, "0955", "Scanner cérébral", _LAURENT, ("ct_head", "ct_brain_maps")),
        (13, 9, "1622", "Chest X-ray", _BAKER, ("cr_chest",)),
        (15, 12, "0740", "Knochenszintigraphie", _KELLER, ("nm_bone",)),
        (8, 14, "1333", "Radiographie du thorax", _LAURENT, ("cr_chest",)),
        (10, 18, "1100", "MR Head", _ITO, ("mr_head",)),
        (12, 21, "1245", "CT LWS", _KELLER, ("ct_spine",)),
        (17, 25, "0925", "Echokardiographie", _KELLER, ("us_heart",)),
        (4, 30, "0810", "Röntgen Thorax p.a.", _KELLER, ("cr_chest",)),
        (6, 37, "1510", "MRI Shoulder Left", _BAKER, ("mr_shoulder",)),
        (14, 42, "1029", "Radiographie de la jambe", _LAURENT, ("cr_leg",)),
        (19, 56, "1355", "CT Head", _ITO, ("ct_head",)),
        (16, 63, "0848", "Bone scan, whole body", _BAKER, ("nm_bone",)),
        (18, 78, "1140", "IRM abdominale", _LAURENT, ("mr_abdomen",)),
        (21, 91, "1701", "MR Schulter", _KELLER, ("mr_shoulder",)),
        (22, 105, "0933", "CT Abdomen", _BAKER, ("ct_abdomen",)),
        (7, 132, "1205", "CT Schädel, Perfusion", _KELLER, ("ct_brain_maps",)),
        (1, 169, "0859", "MR Kopf", _KELLER, ("mr_head",)),
        (5, 204, "1444", "CT Spine", _ITO, ("ct_spine",)),
        (2, 241, "1020", "Echocardiogram", _BAKER, ("us_flow",)),
        (9, 288, "0905", "Röntgen Thorax p.a.", _KELLER, ("cr_chest",)),
        (11, 321, "1610", "CT Thoracic spine", _BAKER, ("ct_small",)),
        (3, 367, "1118", "IRM de la tête", _LAURENT, ("mr_head", "mr_small")),
        (15, 402, "0822", "CT Abdomen", _KELLER, ("ct_abdomen",)),
        (10, 456, "1340", "MRI Abdomen", _ITO, ("mr_abdomen",)),
        (8, 513, "1555", "Échocardiographie", _LAURENT, ("us_heart_cine",)),
        (13, 591, "1010", "CT Lumbar spine", _BAKER, ("ct_spine",)),
        (18, 668, "0945", "Radiographie du thorax", _LAURENT, ("cr_chest",)),
        (4, 720, "1130", "CT Schädel nativ", _KELLER, ("ct_head",)),
    )
)

# What only the old PACS still has: years nobody moved. Whom it knows is everybody but the last of PEOPLE.
OLD_VISITS: Final = tuple(
    Visit(*facts)
    for facts in (
        (16, 781, "1015", "Chest X-ray", _BAKER, ("cr_chest",)),
        (1, 812, "0830", "CT Schädel nativ", _KELLER, ("ct_head",)),
        (21, 846, "1422", "Röntgen Unterschenkel links", _KELLER, ("cr_leg",)),
        (3, 873, "0940", "IRM de la tête", _LAURENT, ("mr_head",)),
        (6, 915, "1625", "Bone scan, whole body", _BAKER, ("nm_bone",)),
        (19, 958, "1110", "CT Abdomen", _ITO, ("ct_abdomen",)),
        (12, 1004, "0805", "MR LWS", _KELLER, ("mr_small",)),
        (8, 1037, "1350", "Radiographie du thorax", _LAURENT, ("cr_chest",)),
        (17, 1079, "1535", "Echokardiographie", _KELLER, ("us_heart", "us_flow")),
        (5, 1121, "0925", "CT Head", _ITO, ("ct_head",)),
        (14, 1166, "1210", "Échocardiographie", _LAURENT, ("us_heart",)),
        (11, 1203, "1045", "MRI Shoulder Right", _BAKER, ("mr_shoulder",)),
        (9, 1258, "0855", "CT Schädel, Perfusion", _KELLER, ("ct_brain_maps",)),
        (2, 1302, "1640", "Chest X-ray", _BAKER, ("cr_chest",)),
        (15, 1366, "0735", "Röntgen Thorax p.a.", _KELLER, ("cr_chest",)),
        (20, 1413, "1125", "Röntgen Unterschenkel rechts", _KELLER, ("cr_leg",)),
        (7, 1490, "1500", "MR Kopf", _KELLER, ("mr_head",)),
        (10, 1577, "1005", "CT Spine", _ITO, ("ct_spine",)),
        (18, 1688, "0950", "IRM abdominale", _LAURENT, ("mr_abdomen",)),
        (4, 1809, "0815", "CT Abdomen", _KELLER, ("ct_abdomen",)),
        (13, 1961, "1330", "MRI Shoulder Left", _BAKER, ("mr_shoulder",)),
        (1, 2150, "0900", "Röntgen Thorax p.a.", _KELLER, ("cr_chest",)),
        (3, 2388, "1140", "Scanner cérébral", _LAURENT, ("ct_head",)),
        (9, 2611, "1410", "Knochenszintigraphie", _KELLER, ("nm_bone",)),
        (15, 2893, "0845", "CT LWS", _KELLER, ("ct_spine",)),
        (4, 3240, "1020", "Röntgen Thorax p.a.", _KELLER, ("cr_chest",)),
    )
)
