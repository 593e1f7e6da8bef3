"""A relay of TCP connections that lets every answer take longer, as a network does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


@contextmanager
def relayed(address: str, delay_ms: float) -> Iterator[str]:
    """The address of a relay to an address, while the context lasts; itself without a delay."""
    if not delay_ms:
        yield address
        return
    target = urlsplit(address)
    started: list[int] = []
    ready, done = threading.Event(), threading.Event()

    async def pass_on(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float
    ) -> None:
        while data := await reader.read(2**16):
            await asyncio.sleep(delay)
            writer.write(data)
            await writer.drain()
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(target.hostname, target.port)
        ways = pass_on(reader, back, 0), pass_on(there, writer, delay_ms / 1000)
        with suppress(asyncio.CancelledError):  # at the end, by `asyncio.run`
            await asyncio.gather(*ways, return_exceptions=True)

    async def serve() -> None:
        server = await asyncio.start_server(connect, "127.0.0.1", 0)
        started.append(server.sockets[0].getsockname()[1])
        ready.set()
        while not done.is_set():
            await asyncio.sleep(0.05)
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(10)
    try:
        yield f"http://127.0.0.1:{started[0]}"
    finally:
        done.set()
        thread.join(10)
