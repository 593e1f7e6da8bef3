"""A relay of TCP connections that lets every answer take longer, as a network does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


@contextmanager
def relayed(address: str, delay_ms: float) -> Iterator[str]:
    """The address of a relay to an address, while the context lasts; itself without a delay."""
    if not delay_ms:
        yield address
        return
    target = urlsplit(address)
    loop = asyncio.new_event_loop()
    started: list[int] = []
    ready = threading.Event()

    async def pass_on(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float
    ) -> None:
        try:
            while data := await reader.read(2**16):
                if delay:
                    await asyncio.sleep(delay)
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(
            pass_on(reader, back, 0),
            pass_on(there, writer, delay_ms / 1000),
            return_exceptions=True,
        )

    async def serve() -> None:
        server = await asyncio.start_server(connect, "127.0.0.1", 0)
        started.append(server.sockets[0].getsockname()[1])
        ready.set()
        await server.serve_forever()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.create_task(serve())  # noqa: RUF006 -- it lasts as long as the loop
        loop.run_forever()

    threading.Thread(target=run, daemon=True).start()
    ready.wait(10)
    yield f"http://127.0.0.1:{started[0]}"
    loop.call_soon_threadsafe(loop.stop)
