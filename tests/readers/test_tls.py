"""Servers with TLS: whom to trust, and one clear line where it fails."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from otlp_text import TRACE, line, span
from refusals import refusal
from trace_server import Reply, TraceServer, serving_traces

from otel_agentprof.readers import read_spans

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATH = f"/api/v3/traces/{TRACE}"
ANSWER = Reply(line(span(1)))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that is its own CA; return its file, and that with the key too."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "ca.pem").write_bytes(public)
    (folder / "both.pem").write_bytes(public + private)
    return folder / "ca.pem", folder / "both.pem"


@pytest.fixture
def tls_server(certificates: tuple[Path, Path]) -> Iterator[TraceServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates[1])
    with serving_traces(context) as server:
        server.pages[PATH] = ANSWER
        yield server


@pytest.mark.parametrize("variable", ["OTEL_AGENTPROF_READ_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"])
def test_a_server_with_a_ca_of_its_own_is_read(
    tls_server: TraceServer, certificates: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(certificates[0]))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", tls_server.url)

    assert len(read_spans(tls_server.address).spans) == 1


def test_a_certificate_that_cannot_be_verified_is_told(tls_server: TraceServer) -> None:
    text = refusal(tls_server.address)

    assert text.startswith(
        f"{tls_server.url}: its certificate cannot be verified (self-signed certificate); name"
    )
    assert text.endswith("OTEL_AGENTPROF_READ_CERTIFICATE")
    assert tls_server.requests == []


def test_https_where_there_is_http_is_told() -> None:
    with serving_traces() as server:
        text = refusal(f"jaeger+https://{server.host}/{TRACE}")

    assert text == f"https://{server.host}: there is no TLS there; is it http, not https?"


def test_a_handshake_that_fails_is_told(certificates: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates[1])
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("NULL@SECLEVEL=0")
    with serving_traces(context) as server:
        assert refusal(server.address).startswith(f"{server.url}: TLS failed: ")


def test_a_ca_file_that_is_none_is_told(
    tls_server: TraceServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OTEL_AGENTPROF_READ_CERTIFICATE", str(tmp_path / "none.pem"))

    assert "cannot be read: No such file or directory" in refusal(tls_server.address)
