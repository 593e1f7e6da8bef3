"""Malformed requests to the service and the app: what the worst costs them, and who else waits.

    python -m bench.hostile_requests photos.clr --requests 10000

Starts ``clr-search serve`` and ``clr-search app``, each without a key, and sends them requests of
every kind in `KINDS` over 16 connections at a time: heads, bodies, trailers and chunks without an
end, what is no HTTP, clients that send or read slowly, pipelining, forms and JSON that ask a lot.
Beside them 2,000 connections are opened that ask for nothing. Meanwhile another process asks
``/readyz`` (of the app a small file) every 20 ms over connections of its own, and the memory of the
server is read every 20 ms. Clients, prober and server share the cores, and whatever else runs on
the machine. So the prober asks a second server in turn, which nobody attacks and which does
nothing, and notes for how long the server itself has computed between question and answer, all its
threads together: what else an answer took, it waited for a processor.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import multiprocessing
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

from bench.machine import machine, resident

AT_ONCE = 16
CONNECTIONS = 2000
PAUSE = 0.02
MOST_SENT = 32 * 2**20
"""Bytes after which a client gives up to send what has no end."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server under test: its command, what the prober asks for, and what requests are sent to."""

    name: str
    command: tuple[str, ...]
    probed: str
    posted: str
    form: str


