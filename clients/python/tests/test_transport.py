"""The transport against a server that misbehaves."""

import asyncio
import io
import json
import socket
import threading
import time
import unittest
from collections.abc import Callable
from typing import Any

from sconce import AsyncClient, Client, SconceError

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


def read_request(connection: socket.socket) -> bytes:
    """One request with a body of known or chunked length."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65_536)
        if not piece:
            return b""
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    lower = head.lower()
    if b"content-length: " in lower:
        length = int(lower.split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65_536)
    elif b"transfer-encoding: chunked" in lower:
        while not body.endswith(b"0\r\n\r\n"):
            body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


class Server:
    """Answers each connection with a function."""

    def __init__(self, handle: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(20)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self._handle = handle
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(20)
            self._handle(connection)

    def close(self) -> None:
        self._listener.close()


class Transport(unittest.TestCase):
    def serve(self, handle: Callable[[socket.socket], None], **options: Any) -> Client:
        self.server = Server(handle)
        self.addCleanup(self.server.close)
        client = Client(self.server.url, **options)
        self.addCleanup(client.close)
        return client

    def test_a_connection_is_used_again(self) -> None:
        def handle(connection: socket.socket) -> None:
            while read_request(connection):
                connection.sendall(OK)

        client = self.serve(handle)
        for _ in range(3):
            client.metadata("m")
        self.assertEqual(self.server.connections, 1)

    def test_a_connection_that_the_server_closed_is_not(self) -> None:
        def handle(connection: socket.socket) -> None:
            read_request(connection)
            connection.sendall(OK)

        client = self.serve(handle)
        client.metadata("m")
        time.sleep(0.05)
        client.metadata("m")
        self.assertEqual(self.server.connections, 2)

    def test_a_refused_request_is_sent_again_after_the_time_that_the_server_names(self) -> None:
        bodies: list[bytes] = []

        def handle(connection: socket.socket) -> None:
            while request := read_request(connection):
                bodies.append(request.split(b"\r\n\r\n", 1)[1])
                text = json.dumps({"error": {"message": "full", "code": "queue_full"}}).encode()
                head = f"HTTP/1.1 429 x\r\nretry-after: 0.05\r\ncontent-length: {len(text)}\r\n\r\n".encode()
                connection.sendall(head + text if len(bodies) < 3 else OK)

        client = self.serve(handle)
        self.assertEqual(client.files.create(io.BytesIO(b"rows" * 10), filename="r.csv"), {})
        self.assertEqual(len(bodies), 3)
        self.assertTrue(all(b"rows" * 10 in body for body in bodies))

    def test_a_body_that_can_be_read_once_is_sent_once(self) -> None:
        class Pipe(io.BytesIO):
            def seekable(self) -> bool:
                return False

        def handle(connection: socket.socket) -> None:
            while read_request(connection):
                connection.sendall(b"HTTP/1.1 429 x\r\nretry-after: 0.01\r\ncontent-length: 0\r\n\r\n")

        client = self.serve(handle)
        with self.assertRaises(SconceError) as caught:
            client.files.create(Pipe(b"rows"), filename="r.csv")
        self.assertEqual(caught.exception.status, 429)
        self.assertEqual(self.server.connections, 1)

    def test_without_retries_the_error_comes_at_once(self) -> None:
        def handle(connection: socket.socket) -> None:
            read_request(connection)
            connection.sendall(b"HTTP/1.1 429 x\r\nretry-after: 9\r\ncontent-length: 0\r\n\r\n")

        with self.assertRaises(SconceError) as caught:
            self.serve(handle, retries=0).metadata("m")
        self.assertEqual((caught.exception.code, caught.exception.status, caught.exception.retry_after), ("queue_full", 429, 9))

    def test_no_server_and_no_sconce_are_one_error(self) -> None:
        client = self.serve(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"))
        with self.assertRaisesRegex(SconceError, "is no Sconce server: it sent hello"):
            client.metadata("m")
        listener = socket.create_server(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.close()
        with self.assertRaises(SconceError) as caught:
            Client(address).metadata("m")
        self.assertEqual(caught.exception.code, "server_unreachable")

    def test_an_answer_that_is_cut_off_is_an_error(self) -> None:
        for answer in (b"content-length: 9\r\n\r\n{}", b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"):
            with self.subTest(answer):

                def handle(connection: socket.socket) -> None:
                    read_request(connection)
                    connection.sendall(b"HTTP/1.1 200 OK\r\n" + answer)

                with self.assertRaisesRegex(SconceError, "ended within an answer"):
                    self.serve(handle).metadata("m")

    def test_a_server_that_refuses_while_a_body_is_sent_is_understood(self) -> None:
        def handle(connection: socket.socket) -> None:
            connection.recv(1_000)
            text = json.dumps({"error": {"message": "too large", "code": "payload_too_large"}}).encode()
            connection.sendall(f"HTTP/1.1 413 x\r\nconnection: close\r\ncontent-length: {len(text)}\r\n\r\n".encode() + text)
            connection.shutdown(socket.SHUT_WR)
            time.sleep(0.2)

        with self.assertRaises(SconceError) as caught:
            self.serve(handle).files.create(b"x" * 50_000_000, filename="r.csv")
        self.assertIn(caught.exception.code, ("payload_too_large", "server_unreachable"))

    def test_silence_ends_after_the_timeout(self) -> None:
        with self.assertRaisesRegex(SconceError, "did not answer within 0.1 s"):
            self.serve(lambda connection: time.sleep(1), timeout=0.1).metadata("m")

    def test_a_task_that_is_cancelled_closes_its_connection(self) -> None:
        closed = threading.Event()

        def handle(connection: socket.socket) -> None:
            read_request(connection)
            if connection.recv(1) == b"":
                closed.set()

        server = Server(handle)
        self.addCleanup(server.close)

        async def main() -> None:
            async with AsyncClient(server.url) as client:
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(client.metadata("m"), 0.2)

        asyncio.run(main())
        self.assertTrue(closed.wait(5))


if __name__ == "__main__":
    unittest.main()
