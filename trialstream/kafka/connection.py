"""Reaching the brokers: who we are to them, what their errors mean for the caller, and ends that do
not hang."""

import asyncio
import logging
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import errors
from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import AIOKafkaConnection, create_conn

from trialstream.errors import BusRefusedError, BusUnavailableError
from trialstream.kafka.settings import KafkaSettings
from trialstream.kafka.wire import DescribeTopics

CONNECT_SECONDS = 8.0
"""For all addresses together."""
ANSWER_SECONDS = 5.0
REQUEST_MS = 10_000
START_SECONDS = 10.0
STOP_SECONDS = 1.0
QUIET_SECONDS = 10.0
"""A line of aiokafka's log is not repeated within so long: without a broker it writes 25 a
second."""
CLIENT = "trialstream"

_CREDENTIALS = (
    errors.AuthenticationFailedError,
    errors.AuthenticationMethodNotSupported,
    errors.SaslAuthenticationFailed,
    errors.UnsupportedSaslMechanismError,
    errors.IllegalSaslStateError,
)
_PERMISSIONS = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
)


class _TokenFile(AbstractTokenProvider):
    """The token is read anew each time: whoever renews it writes the file."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    async def token(self) -> str:
        return (await asyncio.to_thread(self._path.read_text)).strip()


def security(settings: KafkaSettings) -> dict[str, Any]:
    """How aiokafka's clients and connections authenticate. Raises BusRefusedError for a file that
    cannot be used."""
    named: dict[str, Any] = {"security_protocol": settings.security}
    if settings.security.endswith("SSL"):
        named["ssl_context"] = _tls(settings)
    if settings.security.startswith("SASL"):
        named["sasl_mechanism"] = settings.mechanism
        if settings.mechanism == "OAUTHBEARER":
            named["sasl_oauth_token_provider"] = _TokenFile(settings.token_file)
        else:
            named |= {
                "sasl_plain_username": settings.user,
                "sasl_plain_password": settings.password,
            }
    return named


def _tls(settings: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        if settings.certificate_file:
            context.load_cert_chain(settings.certificate_file, settings.key_file or None)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(
            filter(None, (settings.ca_file, settings.certificate_file, settings.key_file))
        )
        raise BusRefusedError(f"the TLS files of Kafka ({files}) cannot be used: {error}") from None
    return context


async def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """What every aiokafka client of ours is given: the address that answers, which leads it to all
    brokers. By itself it would give all its time to one that hangs, and not say why none answers.
    Raises BusUnavailableError or BusRefusedError.
    """
    connection = await connect(settings)
    connection.close()
    return {
        "bootstrap_servers": f"{connection.host}:{connection.port}",
        "client_id": CLIENT,
        "request_timeout_ms": REQUEST_MS,
        **security(settings),
    }


async def connect(settings: KafkaSettings, avoid: str = "") -> AIOKafkaConnection:
    """A connection to the first address that answers; `avoid` is tried last.

    Raises BusUnavailableError or BusRefusedError with the reason.
    """
    reasons: list[str] = []
    seconds = CONNECT_SECONDS / len(settings.addresses)
    for address in sorted(settings.addresses, key=lambda one: one == avoid):
        host, _, port = address.rpartition(":")
        try:
            async with asyncio.timeout(seconds):
                return await _greeted(settings, host, int(port))
        except _CREDENTIALS as error:
            who = f"{settings.user or 'us'} ({settings.security}, {settings.mechanism})"
            raise BusRefusedError(
                f"Kafka at {address} refuses {who}: {error}; "
                "see TRIALSTREAM_KAFKA_USER, _PASSWORD, _MECHANISM and _SECURITY"
            ) from None
        except ssl.SSLCertVerificationError as error:
            raise BusRefusedError(
                f"the certificate of Kafka at {address} is not trusted: {error}"
            ) from None
        except TimeoutError:
            reasons.append(f"{address}: no answer within {seconds:.1f} s")
        except (OSError, errors.KafkaError) as error:
            reasons.append(f"{address}: {error or type(error).__name__}")
    raise BusUnavailableError(
        f"Kafka does not answer ({'; '.join(reasons)}); is TRIALSTREAM_KAFKA right, and is it "
        "running?"
    )


async def _greeted(settings: KafkaSettings, host: str, port: int) -> AIOKafkaConnection:
    """A connection that has answered once: a broker that hangs accepts connections, too."""
    connection = await create_conn(
        host, port, client_id=CLIENT, request_timeout_ms=REQUEST_MS, **security(settings)
    )  # fmt: skip
    try:
        await connection.send(DescribeTopics([]))
    except BaseException as error:
        connection.close()
        if isinstance(error, errors.KafkaConnectionError) and settings.security == "PLAINTEXT":
            raise errors.KafkaConnectionError(
                "it hangs up on us; if it wants TLS or a password, see TRIALSTREAM_KAFKA_SECURITY"
            ) from error
        raise
    return connection


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the broker describes it; no partitions = it does not exist."""

    log_id: str
    partitions: int


