"""The HTTP service under load from another process, and what of its speed reaches the client.

    python -m bench.service photos.clr photos --requests 20000

Starts ``clr-search serve`` and sends it pictures to embed, one a request, over 1 to 64 connections
that are kept open; every answer is compared with the vector of its picture as this process computes
it. The rate is set beside the in-process rate of the same work (decoding in threads and inference
in batches of 64) on the same cores, measured before and after with the service idle. The client,
which uses the same cores, is a plain asyncio loop over prepared requests.

Then the service is killed with -9 under load and started again, twice: every request must be
answered rightly in the end.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from bench.machine import machine
from clr_search import images
from clr_search.cores import usable_cores
from clr_search.files.finding.find import find_images
from clr_search.index import Index
from clr_search.serve.encoder import Encoder

CONNECTIONS = (1, 4, 16, 64)
PICTURES = 512
TOLERANCE = 1e-4

Vectors = NDArray[np.float32]


@dataclass(slots=True)
class Outcome:
    """What a load came to.

    Attributes
    ----------
    seconds : float
        From the first request to the last answer.
    latencies : list of float
        Of the answered requests, in seconds.
    refused, wrong, broken : int
        503s, answers that are of another picture, and connections that broke; all asked again.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    wrong: int = 0
    broken: int = 0


def start(collection: Path, port: int) -> tuple[subprocess.Popen[str], int]:
    """The service, listening, and its port."""
    command = [sys.executable, "-m", "clr_search", "serve", str(collection), "--port", str(port)]
    service = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert service.stderr is not None
    line = service.stderr.readline()
    found = re.search(r"http://\S+", line)
    if found is None:
        raise SystemExit(line + service.stderr.read())
    listening = urlsplit(found[0]).port
    assert listening is not None
    return service, listening


async def answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, bytes]:
    """Send a request, and read its answer: status and body."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert length is not None
    return int(head[9:12]), await reader.readexactly(int(length[1]))


async def load(
    port: int,
    bodies: Sequence[bytes],
    expected: Vectors,
    connections: int,
    total: int,
    outcome: Outcome,
) -> None:
    """Send `total` requests over so many connections, each one at a time."""
    remaining = iter(range(total))
    began = time.perf_counter()

    async def connection() -> None:
        streams = None
        for number in remaining:
            which = number * 7919 % len(bodies)  # neighbours in time are none in the list
            while True:
                asked = time.perf_counter()
                try:
                    if streams is None:
                        streams = await asyncio.open_connection("127.0.0.1", port)
                    status, body = await answer(*streams, bodies[which])
                except (OSError, asyncio.IncompleteReadError):
                    outcome.broken += 1
                    streams = None
                    await asyncio.sleep(0.05)
                    continue
                if status == 503:
                    outcome.refused += 1
                    await asyncio.sleep(0.1)
                    continue
                break
            row = np.frombuffer(body, "<f4") if status == 200 else np.empty(0, np.float32)
            if row.shape != expected[which].shape or (
                np.abs(row - expected[which]).max() > TOLERANCE
            ):
                outcome.wrong += 1
            outcome.latencies.append(time.perf_counter() - asked)
        if streams is not None:
            streams[1].close()

    await asyncio.gather(*(connection() for _ in range(connections)))
    outcome.seconds = time.perf_counter() - began


def in_process(encoder: Encoder, files: Sequence[bytes], total: int) -> float:
    """Pictures a second of decoding in threads and inference in batches, without a service."""
    size, batch = encoder.image_size, 64
    chosen = [files[number % len(files)] for number in range(total)]
    with ThreadPoolExecutor(usable_cores()) as pool:
        began = time.perf_counter()
        squares = pool.map(lambda data: images.decode_square(data, size).pixels, chosen)
        pending = []
        for square in squares:
            pending.append(square)
            if len(pending) == batch:
                encoder.encode_squares(np.stack(pending))
                pending = []
        if pending:
            encoder.encode_squares(np.stack(pending))
        return total / (time.perf_counter() - began)


def under_kills(collection: Path, bodies: Sequence[bytes], expected: Vectors, total: int) -> str:
    """A line on a load during which the service is killed twice."""
    service, port = start(collection, 0)
    outcome = Outcome()

    async def whole() -> None:
        nonlocal service
        work = asyncio.create_task(load(port, bodies, expected, 16, total, outcome))
        for part in (1, 2):
            while len(outcome.latencies) < part * total // 3:
                await asyncio.sleep(0.01)
            service.send_signal(signal.SIGKILL)
            service.wait()
            service, _ = await asyncio.to_thread(start, collection, port)
        await work

    asyncio.run(whole())
    service.terminate()
    service.wait()
    return (
        f"Killed with -9 twice under {total:,} requests over 16 connections and started again on "
        f"its port: {len(outcome.latencies):,} answered, {outcome.wrong} wrongly; "
        f"{outcome.broken} connections broke and asked again."
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("collection", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--requests", type=int, default=20_000)
    given = parser.parse_args()
    with Index.open(given.collection) as index:
        encoder = index.encoder
    listed = find_images([given.photos])
    paths = [file.path for file in listed[:: max(1, len(listed) // PICTURES)]][:PICTURES]
    files = [path.read_bytes() for path in paths]
    expected = encoder.encode(paths)
    bodies = [
        b"POST /v1/embed HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/jpeg\r\n"
        b"accept: application/octet-stream\r\ncontent-length: %d\r\n\r\n" % len(data) + data
        for data in files
    ]
    service, port = start(given.collection, 0)
    try:
        asyncio.run(load(port, bodies, expected, 16, 500, Outcome()))  # warm
        rates = [in_process(encoder, files, 4000)]
        outcomes = {}
        for count in CONNECTIONS:
            outcomes[count] = Outcome()
            asyncio.run(load(port, bodies, expected, count, given.requests // 4, outcomes[count]))
        rates.append(in_process(encoder, files, 4000))
    finally:
        service.terminate()
        service.wait()
    rate = statistics.mean(rates)
    print(f"{machine()}\n")
    print(
        f"{given.photos.name}: {len(files)} pictures of {sum(map(len, files)) / len(files):,.0f} "
        f"bytes, encoder {encoder.card.name} at {encoder.image_size} px. In process: "
        f"{rate:,.0f} pictures/s ({rates[0]:,.0f} before, {rates[1]:,.0f} after).\n"
    )
    print(
        "| connections | requests/s | of in-process | p50, ms | p99, ms | 503 | wrong |\n"
        "|---|---|---|---|---|---|---|"
    )
    for count, outcome in outcomes.items():
        per_second = len(outcome.latencies) / outcome.seconds
        p50, p99 = (1000 * np.quantile(outcome.latencies, q) for q in (0.5, 0.99))
        print(
            f"| {count} | {per_second:,.0f} | {per_second / rate:.0%} | {p50:.1f} | {p99:.1f} "
            f"| {outcome.refused} | {outcome.wrong} |"
        )
    answered = sum(len(outcome.latencies) for outcome in outcomes.values())
    broken = sum(outcome.broken for outcome in outcomes.values())
    print(f"\n{answered:,} requests, {broken} broken connections.\n")
    print(under_kills(given.collection, bodies, expected, 4000))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
