"""Connections are taken at once, and those that have brought much are read from in turns."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl

from clr_search.web import accepting, turns
from clr_search.web.listening import configured, listen

POST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="Windows has no readers")


class Counting:
    """An application that reads bodies, and answers how much it has read of all of them."""

    def __init__(self) -> None:
        self.read = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        more = scope["type"] == "http"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            self.read += len(message["body"])
            more = message["more_body"]
        body = str(self.read).encode()
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})


class Running:
    """A server that has a port already, and takes connections once it is started."""

    def __init__(self, app: Counting) -> None:
        self.listening = listen("127.0.0.1", 0)
        self.listening.listen(1000)
        self.address = self.listening.getsockname()
        config = configured(app, grace=10)
        config.lifespan = "off"
        self.server = accepting.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.listening],))

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.server.should_exit = True
        if self.thread.ident is not None:
            self.thread.join()


@pytest.fixture
def app() -> Counting:
    return Counting()


@pytest.fixture
def running(app: Counting) -> Iterator[Running]:
    made = Running(app)
    yield made
    made.stop()


def brought(address: tuple[str, int], head: bytes, length: int) -> tuple[socket.socket, int]:
    """A connection with as much of a body as the system takes before anybody reads; how much."""
    connection = socket.create_connection(address, timeout=20)
    connection.sendall(head)
    connection.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while sent < length:
            sent += connection.send(bytes(min(length - sent, 2**16)))
    connection.settimeout(20)
    return connection, sent


def told(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(4096):
            answer += part
    return answer


def test_what_is_short_does_not_wait_for_what_is_long(running: Running, app: Counting) -> None:
    """Three hundred clients came before, each with half a megabyte of a body without an end."""
    with contextlib.ExitStack() as stack:
        waiting = 0
        for _ in range(300):
            connection, sent = brought(running.address, POST % 10**9, 2**19)
            stack.enter_context(connection)
            waiting += sent
        assert waiting > 300 * turns.SHORT
        with socket.create_connection(running.address, timeout=20) as short:
            short.sendall(GET)
            running.start()
            read = int(told(short).rpartition(b"\r\n")[2])
        assert read < waiting / 4
        deadline = time.monotonic() + 20
        while app.read < waiting:  # All are read from, in the end.
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_long_body_arrives_whole_beside_others(running: Running) -> None:
    length = 5 * 10**6
    running.start()

    def sent() -> bytes:
        with socket.create_connection(running.address, timeout=20) as connection:
            connection.sendall(POST % length + bytes(length) + GET)
            return told(connection)

    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(sent())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.count(b"HTTP/1.1 200") for answer in answers] == [2] * 8
    assert max(int(answer.rpartition(b"\r\n")[2]) for answer in answers) == 8 * length


def test_those_that_wait_for_their_turn_are_answered_by_a_server_that_stops(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn: list[Callable[[], None]] = []
    monkeypatch.setattr(turns.Turns, "wait", lambda _, read: turn.append(read))  # It never comes.
    length = 2 * turns.SHORT
    came = [brought(running.address, POST % length, length) for _ in range(5)]
    assert [sent for _, sent in came] == [length] * 5
    running.start()
    while len(turn) < 5:
        time.sleep(0.01)
    monkeypatch.setattr(turns.InTurn, "resume_reading", FlowControl.resume_reading)
    running.stop()
    for connection, _ in came:
        with connection:
            assert told(connection).startswith(b"HTTP/1.1 200")


def test_too_many_that_wait_are_reset(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "MOST", 3)
    monkeypatch.setattr(turns.Turns, "wait", lambda *_: None)
    length = 2 * turns.SHORT
    came = [brought(running.address, POST % length, length)[0] for _ in range(5)]
    running.start()
    with contextlib.ExitStack() as stack:
        for connection in came:
            stack.enter_context(connection)
        for connection in came[3:]:
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
        came[0].settimeout(0.1)
        with pytest.raises(TimeoutError):
            came[0].recv(1)


class WithoutFiles(socket.socket):
    """A listening socket that can open no file for its first connections."""

    failures = 2

    def accept(self) -> tuple[socket.socket, object]:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_connections_are_taken_again_after_files_ran_out(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(accepting, "_AGAIN", 0.05)
    was = running.listening
    failing = WithoutFiles(was.family, was.type, was.proto, was.detach())
    running.thread = threading.Thread(target=running.server.run, args=([failing],))
    running.start()
    with socket.create_connection(running.address, timeout=20) as connection:
        connection.sendall(GET)
        assert told(connection).startswith(b"HTTP/1.1 200")
    assert failing.failures == 0
    assert "Too many open files" in caplog.text


def test_a_connection_that_is_paused_again_is_not_read_from_at_its_turn() -> None:
    """And is read from later, once more than that is asked for."""

    class Transport(asyncio.Transport):
        reading = True

        def pause_reading(self) -> None:
            self.reading = False

        def resume_reading(self) -> None:
            self.reading = True

    async def tried() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    theirs.send(bytes(2**14))
            transport = Transport({"socket": ours})
            flow = turns.InTurn(transport, turns.Turns(asyncio.get_running_loop()))
            flow.pause_reading()
            flow.resume_reading()
            flow.pause_reading()
            await asyncio.sleep(0.01)
            assert not transport.reading
            flow.resume_reading()
            flow.resume_reading()
            assert not transport.reading
            await asyncio.sleep(0.01)
            assert transport.reading

    asyncio.run(tried())


def test_a_thousand_that_come_at_once_are_kept_until_they_are_taken(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system keeps too few, a client tries again after a second."""
    opened = threading.Event()
    taken = accepting._Door._take

    def later(door: accepting._Door) -> None:
        if opened.is_set():
            taken(door)

    running.listening.listen(100)
    monkeypatch.setattr(accepting._Door, "_take", later)
    running.start()
    while not running.server.started:
        time.sleep(0.01)
    with contextlib.ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(socket.create_connection(running.address, timeout=0.5))
        opened.set()
