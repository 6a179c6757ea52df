"""Which presentation contexts to propose before anybody knows what is to be sent.

A C-GET is answered on contexts that the requestor proposed (PS3.4 C.5.3): what has none fails. There are more
SOP classes than numbers for contexts, each in many transfer syntaxes, and an archive says beforehand what it
holds only if it likes. So the likely ones go first, each syntax on a context of its own, so that objects come
as they are stored; what failed is tried again with others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from leadglass.dicom.dictionary import TRANSFER_SYNTAXES
from leadglass.dicom.registries import UID_dictionary
from leadglass.dimse.sop_classes import NON_PATIENT, RETIRED, STORAGE
from leadglass.transfer.association import Proposal
from leadglass.ul.pdu import MOST_CONTEXTS

ROOM: Final = MOST_CONTEXTS - 1  # one is for the C-GET itself
LONGEST: Final = 48_000  # bytes of contexts in one A-ASSOCIATE-RQ

Kinds = Mapping[
    str, frozenset[str]
]  # SOP classes and the transfer syntaxes they are stored in, () if unknown

UNCOMPRESSED: Final = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2")
_JPEG: Final = "1.2.840.10008.1.2.4."
COMPRESSED: Final = (
    *(_JPEG + last for last in ("90", "91", "70", "57", "50", "51", "80", "81")),
    "1.2.840.10008.1.2.5",
)  # each common enough to be worth a context of its own
RARE: Final = tuple(
    uid
    for uid, syntax in TRANSFER_SYNTAXES.items()
    if (syntax.encapsulated or syntax.deflated) and uid not in COMPRESSED and "JPIP" not in syntax.name
)

_WORDS: Final = {row[4]: uid for uid, row in UID_dictionary.items() if row[1] == "SOP Class" and row[4]}


def _classes(words: str) -> tuple[str, ...]:
    return tuple(_WORDS.get(f"{word}Storage") or _WORDS[word] for word in words.split())


_SR: Final = "BasicTextSR EnhancedSR ComprehensiveSR Comprehensive3DSR KeyObjectSelectionDocument"
_ANYWHERE: Final = "SecondaryCaptureImage GrayscaleSoftcopyPresentationState EncapsulatedPDF"

# What a series of that modality (0008,0060) is made of, the most likely first.
BY_MODALITY: Final[Mapping[str, tuple[str, ...]]] = {
    modality: _classes(words)
    for modality, words in {
        "AU": "BasicVoiceAudioWaveform GeneralAudioWaveform",
        "CR": "ComputedRadiographyImage DigitalXRayImageStorageForPresentation",
        "CT": "CTImage EnhancedCTImage LegacyConvertedEnhancedCTImage SecondaryCaptureImage",
        "DOC": "EncapsulatedPDF EncapsulatedCDA",
        "DX": "DigitalXRayImageStorageForPresentation DigitalXRayImageStorageForProcessing "
        "ComputedRadiographyImage",
        "ECG": "TwelveLeadECGWaveform GeneralECGWaveform AmbulatoryECGWaveform EncapsulatedPDF",
        "ES": "VLEndoscopicImage VideoEndoscopicImage VLPhotographicImage",
        "HD": "HemodynamicWaveform",
        "IO": "DigitalIntraOralXRayImageStorageForPresentation DigitalIntraOralXRayImageStorageForProcessing",
        "IVUS": "UltrasoundMultiFrameImage UltrasoundImage",
        "KO": "KeyObjectSelectionDocument",
        "MG": "DigitalMammographyXRayImageStorageForPresentation BreastTomosynthesisImage "
        "DigitalMammographyXRayImageStorageForProcessing SecondaryCaptureImage",
        "MR": "MRImage EnhancedMRImage MRSpectroscopy EnhancedMRColorImage LegacyConvertedEnhancedMRImage "
        "SecondaryCaptureImage",
        "NM": "NuclearMedicineImage SecondaryCaptureImage",
        "OP": "OphthalmicPhotography8BitImage OphthalmicPhotography16BitImage",
        "OPT": "OphthalmicTomographyImage",
        "OT": "SecondaryCaptureImage MultiFrameTrueColorSecondaryCaptureImage "
        "MultiFrameGrayscaleByteSecondaryCaptureImage MultiFrameGrayscaleWordSecondaryCaptureImage",
        "PR": "GrayscaleSoftcopyPresentationState ColorSoftcopyPresentationState "
        "BlendingSoftcopyPresentationState",
        "PT": "PositronEmissionTomographyImage EnhancedPETImage SecondaryCaptureImage",
        "PX": "DigitalXRayImageStorageForPresentation ComputedRadiographyImage",
        "REG": "SpatialRegistration DeformableSpatialRegistration",
        "RF": "XRayRadiofluoroscopicImage EnhancedXRFImage XRayAngiographicImage",
        "RTDOSE": "RTDose",
        "RTIMAGE": "RTImage",
        "RTPLAN": "RTPlan RTIonPlan",
        "RTRECORD": "RTBeamsTreatmentRecord RTTreatmentSummaryRecord",
        "RTSTRUCT": "RTStructureSet",
        "SC": "SecondaryCaptureImage",
        "SEG": "Segmentation SurfaceSegmentation",
        "SM": "VLWholeSlideMicroscopyImage",
        "SR": f"{_SR} XRayRadiationDoseSR MammographyCADSR",
        "US": "UltrasoundImage UltrasoundMultiFrameImage EnhancedUSVolume SecondaryCaptureImage",
        "XA": "XRayAngiographicImage EnhancedXAImage XRayRadiofluoroscopicImage",
        "XC": "VLPhotographicImage VideoPhotographicImage",
    }.items()
}  # fmt: skip

_ELSEWHERE: Final = ("1.2.840.10008.5.1.4.1.1.501.", "1.2.840.10008.5.1.4.1.1.601.")  # DICOS, DICONDE


def likely(modalities: Iterable[str]) -> tuple[str, ...]:
    """SOP classes of a study with series of these modalities, the most likely first."""
    first = [uid for modality in modalities for uid in BY_MODALITY.get(modality, ())]
    return tuple(dict.fromkeys((*first, *_classes(_ANYWHERE))))


def all_classes() -> tuple[str, ...]:
    """Every storage SOP class that images of patients have, the common ones first."""
    common = [uid for uids in BY_MODALITY.values() for uid in uids]
    rest = [uid for uid in STORAGE if uid not in RETIRED | NON_PATIENT and not uid.startswith(_ELSEWHERE)]
    return tuple(dict.fromkeys((*common, *_classes(_SR), *rest, *RETIRED)))


def rounds(kinds: Kinds, modalities: Sequence[str]) -> Iterator[list[Proposal]]:
    """Contexts for one association after another, to go on with as long as something failed. Nothing is
    proposed twice, so that nothing is sent twice."""
    done: set[tuple[str, str]] = set()
    for contexts in _rounds(kinds, modalities):
        fresh: list[Proposal] = []
        for uid, syntaxes in contexts:
            left = tuple(syntax for syntax in syntaxes if (uid, syntax) not in done)
            if left:
                fresh.append((uid, left))
            done.update((uid, syntax) for syntax in left)
        yield from _fitting(fresh)


def _fitting(contexts: list[Proposal]) -> Iterator[list[Proposal]]:
    """In requests that are not longer than what others take."""
    part: list[Proposal] = []
    size = 0
    for abstract, syntaxes in contexts:
        # PS3.8 Tables 9-13 to 9-15, and PS3.7 Table D.3-9 for the role.
        needed = 8 + 2 * (4 + len(abstract)) + 4 + sum(4 + len(syntax) for syntax in syntaxes)
        if part and size + needed > LONGEST:
            yield part
            part, size = [], 0
        part.append((abstract, syntaxes))
        size += needed
    if part:
        yield part


def _rounds(kinds: Kinds, modalities: Sequence[str]) -> Iterator[list[Proposal]]:
    everything = all_classes()
    yield from _first(dict(kinds) or dict.fromkeys(likely(modalities), frozenset()))
    for at in range(0, len(everything), ROOM):
        yield [(uid, UNCOMPRESSED) for uid in everything[at : at + ROOM]]
    for syntaxes in (*((uid,) for uid in COMPRESSED), RARE):
        yield [(uid, syntaxes) for uid in everything[:ROOM]]


def _first(wanted: Mapping[str, frozenset[str]]) -> Iterator[list[Proposal]]:
    """Each of these SOP classes in each of its syntaxes; what is left of the room is for other classes."""
    contexts: list[Proposal] = []
    mine: list[Proposal]
    for uid, stored in wanted.items():
        compressed = sorted(stored - set(UNCOMPRESSED)) if stored else COMPRESSED
        mine = [(uid, _uncompressed(stored)), *((uid, (one,)) for one in compressed)]
        if len(contexts) + len(mine) > ROOM:
            yield contexts
            contexts = []
        contexts += mine
    others = (uid for uid in all_classes() if uid not in wanted)
    yield [*contexts, *((uid, UNCOMPRESSED) for uid in islice(others, ROOM - len(contexts)))]


def _uncompressed(stored: frozenset[str]) -> tuple[str, ...]:
    """The one it is stored in goes first: whoever accepts takes the first it knows."""
    return tuple(sorted(UNCOMPRESSED, key=lambda uid: uid not in stored))
