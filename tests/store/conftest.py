from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import tink
from tink import secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

from leadglass.store.sealed import SEGMENT, SealedReader, SealingWriter

KEY_TYPE = "type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey"


class KeptBytes(io.BytesIO):
    """Tink closes what it writes to; the bytes are wanted after that."""

    kept = b""

    def close(self) -> None:
        if not self.closed:
            self.kept = self.getvalue()
        super().close()


class Tink:
    """Google's implementation with our parameters: the oracle of the format."""

    def __init__(self, key: bytes) -> None:
        streaming_aead.register()
        proto = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(version=0, key_value=key)
        proto.params.ciphertext_segment_size = SEGMENT
        proto.params.derived_key_size = 32
        proto.params.hkdf_hash_type = common_pb2.SHA256
        keyset = tink_pb2.Keyset(primary_key_id=1)
        entry = keyset.key.add(status=tink_pb2.ENABLED, key_id=1, output_prefix_type=tink_pb2.RAW)
        entry.key_data.type_url = KEY_TYPE
        entry.key_data.value = proto.SerializeToString()
        entry.key_data.key_material_type = tink_pb2.KeyData.SYMMETRIC
        handle = tink.proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
        self._primitive = handle.primitive(streaming_aead.StreamingAead)

    def seal(self, plain: bytes, associated_data: bytes) -> bytes:
        target = KeptBytes()
        with self._primitive.new_encrypting_stream(target, associated_data) as stream:
            stream.write(plain)
        return target.kept

    def open(self, sealed: bytes, associated_data: bytes) -> bytes:
        with self._primitive.new_decrypting_stream(io.BytesIO(sealed), associated_data) as stream:
            return bytes(stream.read())


class Ours:
    """Our writer and reader over bytes in memory."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, plain: bytes, associated_data: bytes, step: int | None = None) -> bytes:
        out = bytearray()
        writer = SealingWriter(out.extend, self._key, associated_data)
        for start in range(0, len(plain), step or len(plain) or 1):
            writer.write(plain[start : start + (step or len(plain))])
        writer.finish()
        assert (writer.plain_size, writer.sealed_size) == (len(plain), len(out))
        return bytes(out)

    def reader(self, sealed: bytes, associated_data: bytes) -> SealedReader:
        return SealedReader(lambda at, size: sealed[at : at + size], len(sealed), self._key, associated_data)

    def open(self, sealed: bytes, associated_data: bytes) -> bytes:
        return b"".join(self.reader(sealed, associated_data).chunks())


@pytest.fixture(scope="session")
def tink_with() -> Callable[[bytes], Tink]:
    return Tink


@pytest.fixture(scope="session")
def ours_with() -> Callable[[bytes], Ours]:
    return Ours
