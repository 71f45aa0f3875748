"""The client of the API server leaves nothing behind."""

import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from controller.cluster.kubernetes.api import open_api

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl makes certificates")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"


def certificate(folder: Path) -> Path:
    """The path, without its ends, of a key and a certificate of 127.0.0.1."""
    path = folder / "server"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", f"{path}.key", "-out", f"{path}.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


@contextmanager
def slow_server(path: Path) -> Iterator[int]:
    """The port of a server that never ends its answer, and is slow to hang up."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{path}.crt", f"{path}.key")

    def serve(plain: socket.socket) -> None:
        with plain.accept()[0] as met, context.wrap_socket(met, server_side=True) as one:
            one.recv(10_000)
            one.sendall(ANSWER)
            time.sleep(0.5)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(20)
        serving = threading.Thread(target=serve, args=(listening,))
        serving.start()
        yield listening.getsockname()[1]
        serving.join()


async def test_a_stream_that_was_left_leaves_no_connection_when_the_client_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(tmp_path)
    with slow_server(path) as port:
        cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": f"{path}.crt"}
        config = {
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        (tmp_path / "config").write_text(json.dumps(config))
        place = "kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
        monkeypatch.setattr(place, str(tmp_path / "config"))
        async with open_api() as api:
            chunks = api.chunks("/api", silence=20)
            assert await anext(chunks) == b"{"
            await chunks.aclose()
        ours = [one for one in psutil.Process().net_connections() if one.raddr]
        assert not [one for one in ours if one.raddr.port == port]
