import email.policy
from email.parser import BytesParser

from hypothesis import given
from hypothesis import strategies as st

from leadglass.web.multipart import Part, content_type, new_boundary, write


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
