"""Damaged pictures, requests, models and catalogues, by the hundred thousand: none may do harm.

    python -m bench.fuzz [--pictures 70000] [--requests 30000] [--models 3000] [--catalogues 500]

Every case is a good file or request with bytes flipped, cut out, repeated, or replaced by numbers
that lengths overflow at, from a seed that names it; one picture in twenty is of `bench.costly`,
made to cost much. Pictures may raise `ImageError`, models and catalogues `ClrSearchError`, requests
may get any answer below 500. No picture may take more memory or time than honest ones of as many
pixels (`allowed`). Each kind runs in a process of its own, whose crash is seen, under an alarm of
ten seconds a case; its memory is read after a quarter of the cases and at the end, and on Linux at
the peak of every case.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import io
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bench.costly import BOUNDED, COSTLY
from bench.machine import machine, peak, reset_peak, resident
from bench.made import clustered, write_noise, write_tiny_encoder, write_vectors
from clr_search import images
from clr_search.errors import ClrSearchError, ImageError
from clr_search.images import structure
from clr_search.images.formats import kind_of

SECONDS = 10
NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


def mutated(good: bytes, chance: random.Random) -> bytes:
    """Damaged in one to a few ways; half of the time near its head, where the sizes are."""
    data = bytearray(good)
    for _ in range(chance.choice([1, 1, 2, 3, 8, 30])):
        reach = len(data) if chance.random() < 0.5 else min(len(data), 128)
        at = chance.randrange(max(reach, 1))
        kind = chance.randrange(6)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << chance.randrange(8)
        elif kind == 1:
            width = chance.choice([1, 2, 4])
            number = chance.choice(NUMBERS) & (256**width - 1)
            data[at : at + width] = number.to_bytes(width, chance.choice(["big", "little"]))
        elif kind == 2:
            del data[at : at + chance.choice([1, 4, 64, 4096])]
        elif kind == 3:
            data[at:at] = data[at : at + chance.choice([1, 4, 64])]
        elif kind == 4:
            data[at:at] = chance.randbytes(chance.choice([1, 4, 64]))
        elif chance.random() < 0.3:
            del data[at:]
    return bytes(data)


def corpus() -> list[bytes]:
    """Good pictures of every format and most of their modes."""
    import pillow_heif
    from PIL import Image

    y, x = np.mgrid[0:48, 0:64].astype(np.uint8)
    rgb = Image.fromarray(np.stack([4 * x, 5 * y, x ^ y], axis=2))
    exif = Image.Exif()
    exif[0x0112] = 6
    ways: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (rgb, "JPEG", {"exif": exif}),
        (rgb, "JPEG", {"progressive": True, "quality": 30}),
        (rgb.convert("CMYK"), "JPEG", {}),
        (rgb.convert("L"), "JPEG", {}),
        (rgb, "PNG", {}),
        (rgb.convert("RGBA"), "PNG", {"exif": exif}),
        (rgb.quantize(16), "PNG", {"transparency": 3}),
        (rgb.convert("1"), "PNG", {}),
        (rgb.quantize(64), "GIF", {"save_all": True, "append_images": [rgb.quantize(8)]}),
        (rgb, "WEBP", {"quality": 60}),
        (rgb.convert("RGBA"), "WEBP", {"lossless": True}),
        (rgb, "TIFF", {"compression": "tiff_lzw"}),
        (rgb.convert("CMYK"), "TIFF", {}),
        (rgb, "BMP", {}),
        (rgb.quantize(16), "BMP", {}),
        (rgb, "AVIF", {"quality": 50}),
    ]
    found = []
    for image, kind, options in ways:
        file = io.BytesIO()
        image.save(file, kind, **options)
        found.append(file.getvalue())
    heic = io.BytesIO()
    pillow_heif.from_pillow(rgb).save(heic, quality=50)
    return [*found, heic.getvalue()]


@contextmanager
def quick() -> Iterator[None]:
    """Not longer than the alarm."""
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)


def allowed(data: bytes) -> tuple[float, float]:
    """Megabytes and seconds that a picture may take: what its size asks for, twice over.

    Of honest pictures, large animated WebPs take the most: 16 bytes a pixel, and of their file a
    copy; progressive JPEGs take longest, some 40 nanoseconds a pixel.
    """
    try:
        promised = structure.check(data, kind_of(data))
    except ImageError:
        promised = None
    pixels = min(promised.width * promised.height, images.MAX_PIXELS) if promised else 0
    return 50 + 2 * (16 * pixels + len(data)) / 1e6, 0.2 + 2 * 40e-9 * pixels


def pictures(folder: Path) -> Callable[[random.Random], str]:
    """Decode, as indexing and the service do, and hold the cost against `allowed`."""
    good = corpus()
    costly = [*COSTLY.values(), *BOUNDED.values()]
    for data in good:  # the first of each kind loads its decoder
        images.decode(data)

    def case(chance: random.Random) -> str:
        if chance.random() < 0.05:
            data = chance.choice(costly)(chance)
            data = mutated(data, chance) if chance.random() < 0.5 else data
        else:
            data = mutated(chance.choice(good), chance)
        most, longest = allowed(data)
        reset_peak()
        before, began = resident(), time.process_time()
        try:
            picture = images.decode(data, at_least=chance.choice([None, 32, 128]))
        except ImageError:
            outcome = "refused"
        else:
            outcome = "read"
            assert picture.pixels.dtype == np.uint8
            assert picture.pixels.ndim == 3
        seconds, grown = time.process_time() - began, peak() - before
        assert grown < most, f"{grown:.0f} MB, {most:.0f} allowed"
        assert seconds < longest, f"{seconds:.2f} s, {longest:.2f} allowed"
        return outcome

    return case


def models(folder: Path) -> Callable[[random.Random], str]:
    """Load an encoder."""
    from clr_search.serve.encoder import Encoder

    good = write_tiny_encoder(folder / "good.onnx").read_bytes()
    path = folder / "damaged.onnx"
    grey = np.full((1, 20, 30, 3), 128, np.uint8)

    def case(chance: random.Random) -> str:
        path.write_bytes(mutated(good, chance))
        try:
            Encoder(path).encode(grey)
        except ClrSearchError:
            return "refused"
        return "read"

    return case


def catalogues(folder: Path) -> Callable[[random.Random], str]:
    """Open a collection whose SQLite file is damaged, search it, list it."""
    from clr_search.index import Index

    rows = clustered(300, 24)
    encoder = write_tiny_encoder(folder / "encoder.onnx", dimension=24)
    good = write_vectors(folder / "good.clr", rows, encoder, [f"{n}.png" for n in range(300)])
    data = (good / "catalog.sqlite").read_bytes()

    def case(chance: random.Random) -> str:
        path = folder / "damaged.clr"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(good, path)
        (path / "catalog.sqlite").write_bytes(mutated(data, chance))
        try:
            with Index.open(path) as index:
                index.search_vector(rows[0], 5)
                index.skipped()
                index.info()
        except ClrSearchError:
            return "refused"
        return "read"

    return case


KINDS = {"pictures": pictures, "models": models, "catalogues": catalogues}


def work(kind: str, count: int, seed: int) -> None:
    """All cases of a kind, in this process; prints what happened as JSON."""
    import warnings

    warnings.simplefilter("ignore")  # Pillow's, of odd tags
    faulthandler.enable()
    found: dict[str, Any] = {"failed": []}
    with tempfile.TemporaryDirectory() as name:
        case = KINDS[kind](Path(name))
        slowest = most = 0.0
        for number in range(count):
            if number == count // 4:
                gc.collect()
                found["before"] = resident()
            reset_peak()
            held, began = resident(), time.perf_counter()
            try:
                with quick():
                    outcome = case(random.Random(f"{kind} {seed} {number}"))
            except Exception as error:  # noqa: BLE001 - whatever comes is what is looked for
                found["failed"].append(f"{number}: {type(error).__name__}: {error}"[:300])
            else:
                found[outcome] = found.get(outcome, 0) + 1
            slowest = max(slowest, time.perf_counter() - began)
            most = max(most, peak() - held)
    gc.collect()
    print(json.dumps(found | {"slowest": slowest, "most": most, "after": resident()}))


def requests(count: int, seed: int) -> dict[str, Any]:
    """Damaged requests to a service in a process of its own."""
    import httpx

    from clr_search.index import Index

    good = corpus()
    found: dict[str, Any] = {"read": 0, "refused": 0, "failed": [], "slowest": 0.0}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        encoder = write_tiny_encoder(folder / "encoder.onnx")
        with Index.create(folder / "c.clr", encoder) as index:
            index.update([write_noise(folder / "pictures", 36)])
        command = [sys.executable, "-m", "clr_search", "serve", folder / "c.clr", "--port", "0"]
        log = (folder / "log").open("w+")
        server = subprocess.Popen(list(map(str, command)), stderr=log, text=True)
        try:
            with httpx.Client(base_url=address(folder / "log"), timeout=SECONDS) as client:
                for number in range(count):
                    if number == count // 4:
                        found["before"] = resident(server.pid)
                    began = time.perf_counter()
                    status = ask(client, good, random.Random(f"requests {seed} {number}"))
                    found["slowest"] = max(found["slowest"], time.perf_counter() - began)
                    if status >= 500:
                        found["failed"].append(f"{number}: {status}")
                    found["read" if status < 300 else "refused"] += status < 500
                found["after"] = resident(server.pid)
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


def apart(kind: str, count: int, seed: int) -> dict[str, Any]:
    """`work` in a process of its own."""
    command = [sys.executable, "-m", "bench.fuzz", "--work", kind, str(count), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return {"failed": [f"the process ended with {done.returncode}: {done.stderr[-600:]}"]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Run all kinds and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    counts = {"pictures": 70_000, "requests": 30_000, "models": 3000, "catalogues": 500}
    for kind, count in counts.items():
        parser.add_argument(f"--{kind}", type=int, default=count)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.work[0], int(given.work[1]), int(given.work[2]))
        return
    print(f"{machine()}\n")
    print(
        "| | cases | read all the same | refused | failed | slowest, s | most memory of a case, MB "
        "| memory after a quarter and at the end, MB |\n|---|" + "---|" * 7
    )
    failed = []
    for kind in counts:
        count = getattr(given, kind)
        found = (
            requests(count, given.seed) if kind == "requests" else apart(kind, count, given.seed)
        )
        failed += [f"{kind} {line}" for line in found["failed"]]
        print(
            f"| {kind} | {count:,} | {found.get('read', 0):,} | {found.get('refused', 0):,} "
            f"| {len(found['failed'])} | {found.get('slowest', 0):.2f} "
            f"| {found.get('most', 0):.0f} "
            f"| {found.get('before', 0):.0f}, {found.get('after', 0):.0f} |",
            flush=True,
        )
    print("\n".join(failed[:50]))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