SERVICE = Target("serve", ("serve",), "/readyz", "/v1/search", "/v1/embed")
APP = Target(
    "app", ("app", "--no-browser"), "/robots.txt", "/gradio_api/queue/join", "/gradio_api/upload"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a kind of requests came to.

    Attributes
    ----------
    sent, failed : int
        Requests, and answers of 500.
    grown : float
        The most memory of the server above that before, in MB.
    waited, computed, idle : sequence of float
        Seconds that each request of the prober took, for which the server computed meanwhile, and
        that a request to the idle server took.
    unready : int
        Answers to the prober other than 200.
    """

    sent: int
    failed: int
    grown: float
    waited: Sequence[float]
    computed: Sequence[float]
    idle: Sequence[float]
    unready: int

    def row(self, kind: str) -> str:
        """A row of the table."""
        times = " | ".join(
            f"{1000 * value:.0f}"
            for seconds in (self.waited, self.computed, self.idle)
            for value in (_p99(seconds), max(seconds, default=0.0))
        )
        return (
            f"| {kind} | {self.sent:,} | {self.failed} | {self.grown:.0f} | {times} "
            f"| {self.unready} |"
        )


def _p99(seconds: Sequence[float]) -> float:
    """The time that 99 of 100 requests do not exceed."""
    return sorted(seconds)[int(0.99 * (len(seconds) - 1))] if seconds else 0.0


Sender = Callable[["Client"], bytes]


class Client:
    """A connection of a client, with what it sends."""

    def __init__(self, target: Target, port: int, seed: int) -> None:
        self.target = target
        self.random = random.Random(seed)
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)

    def head(self, method: str = "POST", path: str = "", *more: str) -> bytes:
        """The head of a request, without the empty line after it."""
        lines = [f"{method} {path or self.target.posted} HTTP/1.1", "Host: 127.0.0.1", *more]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n"

    def endless(self, first: bytes, part: bytes) -> bytes:
        """Send `first` and then `part` for ever, until the server has had enough."""
        many = part * max(1, 65536 // len(part))
        self.socket.sendall(first)
        with contextlib.suppress(OSError):
            for _ in range(MOST_SENT // len(many)):
                self.socket.sendall(many)
        return self.answer()

    def answer(self) -> bytes:
        """The first bytes of the answer; empty where the connection was cut."""
        try:
            return self.socket.recv(65536)
        except OSError:
            return b""

    def ask(self, body: bytes, kind: str = "application/json", path: str = "") -> bytes:
        """Send a whole request, and return the beginning of its answer."""
        more = (f"Content-Type: {kind}", f"Content-Length: {len(body)}")
        with contextlib.suppress(OSError):
            self.socket.sendall(self.head("POST", path, *more) + b"\r\n" + body)
        return self.answer()

    def ask_json(self, **fields: object) -> bytes:
        """Send a search, and return the beginning of its answer."""
        return self.ask(json.dumps(fields).encode())


CHUNKED = ("Content-Type: application/json", "Transfer-Encoding: chunked")
ONE = b"1\r\n{\r\n"


def chunked(client: Client, first: bytes, part: bytes) -> bytes:
    """Send a body in chunks, of which something has no end."""
    return client.endless(client.head("POST", "", *CHUNKED) + b"\r\n" + first, part)


def noise(client: Client) -> bytes:
    """What is no HTTP at all."""
    client.socket.sendall(client.random.randbytes(client.random.randrange(1, 5000)))
    client.socket.shutdown(socket.SHUT_WR)
    return client.answer()


def mutated(client: Client) -> bytes:
    """A request of which some bytes are others."""
    body = b'{"ids": [1], "data": [], "fn_index": 0, "session_hash": "x"}'
    whole = bytearray(
        client.head("POST", "", "Content-Type: application/json", f"Content-Length: {len(body)}")
        + b"\r\n"
        + body
    )
    for _ in range(client.random.randrange(1, 8)):
        whole[client.random.randrange(len(whole))] = client.random.randrange(256)
    client.socket.sendall(whole)
    client.socket.shutdown(socket.SHUT_WR)
    return client.answer()


def slow(client: Client) -> bytes:
    """A head that comes byte by byte, and is given up."""
    for byte in client.head("GET", client.target.probed)[:20]:
        client.socket.sendall(bytes([byte]))
        time.sleep(0.02)
    return b""


def unread(client: Client) -> bytes:
    """Requests whose answers nobody reads."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.socket.settimeout(1)
    path = "/openapi.json" if client.target is SERVICE else "/config"
    with contextlib.suppress(OSError):
        for _ in range(50):
            client.socket.sendall(client.head("GET", path) + b"\r\n")
    return b""


def broken_off(client: Client) -> bytes:
    """A form with a file of 1 MB that ends in its middle."""
    start = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    more = ("Content-Type: multipart/form-data; boundary=x", "Content-Length: 9000000")
    client.socket.sendall(client.head("POST", client.target.form, *more) + b"\r\n" + start)
    client.socket.sendall(bytes(2**20))
    return b""


def unended(client: Client) -> bytes:
    """A form whose last part has no end."""
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    return client.ask(
        body + bytes(2**16), "multipart/form-data; boundary=x", path=client.target.form
    )


def deep(client: Client) -> bytes:
    """JSON that is deep, or wide."""
    some = (b"[" * 60_000, b'{"a":' * 10_000, b"[" + b"[]," * 20_000 + b"[]]", b"1" * 60_000)
    return client.ask(client.random.choice(some))


def full(client: Client) -> bytes:
    """JSON of as many values as a request may have, none of which can be used."""
    most = 250_000
    some = (
        b'{"vector":[' + b"0.12345678901234," * most + b"1]}",
        b'{"vector":[' + b'"a",' * most + b"1]}",
        b'{"like":[' + b'"aaaa",' * most + b'"aaaa"]}',
        b"{" + b",".join(b'"a%d":0' % number for number in range(most)) + b"}",
        b'{"ids":[1],"filter":{"any":[' + b'{"label":"a"},' * (most // 2) + b"{}]}}",
    )
    return client.ask(client.random.choice(some))


def honest(client: Client) -> bytes:
    """A request that a program would send."""
    return client.ask_json(ids=[1], k=10)


KINDS: dict[str, tuple[float, Sender]] = {
    "honest searches, for comparison": (0.02, honest),
    "a head without an end": (0.02, lambda c: c.endless(c.head(), b"a: b\r\n")),
    "a header without an end": (0.02, lambda c: c.endless(c.head() + b"a: ", b"b" * 1000)),
    "a path without an end": (0.02, lambda c: c.endless(b"GET /", b"a" * 1000)),
    "empty lines without an end": (0.02, lambda c: c.endless(b"", b"\r\n")),
    "a body without an end": (0.02, lambda c: chunked(c, b"", b"400\r\n" + b" " * 1024 + b"\r\n")),
    "chunks of one byte": (0.02, lambda c: chunked(c, b"", b"1\r\n \r\n")),
    "an extension without an end": (0.02, lambda c: chunked(c, b"1;", b"a=b;")),
    "trailers without an end": (0.02, lambda c: chunked(c, ONE + b"0\r\n", b"a: b\r\n")),
    "a trailer without an end": (0.02, lambda c: chunked(c, ONE + b"0\r\na: ", b"b" * 1000)),
    "no HTTP": (0.2, noise),
    "changed bytes": (0.3, mutated),
    "several hosts": (0.02, lambda c: c.endless(c.head("GET", "/", "Host: x") + b"\r\n", b"\r\n")),
    "senders that are slow": (0.02, slow),
    "answers that nobody reads": (0.02, unread),
    "pipelining": (0.02, lambda c: c.endless(b"", c.head("GET", c.target.probed) + b"\r\n")),
    "forms broken off": (0.02, broken_off),
    "forms without an end": (0.04, unended),
    "JSON, deep or wide": (0.04, deep),
    "JSON as full as it may be": (0.02, full),
    "a folder of 1 MB": (0.02, lambda c: c.ask_json(ids=[1], filter={"under": "a/" * 500_000})),
    "a label of 4 MB": (0.02, lambda c: c.ask_json(ids=[1], filter={"label": "ab" * 2_000_000})),
    "a pattern of stars": (0.02, lambda c: c.ask_json(ids=[1], filter={"glob": "*[a-z]" * 600})),
    "a thousand diverse": (0.04, lambda c: c.ask_json(ids=[1], k=1000, diverse=1)),
}
"""Every kind of request, with its share of all and the function that sends one."""


@contextlib.contextmanager
def running(target: Target, collection: Path) -> Iterator[tuple[int, int]]:
    """The server on a port of this machine: its process, and its port."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "clr_search", *target.command, str(collection), "--port", str(port)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    line = server.stderr.readline()
    if not re.search(rf":{port}\b", line):
        raise RuntimeError(line)
    threading.Thread(target=server.stderr.read, daemon=True).start()
    try:
        yield server.pid, port
    finally:
        server.terminate()
        server.wait()


class _Idle(BaseHTTPRequestHandler):
    """Answers every request at once."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep no log."""


def _idle(told: Connection) -> None:
    """Serve as a server that nobody attacks, and tell its port."""
    server = HTTPServer(("127.0.0.1", 0), _Idle)
    told.send(server.server_port)
    server.serve_forever()


@contextlib.contextmanager
def idle() -> Iterator[int]:
    """A server that does nothing, in a process of its own: its port."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_idle, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def ask(path: str, port: int) -> tuple[float, int]:
    """Ask for a path: the seconds that it took, and the status, 0 for no answer."""
    began, status = time.perf_counter(), 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        status = connection.getresponse().status
    connection.close()
    return time.perf_counter() - began, status


def computed(process: int) -> float:
    """Seconds that the threads of a process have been running on processors."""
    total = 0
    for thread in Path(f"/proc/{process}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            total += int(thread.read_text().split()[0])
    return total / 1e9


def probe(path: str, process: int, port: int, other: int, told: Connection) -> None:
    """Ask again and again for a path and the idle server, and tell times and status."""
    while not told.poll():
        before = computed(process)
        seconds, status = ask(path, port)
        own = min(max(0.0, computed(process) - before), seconds)
        told.send((seconds, own, ask("/", other)[0], status))
        time.sleep(PAUSE)


@contextlib.contextmanager
def watched(
    target: Target, process: int, port: int, other: int
) -> Iterator[Callable[[int, int], Outcome]]:
    """Probe the server meanwhile; the function that is yielded ends it and gives the outcome."""
    before, most, over = resident(process), [0.0], threading.Event()

    def measure() -> None:
        while not over.wait(PAUSE):
            most[0] = max(most[0], resident(process))

    ours, theirs = multiprocessing.Pipe()
    asked = (target.probed, process, port, other, theirs)
    prober = multiprocessing.Process(target=probe, args=asked, daemon=True)
    prober.start()
    measuring = threading.Thread(target=measure)
    measuring.start()

    def end(sent: int, failed: int) -> Outcome:
        over.set()
        measuring.join()
        ours.send(None)
        prober.join(40)
        answers = []
        while ours.poll():
            answers.append(ours.recv())
        waited, own, idle = ([answer[n] for answer in answers] for n in range(3))
        unready = sum(answer[3] != 200 for answer in answers)
        return Outcome(sent, failed, max(0.0, most[0] - before), waited, own, idle, unready)

    yield end


def attack(target: Target, process: int, port: int, other: int, kind: str, count: int) -> Outcome:
    """Send so many requests of a kind."""
    send = KINDS[kind][1]

    def one(seed: int) -> bool:
        try:
            client = Client(target, port, seed)
        except OSError:
            return False
        with contextlib.closing(client.socket):
            try:
                return send(client).startswith(b"HTTP/1.1 500")
            except OSError:
                return False

    with watched(target, process, port, other) as end, ThreadPoolExecutor(AT_ONCE) as pool:
        failed = sum(pool.map(one, range(count)))
        return end(count, failed)


def silent(target: Target, process: int, port: int, other: int) -> Outcome:
    """Open connections that ask for nothing, and hold them for a while."""
    with watched(target, process, port, other) as end, contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS):
            connection = socket.create_connection(("127.0.0.1", port), timeout=20)
            stack.enter_context(contextlib.closing(connection))
        time.sleep(3)
        return end(CONNECTIONS, 0)


def main() -> None:
    """Attack both servers, and print a table of each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("collection", type=Path)
    parser.add_argument(
        "--requests", type=int, default=10_000, help="half of them to each of the two servers"
    )
    given = parser.parse_args()
    with contextlib.suppress(ImportError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    print(machine())
    for target in (SERVICE, APP):
        print(f"\n`clr-search {target.name}`, asked for `{target.probed}` meanwhile\n")
        print(
            "| kind | requests | 500 | memory, MB | p99, ms | worst, ms "
            "| p99 of what it computed, ms | worst, ms | p99 of an idle server, ms | worst, ms "
            "| not 200 |\n|---|" + "---|" * 10,
            flush=True,
        )
        with idle() as other, running(target, given.collection) as (process, port):
            attack(target, process, port, other, "changed bytes", 200)  # warm
            for kind, (share, _) in KINDS.items():
                count = max(1, round(share * given.requests / 2))
                outcome = attack(target, process, port, other, kind, count)
                print(outcome.row(kind), flush=True)
            outcome = silent(target, process, port, other)
            print(outcome.row("connections that ask for nothing"), flush=True)


if __name__ == "__main__":
    main()