class BrokerProbe:
    """One connection of our own: does the broker answer, and are the topics still those that they
    were?"""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._connection: AIOKafkaConnection | None = None
        self._asking = asyncio.Lock()
        self._avoid = ""
        self.last = 0.0
        """When the broker answered last, by the monotonic clock."""

    async def describe(self, names: Sequence[str]) -> dict[str, Topic]:
        """The topics by name. Raises BusUnavailableError, or BusRefusedError if one may not be
        seen."""
        async with self._asking:
            if self._connection is None or not self._connection.connected():
                self._connection = await connect(self._settings, self._avoid)
            try:
                with translated("describe topics"):
                    async with asyncio.timeout(ANSWER_SECONDS):
                        answer = await self._connection.send(DescribeTopics(list(names)))
            except BaseException:
                self._avoid = f"{self._connection.host}:{self._connection.port}"
                self.close()
                raise
        self.last = time.monotonic()
        return dict(_described(answer))

    async def topic(self, name: str) -> Topic:
        """One topic, which must be there. Raises BusUnavailableError or BusRefusedError."""
        found = (await self.describe([name]))[name]
        if not found.partitions:
            raise BusRefusedError(
                f"Kafka has no topic {name}; make it with: trialstream topics create"
            )
        return found

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


async def find(settings: KafkaSettings, name: str) -> Topic:
    """One topic alone: whoever may see only this needs no more. Raises BusUnavailableError or
    BusRefusedError."""
    contact = BrokerProbe(settings)
    try:
        return await contact.topic(name)
    finally:
        contact.close()


def _described(answer: Any) -> Iterator[tuple[str, Topic]]:
    for code, name, number, _, partitions, *_ in answer.topics:
        if code == errors.TopicAuthorizationFailedError.errno:
            raise BusRefusedError(
                f"Kafka does not let us see the topic {name}; grant Describe on it"
            )
        yield name, Topic(f"{answer.cluster_id}/{number}", len(partitions) if code == 0 else 0)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn aiokafka's errors into the bus's own."""
    try:
        yield
    except _CREDENTIALS as error:
        raise BusRefusedError(f"Kafka refuses our credentials: {error}") from error
    except (
        errors.ClusterAuthorizationFailedError
    ) as error:  # said to an idempotent producer that may write nowhere
        raise BusRefusedError(
            f"Kafka does not let us {what}: grant Write on the topics to our user"
        ) from error
    except _PERMISSIONS as error:
        raise BusRefusedError(
            f"Kafka does not let us {what}: {error!r}; grant it to our user"
        ) from error
    except (
        errors.UnknownTopicOrPartitionError
    ) as error:  # the client has looked for it for REQUEST_MS
        raise BusRefusedError(
            f"Kafka cannot {what}: no such topic; make it with: trialstream topics create"
        ) from error
    except TimeoutError as error:
        raise BusUnavailableError(f"Kafka takes too long to {what}") from error
    except (errors.KafkaError, OSError) as error:
        raise BusUnavailableError(f"Kafka cannot {what} now: {error!r}") from error


async def start_client(client: Any) -> None:
    """Start a client of aiokafka within START_SECONDS. Raises TimeoutError.

    Cancelled, it lets the start end if that does so soon: one that is cut off leaves a connection
    open.
    """
    starting = asyncio.get_running_loop().create_task(client.start(), name="start of a client")
    try:
        await asyncio.wait({starting}, timeout=START_SECONDS)
    finally:
        if not starting.done():
            await asyncio.wait({starting}, timeout=STOP_SECONDS)
        await _end(starting)
    if not starting.done() or starting.cancelled():
        raise TimeoutError
    starting.result()


async def stop_client(client: Any) -> None:
    """Stop a client of aiokafka within a bound: by itself it may wait for a broker for ever, or
    cancel its caller."""
    stopping = asyncio.get_running_loop().create_task(client.stop(), name="stop of a client")
    try:
        await asyncio.wait({stopping}, timeout=STOP_SECONDS)
    finally:
        await _end(stopping)
        inner = getattr(client, "_client", None) or getattr(client, "client", None)
        if inner is not None:  # skipped by stop() when that is cancelled: its sockets would stay
            with suppress(Exception):
                await asyncio.wait_for(inner.close(), STOP_SECONDS)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel it unless it is done; asyncio shall not complain that nobody asked for its error."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=STOP_SECONDS)
    if task.done() and not task.cancelled():
        task.exception()


class _Quiet(logging.Filter):
    """Lets each kind of line through once in QUIET_SECONDS."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return False
        moment = time.monotonic()
        if moment - self._said.get(str(record.msg), -QUIET_SECONDS) < QUIET_SECONDS:
            return False
        self._said[str(record.msg)] = moment
        return True


def limit_client_logs() -> None:
    """Let aiokafka's log say its warnings now and then, not 25 times a second."""
    for name in ("aiokafka", "aiokafka.conn", "aiokafka.client", "aiokafka.cluster",
        "aiokafka.producer.producer",
                 "aiokafka.producer.sender", "aiokafka.consumer.consumer",
                 "aiokafka.consumer.fetcher",
                 "aiokafka.consumer.group_coordinator",
                 "aiokafka.consumer.subscription_state"):  # fmt: skip
        logger = logging.getLogger(name)
        if not any(isinstance(one, _Quiet) for one in logger.filters):
            logger.addFilter(_Quiet())
