"""Pictures under names of every byte, with times and rights of any kind, through every command.

    python -m bench.odd_names --minutes 30 [--seed 0]

A round makes twelve pictures in three folders, whose names share all bytes that a name may have
but for the slash, from a seed; nearly all are no UTF-8. Their times are drawn from all that 64 bits
of nanoseconds and beyond can say, as far as the file system takes them; some are links of one file,
or may not be written. Then every command runs over them, and its files have such a name, too; every
tenth round also trains, exports and studies. What needs other files (import-encoder), draws its own
pictures (demo) or reads none (doctor, completion) is left out. Service and app are asked for every
picture. A command that ends with another exit code than 0, and an answer of 500 or more, is a
failure, and is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from PIL import Image

from bench.machine import machine
from bench.made import write_tiny_encoder

EVERY = bytes(sorted({*range(1, 256)} - {ord("/"), ord(".")}))
"""Every byte that a name may have; a dot at its beginning would hide it."""

NANOSECONDS = [0, 1, -1, -(2**62), 2**63 - 1, 2**63, 9 * 10**18 + 999_999_999, -(10**9) * 86_400]
NANOSECONDS += [10**9 * 15_000_000_000, -(10**9) * 2_000_000_000]  # 2445, and 1906

COMMANDS: dict[str, Sequence[Sequence[str]]] = {
    "build-index": [("p", "--index", "@.clr", "--encoder", "ENCODER", "-v")],
    "add": [("@.clr", "p/r\udcf6t")],
    "search": [
        ("@.clr", "PICTURE"),
        ("@.clr", "p", "--json"),
        ("@.clr", "p", "--out", "@.csv"),
        ("@.clr", "p", "--out", "@.jsonl"),
        ("@.clr", "p", "--out", "@.parquet", "--columns", "path,label,taken"),
        ("@.clr", "PICTURE", "--contact-sheet", "@.png"),
        ("@.clr", "PICTURE", "--label", "r\udcf6t"),
        ("@.clr", "PICTURE", "--under", "p/r\udcf6t"),
        ("@.clr", "PICTURE", "--after", "1200-01-01"),
    ],
    "duplicates": [("@.clr", "--exact"), ("@.clr", "--json", "--threshold", "0.99")],
    "cluster": [("@.clr",), ("@.clr", "--json"), ("@.clr", "--html", "@.html")],
    "map": [("@.clr", "--out", "@.map.png")],
    "export-vectors": [
        ("@.clr", "--out", "@.npz"),
        ("@.clr", "--out", "@.npy", "--paths", "@.txt"),
    ],
    "evaluate": [("@.clr",)],
    "info": [("@.clr", "-v"), ("@.clr", "--json")],
    "probe": [("@.clr", "--out", "@.onnx"), ("p", "--encoder", "ENCODER", "--out", "@2.onnx")],
    "classify": [("@.onnx", "p", "--out", "@.classes.csv"), ("--knn", "@.clr", "p", "--json")],
    "label": [("@.clr", "@.classes.csv")],
    "export-site": [("@.clr", "--out", "@.site")],
    "repair": [("@.clr",)],
    "copy": [("@.clr", "@.copy.clr")],
    "remove": [("@.clr", "p/café")],
    "relocate": [("@.clr", "p", "@.moved")],
}
"""What is run of each command; ``@`` stands for a name of odd bytes."""

_SMALL = ("--epochs", "1", "--image-size", "16", "--width", "0.25", "--batch-size", "8")
TRAINING: dict[str, Sequence[Sequence[str]]] = {
    "train": [("p", "--out", "@.run", *_SMALL), ("p", "--out", "@.run", "--resume")],
    "export": [("@.run", "--out", "@3.onnx")],
    "study": [("colour", "--images", "p", "--out", "@.study", "--seeds", "1", *_SMALL)],
}
"""Commands that need torch, and seconds."""


def odd_pictures(folder: bytes, seed: int) -> list[bytes]:
    """Writes four pictures to each of three classes, under names of all bytes, at any time."""
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    letters = list(EVERY)
    rng.shuffle(letters)
    cut = len(letters) // 12
    names = [bytes(letters[at * cut : (at + 1) * cut]) for at in range(12)]
    written = []
    for at, name in enumerate(names):
        place = folder + b"/" + [b"r\xf6t", b"'\"%s{0}\n", "café".encode()][at % 3]
        Path(os.fsdecode(place)).mkdir(parents=True, exist_ok=True)
        path = place + b"/" + name + b".png"
        Image.fromarray(noise.integers(0, 255, (24, 24, 3), np.uint8)).save(os.fsdecode(path))
        moment = rng.choice(NANOSECONDS)
        try:
            os.utime(path, ns=(moment, moment))
        except (OSError, OverflowError):  # beyond what this file system has
            os.utime(path, ns=(0, NANOSECONDS[-2]))
        written.append(path)
    return written


def _stranger(pictures: Sequence[bytes], rng: random.Random) -> None:
    """Gives pictures further times, rights and links."""
    for path in pictures:
        moment = rng.randrange(-(2**63), 2**63) // 10 ** rng.randrange(19)
        try:
            os.utime(path, ns=(rng.randrange(2**63), moment))
        except (OSError, OverflowError):
            continue
        os.chmod(path, 0o400 | rng.randrange(0o10000) & 0o7777)  # noqa: PTH101  # bytes
    os.link(pictures[0], pictures[0][:-4] + b"2.png")
    os.symlink(pictures[1].rpartition(b"/")[2], pictures[1][:-4] + b"3.png")  # noqa: PTH211
    for number in range(6):  # a study needs five of a class
        source = pictures[number]
        shutil.copyfile(source, source[:-4] + b"%d.png" % (4 + number))


class Rounds:
    """Runs rounds, and counts what is run and what fails."""

    def __init__(self, folder: Path) -> None:
        from clr_search.cli.main import main

        self._main, self._runner, self._folder = main, CliRunner(), folder
        self.ran: Counter[str] = Counter()
        self.failed: list[str] = []

    def run(self, seed: int, *, trains: bool) -> None:
        """One round, in a folder of its own."""
        rng = random.Random(seed)
        home = self._folder / str(seed)
        home.mkdir()
        os.chdir(home)
        pictures = odd_pictures(b"p", seed)
        _stranger(pictures, rng)
        out = os.fsdecode(bytes(rng.sample(EVERY, 12)))
        if out.startswith(("-", "@", "~")):
            out = "x" + out
        given = {"ENCODER": str(self._folder / "tiny.onnx"), "PICTURE": os.fsdecode(pictures[0])}
        for name, calls in (TRAINING if trains else {}).items():
            self._calls(seed, name, calls, out, given)
        for name, calls in COMMANDS.items():
            if name == "remove":
                self._served(seed, f"./{out}.clr")
            if name == "relocate":
                Path("p").rename(f"{out}.moved")
            self._calls(seed, name, calls, out, given)
        os.chdir(self._folder)
        shutil.rmtree(home)

    def _calls(
        self, seed: int, name: str, calls: Sequence[Sequence[str]], out: str, given: dict[str, str]
    ) -> None:
        for arguments in calls:
            spelt = [name, *(given.get(part, part.replace("@", f"./{out}")) for part in arguments)]
            done = self._runner.invoke(self._main, spelt)
            self.ran[name] += 1
            if done.exit_code or "unexpected" in done.output:
                self.failed.append(f"round {seed}, {spelt!r}: {done.exit_code}: {done.output!r}")

    def _served(self, seed: int, collection: str) -> None:
        """Asks service and app for every picture."""
        from clr_search.app.library.asked import Search
        from clr_search.app.library.library import Library
        from clr_search.app.library.tiles import Tiles
        from clr_search.app.library.uploads import Uploads
        from clr_search.errors import ClrSearchError
        from clr_search.index import Index
        from clr_search.web.tile_store import TileStore

        with Index.open(collection) as index:
            answers = asyncio.run(_asked(index))
            self.ran["serve"] += len(answers)
            self.failed += [f"round {seed}: {one}" for one in answers if not one.startswith("200")]
            library = Library(index, Uploads(Path(collection)))
            tiles = Tiles(library, TileStore(None))
            rows = library.rows(library.listing(Search()).ids.tolist())
            self.ran["app"] += len(rows)
            for row in rows:
                try:
                    tiles.thumbnail(row["id"])
                except ClrSearchError as error:
                    self.failed.append(f"round {seed}: the app does not show {row}: {error}")
            library.close()


async def _asked(index: object) -> list[str]:
    """Status and path of a search from, and the thumbnail of, every item."""
    import httpx

    from clr_search.index import Index
    from clr_search.server.routes import Service, create_app

    assert isinstance(index, Index)
    app = create_app(Service(index))
    answers = []
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for number in index.ids():
                found = await client.post("/v1/search", json={"ids": [number]})
                drawn = await client.get(f"/v1/items/{number}/thumbnail")
                answers += [f"{one.status_code} {one.url.path}" for one in (found, drawn)]
    return answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    ends = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tiny_encoder(folder / "tiny.onnx")
        rounds = Rounds(folder)
        number = 0
        while time.monotonic() < ends:
            rounds.run(options.seed + number, trains=number % 10 == 0)
            number += 1
    print(machine())
    print(f"\n{number:,} rounds, {20 * number:,} names, {len(rounds.failed):,} failures\n")
    print("| command | calls or answers |\n|---|---|")
    for command, count in sorted(rounds.ran.items()):
        print(f"| {command} | {count:,} |")
    print(f"| all | {rounds.ran.total():,} |")
    for failure in rounds.failed:
        print(f"\n{failure}")


if __name__ == "__main__":
    main()
