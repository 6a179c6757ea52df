"""Which files that come with pydicom are not taken in when all are sent in their order, and what is said instead.

Whatever is not named here is stored, and comes back byte for byte. What only contradicts a file before it is
taken in by an archive that has not seen that one: that is tried as well.
"""

from __future__ import annotations

from interop_transfers import NOT_OFFERED, Answer

ILLEGAL: Answer = (0xA900, "A UID is missing or illegal; kept aside")
UNREADABLE: Answer = (0xC000, "It cannot be read; kept aside")
CONTRADICTION: Answer = (0xC001, "It contradicts what is kept here; kept aside")
NO_CONTEXT: Answer = (NOT_OFFERED, "")
TAKEN: Answer = (0x0000, "")

# The answer, why, and to which files.
_WHY: tuple[tuple[Answer, str, tuple[str, ...]], ...] = (
    (
        NO_CONTEXT,
        "the directory of a medium is no object of the Storage service (PS3.4 Annex I): no context for it",
        (
            "dicomdirtests/DICOMDIR",
            "dicomdirtests/DICOMDIR-bigEnd",
            "dicomdirtests/DICOMDIR-empty.dcm",
            "dicomdirtests/DICOMDIR-implicit",
            "dicomdirtests/DICOMDIR-nooffset",
            "dicomdirtests/DICOMDIR-nopatient",
            "dicomdirtests/DICOMDIR-reordered",
            "dicomdirtests/TINY_ALPHA/DICOMDIR",
        ),
    ),
    (
        UNREADABLE,
        "cut off on purpose: in the pixels, in a sequence, before the last delimiter",
        ("MR_truncated.dcm", "rtplan_truncated.dcm", "emri_small_jpeg_2k_lossless_too_short.dcm"),
    ),
    (UNREADABLE, "no preamble, and its bytes were changed by a text editor", ("no_meta.dcm",)),
    (
        ILLEGAL,
        "no SOP Instance UID in the data set: pieces of objects, to show a trait of some writer",
        (
            "UN_sequence.dcm",
            "chrSQEncoding.dcm",
            "chrSQEncoding1.dcm",
            "empty_charset_LEI.dcm",
            "meta_missing_tsyntax.dcm",
            "nested_priv_SQ.dcm",
            "no_meta_group_length.dcm",
            "priv_SQ.dcm",
        ),
    ),
    (
        ILLEGAL,
        "images of no study and no series",
        (
            "JPEGLSNearLossless_08.dcm",
            "JPEGLSNearLossless_16.dcm",
            "SC_rgb_jls_lossy_line.dcm",
            "SC_rgb_jls_lossy_sample.dcm",
        ),
    ),
    (ILLEGAL, "its UIDs were replaced by hashes in hexadecimal", ("bad_sequence.dcm",)),
)

FAULTY: dict[str, Answer] = {name: answer for answer, _, names in _WHY for name in names}

