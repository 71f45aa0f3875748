"""Between us and a real API server: answers that are lost, late, refused, or no answers at all."""

import asyncio
import subprocess
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.kubernetes import program
from tests.ports import free_port

Judge = Callable[[str, str], bytes | None]
"""(method, path and query of a request) → what is answered in the server's place; None = it
passes."""
SILENCE = b""
"""An answer that never comes."""


@dataclass
class Proxy:
    """`judge` decides on each request, once it was held; `asked` has them all. `loses` names
    requests whose answers are lost."""

    port: int = 0
    judge: Judge = lambda method, path: None
    loses: Callable[[str, str], bool] = lambda method, path: False
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    """By path: requests are answered once it is set."""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def kubeconfig(self, folder: Path) -> Path:
        """A file that leads here."""
        config = folder / "kubeconfig"
        config.write_text(
            f"""
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{self.port}"}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
users: [{{name: u, user: {{}}}}]
current-context: c
"""
        )
        return config


@contextmanager
def plain_api() -> Iterator[int]:
    """The API without TLS, on a port of this machine."""
    port = free_port()
    proxy = subprocess.Popen(
        [program(), "kubectl", "proxy", "--port", str(port)], stdout=subprocess.PIPE
    )
    try:
        assert proxy.stdout is not None
        assert b"Starting to serve" in proxy.stdout.readline()
        yield port
    finally:
        proxy.kill()
        proxy.wait()
        assert proxy.stdout is not None
        proxy.stdout.close()


@asynccontextmanager
async def proxied(upstream: int) -> AsyncGenerator[Proxy]:
    """Serve until it is left; each request of a connection is judged by its first line."""
    proxy = Proxy()
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        task.add_done_callback(serving.discard)
        with closing(writer), suppress(OSError):
            await _Connection(
                proxy, reader, writer, *await asyncio.open_connection("127.0.0.1", upstream)
            ).serve()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await asyncio.sleep(0)  # what was accepted just now is served, too
        if serving:  # else sockets would be left when the event loop goes
            await asyncio.wait(serving, timeout=1)


@dataclass
class _Connection:
    """`fate`: what becomes of the server's bytes from now on: passed, lost (and the connection with
    them), or kept."""

    proxy: Proxy
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    there: asyncio.StreamReader
    onward: asyncio.StreamWriter
    fate: str = "passed"

    async def serve(self) -> None:
        back = asyncio.get_running_loop().create_task(self._back())
        try:
            await self._forth()
        finally:
            back.cancel()
            self.onward.close()
            self.writer.close()

    async def _forth(self) -> None:
        while data := await self.reader.read(65536):
            words = data.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            if len(words) == 3 and words[2].startswith("HTTP/"):
                if held := self.proxy.held.get(words[1].partition("?")[0]):
                    await held.wait()
                answer = self._judged(words[0], words[1])
                if answer is not None:
                    self.writer.write(answer)
                    await self.writer.drain()
                    return
            self.onward.write(data)
            await self.onward.drain()

    def _judged(self, method: str, path: str) -> bytes | None:
        self.proxy.asked.append((method, path))
        answer = self.proxy.judge(method, path)
        if self.proxy.loses(method, path):
            self.fate = "lost"
        elif answer == SILENCE:
            self.fate = "kept"
        return answer or None

    async def _back(self) -> None:
        with suppress(OSError):
            while data := await self.there.read(65536):
                if self.fate == "passed":
                    self.writer.write(data)
                    await self.writer.drain()
                elif self.fate == "lost":
                    break
            self.writer.close()


@contextmanager
def leading_to(proxy: Proxy, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is opened meanwhile goes through the proxy."""
    with monkeypatch.context() as patched:
        place = "kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
        patched.setattr(place, str(proxy.kubeconfig(folder)))
        yield
