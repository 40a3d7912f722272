"""HTTP over the standard library: connections that are kept, errors as `SconceError`, bodies as streams."""

from __future__ import annotations

import contextlib
import contextvars
import http.client
import json
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, NamedTuple, Union
from urllib.parse import urlsplit

from ._errors import SconceError, error_of_answer


class BodyStream(NamedTuple):
    """A body that is read while it is sent."""

    chunks: Callable[[], Iterator[bytes]]
    """Starts to read it."""
    repeatable: bool = True
    """Whether it can be started again."""


Body = Union[bytes, BodyStream, None]

_CHUNK_BYTES = 1 << 16
_MAX_PAUSE_SECONDS = 30.0
_MAX_IDLE_CONNECTIONS = 16


class CallHandle:
    """A call that another thread may end: its connection is closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None
        self.aborted = threading.Event()

    def hold(self, connection: http.client.HTTPConnection | None) -> None:
        with self._lock:
            self._connection = connection
        if connection is not None and self.aborted.is_set():
            self.abort()

    def abort(self) -> None:
        self.aborted.set()
        with self._lock:
            sock = None if self._connection is None else self._connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def pause(self, seconds: float) -> None:
        if self.aborted.wait(seconds):
            raise SconceError("server_unreachable", "The call was given up.")


current_call: contextvars.ContextVar[CallHandle | None] = contextvars.ContextVar("sconce_call", default=None)


def pause(seconds: float) -> None:
    """Sleeps. A call that is given up in the meantime ends with an error."""
    call = current_call.get()
    if call is None:
        time.sleep(seconds)
    else:
        call.pause(seconds)


class Answer:
    """A successful answer whose body has not been read."""

    def __init__(self, transport: Transport, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._transport = transport
        self._connection = connection
        self._response = response
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self.chunks())

    def json(self) -> Any:
        text = self.read()
        try:
            return json.loads(text)
        except ValueError:
            start = text[:80].decode("utf-8", "replace") or "nothing"
            message = f"What answers at {self._transport.url} is no Sconce server: it sent {start}"
            raise SconceError("server_unreachable", message) from None

    def chunks(self) -> Iterator[bytes]:
        """The body in pieces. If the caller stops early, the connection is closed."""
        is_whole = False
        try:
            while True:
                call = current_call.get()
                if call is not None:
                    call.hold(self._connection)
                piece = self._response.read(_CHUNK_BYTES)
                if not piece:
                    break
                yield piece
            # The standard library takes a body that is cut off for a whole one.
            if self._response.length:
                raise http.client.IncompleteRead(b"", self._response.length)
            is_whole = True
        except (OSError, http.client.HTTPException) as cause:
            message = f"The connection to {self._transport.url} ended within an answer ({cause})."
            raise SconceError("server_unreachable", message) from cause
        finally:
            self._transport.release(self._connection, reuse=is_whole and not self._response.will_close)


class Transport:
    """Calls of one server.

    Args:
        url: the API's address, such as ``http://127.0.0.1:8000``.
        api_key: sent with every request.
        timeout: longest silence of the server, seconds.
        retries: how often a request is sent again that the server refused with 429 or 503 and ``Retry-After``.
    """

    def __init__(self, url: str, api_key: str | None, *, timeout: float, retries: int, context: ssl.SSLContext | None) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a server: give one such as http://127.0.0.1:8000.")
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._host, self._port, self._prefix = parts.hostname, parts.port, parts.path.rstrip("/")
        self._context = (context or ssl.create_default_context()) if parts.scheme == "https" else None
        self._authorization = {} if api_key is None else {"authorization": f"Bearer {api_key}"}
        self._timeout = timeout
        self._retries = retries
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """A successful answer.

        Raises:
            SconceError: the error that the server reported, or ``server_unreachable``.
        """
        retries = 0 if isinstance(body, BodyStream) and not body.repeatable else self._retries
        for attempt in range(retries + 1):
            try:
                return self._once(method, path, body, {**self._authorization, **(headers or {})}, timeout)
            except SconceError as error:
                is_refused = error.status in (429, 503) and error.retry_after is not None
                if not is_refused or attempt == retries:
                    raise
                pause(min(error.retry_after or 0.0, _MAX_PAUSE_SECONDS))
        raise AssertionError("unreachable")

    def json(self, method: str, path: str, value: Any = None, *, headers: Mapping[str, str] | None = None) -> Any:
        """An answer in JSON to a request whose body is JSON, or which has none."""
        if value is None:
            return self.request(method, path, headers=headers).json()
        typed = {"content-type": "application/json", **(headers or {})}
        return self.request(method, path, body=json.dumps(value).encode(), headers=typed).json()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def release(self, connection: http.client.HTTPConnection, *, reuse: bool) -> None:
        call = current_call.get()
        if call is not None:
            call.hold(None)
        with self._lock:
            if reuse and len(self._idle) < _MAX_IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def _once(self, method: str, path: str, body: Body, headers: Mapping[str, str], timeout: float | None) -> Answer:
        connection = self._connection()
        call = current_call.get()
        if call is not None:
            call.hold(connection)
        try:
            response = self._exchange(connection, method, path, body, headers, timeout)
        except (OSError, http.client.HTTPException) as cause:
            self.release(connection, reuse=False)
            if isinstance(cause, socket.timeout):
                message = f"The server at {self.url} did not answer within {timeout or self._timeout:g} s."
            else:
                message = f"No Sconce server answers at {self.url} ({cause or type(cause).__name__})."
            raise SconceError("server_unreachable", message) from cause
        except BaseException:
            self.release(connection, reuse=False)
            raise
        answer = Answer(self, connection, response)
        if 200 <= response.status < 300:
            return answer
        raise error_of_answer(response.status, answer.headers, answer.read())

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: Body,
        headers: Mapping[str, str],
        timeout: float | None,
    ) -> http.client.HTTPResponse:
        if connection.sock is None:
            connection.connect()
        sock: Any = connection.sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(timeout or self._timeout)
        chunks = body.chunks() if isinstance(body, BodyStream) else body
        try:
            connection.request(method, self._prefix + path, chunks, dict(headers))
        except (BrokenPipeError, ConnectionResetError):
            # A server that refuses a large body answers before it has read all of it.
            with contextlib.suppress(OSError, http.client.HTTPException):
                return _early_answer(connection, method)
            raise
        return connection.getresponse()

    def _connection(self) -> http.client.HTTPConnection:
        """A connection that was kept and that the server has not closed, or a new one."""
        while True:
            with self._lock:
                kept = self._idle.pop() if self._idle else None
            if kept is None:
                break
            if kept.sock is not None and not select.select([kept.sock], [], [], 0)[0]:
                return kept
            kept.close()
        if self._context is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._context)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)


def _early_answer(connection: http.client.HTTPConnection, method: str) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(connection.sock, method=method)
    response.begin()
    response.will_close = True
    return response


def file_chunks(file: IO[bytes], on_progress: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """The rest of an open file in pieces. ``on_progress`` gets the number of bytes that have been read."""
    done = 0
    while True:
        piece = file.read(_CHUNK_BYTES)
        if not piece:
            return
        yield piece
        done += len(piece)
        if on_progress is not None:
            on_progress(done)
