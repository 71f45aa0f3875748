"""What the API server and we know each other by is replaced while we run: the token, and the
authority of its certificate."""

import asyncio
import datetime
import shutil
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import pytest
from kubernetes_asyncio.config import incluster_config

from controller.cluster.kubernetes.api import Api, open_api
from controller.cluster.kubernetes.api_errors import ApiError, ApiUnavailableError
from tests.controller.cluster.kubernetes.recorded_api import said
from tests.controller.cluster.kubernetes.test_api import certificate
from tests.eventually import eventually_async

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl makes certificates")
UNAUTHORIZED = said({"kind": "Status", "code": 401, "message": "expired"}, "401 Unauthorized")


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a pod has its token and its authority."""
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setattr(incluster_config, "TOKEN_REFRESH_PERIOD", datetime.timedelta(seconds=0.2))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    (tmp_path / "token").write_text("first")
    return tmp_path


async def test_a_new_token_is_used_without_a_restart(
    account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = made(account, "first")
    shutil.copy(f"{authority}.crt", account / "ca.crt")
    async with Server.serving(authority) as server:
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
        async with open_api() as api:
            assert await api.get("/api") == {}
            server.token = "second"
            assert not await answers(api)
            (account / "token").write_text("")  # it is being written
            assert not await answers(api)
            (account / "token").write_text("second")
            await eventually_async(lambda: answers(api))


async def test_a_new_authority_is_trusted_without_a_restart(
    account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = made(account, "first"), made(account, "second")
    shutil.copy(f"{first}.crt", account / "ca.crt")
    async with Server.serving(first) as server:
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
        async with open_api() as api:
            assert await api.get("/api") == {}
            server.context.load_cert_chain(f"{second}.crt", f"{second}.key")
            for _ in range(2):  # a server that nobody vouches for stays refused
                with pytest.raises(ApiUnavailableError, match="certificate verify failed"):
                    await api.get("/api")
            (account / "ca.crt").write_text("")  # it is being written
            assert not await answers(api)
            shutil.copy(f"{second}.crt", account / "ca.crt")
            await eventually_async(lambda: answers(api))
            chunks = api.chunks("/api", silence=5)
            with suppress(ApiUnavailableError):  # streams have a context of their own
                await anext(chunks)
            assert await anext(api.chunks("/api", silence=5)) == b"{}"


def made(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return certificate(folder / name)


async def answers(api: Api) -> bool:
    try:
        return await api.get("/api") == {}
    except ApiError:
        return False


class Server:
    """It answers whoever shows its token, once a connection."""

    def __init__(self, certificate: Path) -> None:
        self.token, self.port = "first", 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(f"{certificate}.crt", f"{certificate}.key")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(OSError, asyncio.IncompleteReadError):
            asked = await reader.readuntil(b"\r\n\r\n")
            known = f"Bearer {self.token}\r\n".encode() in asked
            writer.write(said({}) if known else UNAUTHORIZED)
            await writer.drain()

    @staticmethod
    @asynccontextmanager
    async def serving(certificate: Path) -> AsyncGenerator["Server"]:
        served = Server(certificate)
        async with await asyncio.start_server(
            served._serve, "127.0.0.1", 0, ssl=served.context
        ) as listening:
            served.port = listening.sockets[0].getsockname()[1]
            yield served