# Under one SOP Instance UID: the file that comes first, and those after it that are something else, mostly the
# same image in another transfer syntax or with other pixels.
OTHER_CONTENT: dict[str, str] = {
    "ExplVR_BigEndNoMeta.dcm": "ExplVR_LitEndNoMeta.dcm",
    "JPEG2000-embedded-sequence-delimiter.dcm": "JPEG2000.dcm JPEG2000_UNC.dcm",
    "JPEG-lossy.dcm": "JPGExtended.dcm",
    "MR_small.dcm": "MR_small_RLE.dcm MR_small_bigendian.dcm MR_small_expb.dcm MR_small_implicit.dcm "
    "MR_small_jp2klossless.dcm MR_small_jpeg_ls_lossless.dcm MR_small_padded.dcm",
    "SC_rgb_jpeg.dcm": "SC_rgb_jpeg_dcmd.dcm",
    "SC_rgb_jpeg_gdcm.dcm": "SC_rgb_rle.dcm SC_rgb_rle_16bit.dcm SC_rgb_rle_16bit_2frame.dcm "
    "SC_rgb_rle_2frame.dcm SC_rgb_rle_32bit.dcm SC_rgb_rle_32bit_2frame.dcm SC_rgb.dcm SC_rgb_16bit.dcm "
    "SC_rgb_16bit_2frame.dcm SC_rgb_2frame.dcm SC_rgb_32bit.dcm SC_rgb_32bit_2frame.dcm SC_rgb_expb.dcm "
    "SC_rgb_expb_16bit.dcm SC_rgb_expb_16bit_2frame.dcm SC_rgb_expb_2frame.dcm SC_rgb_expb_32bit.dcm "
    "SC_rgb_expb_32bit_2frame.dcm",
    "SC_rgb_small_odd.dcm": "SC_rgb_small_odd_big_endian.dcm",
    "SC_rgb_dcmtk_+eb+cr.dcm": "SC_rgb_dcmtk_ebcr_dcmd.dcm",
    "SC_rgb_dcmtk_+eb+cy+n1.dcm": "SC_rgb_dcmtk_ebcyn1_dcmd.dcm",
    "SC_rgb_dcmtk_+eb+cy+n2.dcm": "SC_ybr_full_422_uncompressed.dcm SC_rgb_dcmtk_ebcyn2_dcmd.dcm "
    "SC_ybr_full_uncompressed.dcm",
    "SC_rgb_dcmtk_+eb+cy+np.dcm": "SC_rgb_dcmtk_ebcynp_dcmd.dcm",
    "SC_rgb_dcmtk_+eb+cy+s2.dcm": "SC_rgb_dcmtk_ebcys2_dcmd.dcm",
    "SC_rgb_dcmtk_+eb+cy+s4.dcm": "SC_rgb_dcmtk_ebcys4_dcmd.dcm",
    "SC_rgb_gdcm_KY.dcm": "SC_rgb_gdcm2k_uncompressed.dcm",
    "liver_1frame.dcm": "liver_expb_1frame.dcm liver.dcm liver_expb.dcm",
    "reportsi.dcm": "reportsi_with_empty_number_tags.dcm",
    "badVR.dcm": "rtdose.dcm rtdose_1frame.dcm rtdose_expb.dcm rtdose_expb_1frame.dcm rtdose_rle.dcm "
    "rtdose_rle_1frame.dcm",
    "chrFren.dcm": "chrFrenMulti.dcm",
    "chrJapMulti.dcm": "chrJapMultiExplicitIR6.dcm",
    "693_J2KI.dcm": "693_UNCI.dcm",
    "693_J2KR.dcm": "693_UNCR.dcm",
    "MR2_J2KI.dcm": "MR2_UNCI.dcm",
    "RG1_J2KI.dcm": "RG1_UNCI.dcm",
    "RG3_J2KI.dcm": "RG3_UNCI.dcm",
    "US1_J2KI.dcm": "US1_UNCI.dcm",
    "examples_palette.dcm": "OBXXXX1A.dcm OBXXXX1A_2frame.dcm OBXXXX1A_expb.dcm OBXXXX1A_expb_2frame.dcm "
    "OBXXXX1A_rle.dcm OBXXXX1A_rle_2frame.dcm",
    "examples_ybr_color.dcm": "color3d_jpeg_baseline.dcm",
    "color-pl.dcm": "color-px.dcm",
    "emri_small.dcm": "emri_small_RLE.dcm emri_small_big_endian.dcm emri_small_jpeg_2k_lossless.dcm "
    "emri_small_jpeg_ls_lossless.dcm",
    "gdcm-US-ALOKA-16.dcm": "gdcm-US-ALOKA-16_big.dcm",
}

# The very data set of the file named first, under another name.
SAME_CONTENT: dict[str, str] = {
    "SC_jpeg_no_color_transform_2.dcm": "SC_rgb_jpeg_app14_dcmd.dcm",
    "examples_jpeg2k.dcm": "US1_J2KR.dcm",
}

LATER: dict[str, Answer] = {
    name: answer
    for table, answer in ((OTHER_CONTENT, CONTRADICTION), (SAME_CONTENT, TAKEN))
    for names in table.values()
    for name in names.split()
}
