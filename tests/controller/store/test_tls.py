"""TLS to Postgres: who names a certificate authority gets the certificate and the name checked."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from controller.store import StoreUnavailableError
from controller.store.embedded import ROLE, SOCKET
from controller.store.postgres import Database, open_database

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl makes certificates")


async def test_a_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    authority, foreign = certificate(tmp_path, "ours"), certificate(tmp_path, "foreign")
    async with postgres_with(foreign) as (port, greeted):
        url = f"postgresql://u@localhost:{port}/d?sslrootcert={authority}.crt"
        assert "certificate verify failed" in await refusal(url)
        assert not greeted


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    authority = certificate(tmp_path, "ours", name="elsewhere")
    async with postgres_with(authority) as (port, greeted):
        url = f"postgresql://u@localhost:{port}/d?sslrootcert={authority}.crt"
        assert "Hostname mismatch" in await refusal(url)
        assert not greeted


@pytest.mark.parametrize("how", ["url", "environment"])
async def test_the_right_certificate_is_accepted(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = certificate(tmp_path, "ours")
    option = f"?sslrootcert={authority}.crt" if how == "url" else ""
    if how == "environment":
        monkeypatch.setenv("PGSSLROOTCERT", f"{authority}.crt")
    async with postgres_with(authority) as (port, greeted):
        await refusal(f"postgresql://u@localhost:{port}/d{option}")
        assert greeted


async def test_a_mode_that_is_named_is_kept(tmp_path: Path) -> None:
    authority = certificate(tmp_path, "ours", name="elsewhere")
    async with postgres_with(authority) as (port, greeted):
        url = f"postgresql://u@localhost:{port}/d?sslmode=verify-ca&sslrootcert={authority}.crt"
        await refusal(url)
        assert greeted


async def test_a_new_authority_is_trusted_without_a_restart(
    tmp_path: Path, fresh_database_url: str
) -> None:
    """The file of the authority and the server's certificate are replaced under an open pool."""
    first, second = certificate(tmp_path, "first"), certificate(tmp_path, "second")
    trusted = tmp_path / "trusted.crt"
    shutil.copy(f"{first}.crt", trusted)
    parts = urlsplit(fresh_database_url)
    context = context_of(first)
    async with in_front_of(Path(parse_qs(parts.query)["host"][0]) / SOCKET, context) as port:
        url = f"postgresql://{ROLE}@localhost:{port}{parts.path}?sslrootcert={trusted}"
        async with open_database(url, size=2) as database:
            assert await secure(database)
            context.load_cert_chain(f"{second}.crt", f"{second}.key")
            await database.expire()
            with pytest.raises(StoreUnavailableError, match="certificate verify failed"):
                await secure(database)
            shutil.copy(f"{second}.crt", trusted)
            assert await secure(database)


async def secure(database: Database) -> bool:
    """Whether a question is answered."""
    return await database.row("SELECT 1") is not None


async def refusal(url: str) -> str:
    """Why no connection is made: the server has nothing to say but its certificate."""
    async with open_database(url, size=1) as database:
        with pytest.raises(StoreUnavailableError) as caught:
            await database.fetch("SELECT 1")
    return str(caught.value)


@asynccontextmanager
async def postgres_with(certificate: Path) -> AsyncGenerator[tuple[int, list[bytes]]]:
    """A server that speaks Postgres's protocol until TLS is there: its port, and what clients that
    believed it have said."""
    context = context_of(certificate)
    greeted: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readexactly(8)  # SSLRequest
            writer.write(b"S")
            await writer.start_tls(context)
            greeted.append(await reader.readexactly(8))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "localhost", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], greeted


@asynccontextmanager
async def in_front_of(postgres: Path, context: ssl.SSLContext) -> AsyncGenerator[int]:
    """The port on which a server that has no TLS of its own is reached with TLS."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(OSError, asyncio.IncompleteReadError):
            await reader.readexactly(8)  # SSLRequest
            writer.write(b"S")
            await writer.start_tls(context)
            there, back = await asyncio.open_unix_connection(str(postgres))
            with closing(back):
                await asyncio.gather(pass_on(reader, back), pass_on(there, writer))

    async with await asyncio.start_server(serve, "localhost", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


def context_of(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{certificate}.crt", f"{certificate}.key")
    return context


def certificate(folder: Path, file: str, name: str = "localhost") -> Path:
    """A certificate that vouches for itself, and its key: the path without .crt and .key."""
    path = folder / file
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
         "-keyout", f"{path}.key", "-out", f"{path}.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    return path
