"""The kinds of malformed requests, and the servers that they are sent to."""

from __future__ import annotations

import contextlib
import functools
import json
import random
import socket
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
QUESTION = "/gradio_api/component_server"
APP = Target("app", ("app", "--no-browser"), "/robots.txt", QUESTION, "/clr/upload")


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
        if self.target is SERVICE:
            return self.ask(json.dumps(fields).encode())
        return self.ask(json.dumps(self.question(fields)).encode())

    def question(self, fields: Mapping[str, object]) -> dict[str, object]:
        """A search as the page of the app asks for it, with fields of any kind in it."""
        number = page_number(self.socket.getpeername()[1])
        search = {"terms": [{"id": 1}]} | dict(fields)
        data = {"search": search, "count": fields.get("k")}
        return {"component_id": number, "fn_name": "find", "session_hash": "x", "data": data}


@functools.cache
def page_number(port: int) -> int:
    """The number of the component that carries the page of the app."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/config") as answer:
        components = json.load(answer)["components"]
    return next(int(one["id"]) for one in components if one["props"].get("elem_id") == "clr-page")


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
