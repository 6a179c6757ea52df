import email.policy
from email.parser import BytesParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.errors import LimitExceeded, Violation
from leadglass.web.multipart import Part, Reader, content_type, new_boundary, write


def parsed(body: bytes, header: str) -> list[bytes]:
    """By the standard library's MIME parser, which knows nothing of ours."""
    message = BytesParser(policy=email.policy.HTTP).parsebytes(
        b"Content-Type: " + header.encode() + b"\r\n\r\n" + body
    )
    assert message.is_multipart()
    assert not message.defects
    return [part.get_payload(decode=True) for part in message.iter_parts()]


@given(st.lists(st.lists(st.binary(max_size=50), max_size=4), min_size=1, max_size=4))
def test_parts_come_back_byte_for_byte(contents):
    boundary = new_boundary()
    parts = (Part("application/octet-stream", iter(chunks), sum(map(len, chunks))) for chunks in contents)
    body = b"".join(write(parts, boundary))
    wanted = [b"".join(chunks) for chunks in contents]
    delimiter = b"--" + boundary.encode()
    pieces = body.split(delimiter)
    assert pieces[0] == b""
    assert pieces[-1] == b"--\r\n"
    assert [piece.split(b"\r\n\r\n", 1)[1][:-2] for piece in pieces[1:-1]] == wanted


def test_a_mime_parser_reads_it():
    boundary = new_boundary()
    body = b"".join(
        write([Part("application/dicom", [b"one"]), Part("application/dicom", [b"two"])], boundary)
    )
    assert parsed(body, content_type(boundary, "application/dicom")) == [b"one", b"two"]


def test_the_type_parameter_is_there_and_quoted():
    assert (
        content_type("b", "application/dicom") == 'multipart/related; type="application/dicom"; boundary="b"'
    )


def test_boundaries_do_not_repeat_and_fit_the_grammar():
    boundaries = {new_boundary() for _ in range(100)}
    assert len(boundaries) == 100
    assert all(len(boundary) <= 70 for boundary in boundaries)  # RFC 2046 5.1.1


def test_nothing_is_read_before_it_is_written():
    pulled = []

    def chunks():
        pulled.append(1)
        yield b"x"

    stream = write([Part("a/b", chunks())], "b")
    next(stream)
    assert not pulled
    next(stream)
    assert pulled


# --- reading ---------------------------------------------------------------------------------------------


class Taken:
    """A sink that keeps what it is given."""

    def __init__(self):
        self.parts = []
        self.open = False

    def begin(self):
        assert not self.open
        self.open = True
        self.parts.append(b"")

    def write(self, piece):
        assert self.open
        self.parts[-1] += piece

    def end(self):
        assert self.open
        self.open = False


def read(body: bytes, boundary: str = "b", chunk: int = 1 << 20, most: int = 100) -> list[bytes]:
    taken = Taken()
    reader = Reader(boundary, taken, most)
    for at in range(0, len(body), chunk):
        reader.feed(body[at : at + chunk])
    reader.close()
    return taken.parts


@given(
    st.lists(
        st.one_of(st.binary(max_size=50), st.sampled_from([b"\r\n--b", b"\r\n--", b"\r", b"--b--"])),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 40),
)
def test_what_is_written_is_read_in_whatever_pieces_it_comes(contents, chunk):
    boundary = new_boundary()
    body = b"".join(write([Part("a/b", [content]) for content in contents], boundary))
    assert read(body, boundary, chunk) == contents


@pytest.mark.parametrize("chunk", [1, 3, 1000])
@pytest.mark.parametrize(
    "body",
    [
        b"--b\r\nA: b\r\n\r\nx\r\n--b--",
        b"\r\n--b\r\nA: b\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\n\r\nx\r\n--b--epilogue \r\n--b\r\n\r\ny",
        b'--b\r\nContent-Disposition: form-data; name=f; filename="ROTH^ANNA.dcm"\r\n\r\nx\r\n--b--',
    ],
)
def test_as_others_write_it(body, chunk):
    assert read(body, chunk=chunk) == [b"x"]


@pytest.mark.parametrize("chunk", [1, 1000])
@pytest.mark.parametrize(
    "body",
    [
        b"", b"x", b"--b--", b"\r\n--b--\r\n", b"preamble\r\n--b\r\n\r\nx\r\n--b--", b"--c\r\n\r\nx\r\n--c--", b"--b\r\n\r\nx", b"--b\r\n\r\nx\r\n--b", b"--b\r\n\r\nx\r\n--b\r\n",
        b"--b\r\nno colon\r\n\r\nx\r\n--b--", b"--b\r\n: x\r\n\r\nx\r\n--b--", b"--b\r\nA: " + b"x" * 1025 + b"\r\n\r\n\r\n--b--",
        b"--b\r\n" + b"A: b\r\n" * 17 + b"\r\nx\r\n--b--",
    ],
)  # fmt: skip
def test_what_is_no_multipart(body, chunk, capfd, caplog):
    with pytest.raises(Violation) as caught:
        read(body, chunk=chunk)
    assert caught.value.code == "multipart"
    assert caplog.text == "" and capfd.readouterr().err == ""


@pytest.mark.parametrize("boundary", ["", "x" * 71, "a\r\nb", "ä"])
def test_what_is_no_boundary(boundary):
    with pytest.raises(Violation):
        Reader(boundary, Taken(), 1)


def test_no_more_parts_than_are_wanted():
    body = b"".join(write([Part("a/b", [b"x"])] * 3, "b"))
    assert len(read(body, most=3)) == 3
    with pytest.raises(LimitExceeded):
        read(body, most=2)


def test_a_part_goes_on_as_it_comes():
    taken = Taken()
    reader = Reader("b", taken, 1)
    reader.feed(b"--b\r\n\r\n" + b"x" * 10_000)
    assert len(taken.parts[0]) > 9_900
