"""Damaged requests to a service in a process of its own."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.fuzz.damage import corpus, mutated
from bench.fuzz.running import PATIENCE, Found
from bench.machine import resident
from bench.made import write_noise, write_tiny_encoder


def requests(count: int, seed: int) -> Found:
    """Damaged requests to a service in a process of its own."""
    import httpx

    from clr_search.index import Index

    good = corpus()
    found = Found()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        encoder = write_tiny_encoder(folder / "encoder.onnx")
        with Index.create(folder / "c.clr", encoder) as index:
            index.update([write_noise(folder / "pictures", 36)])
        command = [sys.executable, "-m", "clr_search", "serve", folder / "c.clr", "--port", "0"]
        log = (folder / "log").open("w+")
        server = subprocess.Popen(list(map(str, command)), stderr=log, text=True)
        try:
            with httpx.Client(base_url=address(folder / "log"), timeout=PATIENCE) as client:
                for number in range(count):
                    if number == count // 4:
                        found.before = resident(server.pid)
                    began = time.perf_counter()
                    status = ask(client, good, random.Random(f"requests {seed} {number}"))
                    found.slowest = max(found.slowest, time.perf_counter() - began)
                    if status >= 500:
                        found.failed.append(f"{number}: {status}")
                    found.read += status < 300
                    found.refused += 300 <= status < 500
                found.after = resident(server.pid)
                assert client.get("/readyz").status_code == 200
            assert server.poll() is None
        finally:
            server.terminate()
            server.wait(30)
    return found


def ask(client: Any, good: list[bytes], chance: random.Random) -> int:
    """One request; its status, 400 where it was no HTTP at all."""
    import httpx

    picture = mutated(chance.choice(good), chance)
    query = json.dumps({"k": 3, "ids": [1], "filter": {"under": "a"}, "vector": [0.5, 1]}).encode()
    kind = chance.randrange(5)
    try:
        if kind == 0:
            answer = client.post(
                "/v1/embed", content=picture, headers={"content-type": "image/png"}
            )
        elif kind == 1:
            answer = client.post("/v1/search", files={"image": ("a.jpg", picture)}, data={"k": "2"})
        elif kind == 2:
            headers = {"content-type": "application/json"}
            answer = client.post("/v1/search", content=mutated(query, chance), headers=headers)
        elif kind == 3:
            body = b'--x\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\n'
            body = mutated(body + picture + b"\r\n--x--\r\n", chance)
            headers = {"content-type": "multipart/form-data; boundary=x"}
            answer = client.post("/v1/embed", content=body, headers=headers)
        else:
            path = mutated(b"/v1/items/1/thumbnail?size=32", chance).decode("latin-1")
            answer = client.get(path)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError):
        return 400
    return int(answer.status_code)


def address(log: Path) -> str:
    """Of the service that writes this log."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for word in log.read_text().split():
            if word.startswith("http://"):
                return word.rstrip("/.,")
        time.sleep(0.1)
    raise SystemExit(f"The service has not started: {log.read_text()}")
