"""Helpers beside the tests have names of their own."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("steady", deadline=None)  # a busy machine is no failure
settings.load_profile("steady")

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "net"))
sys.path.insert(0, str(Path(__file__).parents[1] / "interop"))
pytest.register_assert_rewrite("servers", "strangers", "certificates", "raw_peer", "interop_programs")


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key, made for this run."""
    import certificates

    folder = tmp_path_factory.mktemp("tls")
    return certificates.write(folder)


@pytest.fixture
def tls_server(tls_files: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*tls_files)
    return context
