r"""A site made by `export-site`: what its vectors lose, and whether browsers see what Python sees.

    python -m bench.site photos.clr --photos flowers5 camera_samples/photos \
        --runtime examples/node

Prints the share of the ten nearest neighbours that stay the same when the vectors are packed, every
picture being searched for among the others; the time of a search in the browser; and the cosine
between the vectors of photos (of many, 200) made in Chromium and by the Python pipeline.
"""

from __future__ import annotations

import argparse
import base64
import functools
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page

from bench.chromium import chromium
from bench.machine import machine
from clr_search.errors import ClrSearchError
from clr_search.files.finding.find import find_images
from clr_search.index import Index
from clr_search.site import Options, export_site, vectors

_LOAD = """async () => {
  const { load } = await import("/clr-search.js");
  window.site = await load("/");
  await site.prepare();
}"""
_EMBED = """async (text) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const began = performance.now();
  try { return [[...await site.embed(new Blob([bytes]))], performance.now() - began]; }
  catch (error) { return error.message; }
}"""
_SEARCH = """() => {
  const times = [];
  for (let number = 0; number < 51; number++) {
    const began = performance.now();
    site.search(site.vector(number % site.count), 24);
    times.push(performance.now() - began);
  }
  return times.sort((a, b) => a - b)[25];
}"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("collection", type=Path)
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--runtime", type=Path, required=True)
    arguments = parser.parse_args()
    print(machine(), "\n")
    with Index.open(arguments.collection) as index, tempfile.TemporaryDirectory() as scratch:
        _print_recall(index)
        options = Options(title="bench", runtime=arguments.runtime)
        written = export_site(index, Path(scratch) / "site", options)
        print(
            f"{written.pictures:,} pictures: {written.total_bytes / 1e6:.1f} MB, of which a visitor"
            f" loads {written.first_bytes / 1e6:.1f} MB, and thumbnails\n"
        )
        with _page(Path(scratch) / "site") as page:
            print(f"one search in the browser: {page.evaluate(_SEARCH):.1f} ms")
            for folder in arguments.photos:
                files = [file.path for file in find_images([folder])]
                print(f"\n{folder.name}: {len(files):,} photos")
                _print_cosines(index, page, files[:: max(1, len(files) // 200)])


def _print_recall(index: Index) -> None:
    _, rows = index.vectors()
    asked = np.random.default_rng(0).permutation(len(rows))[:4000]
    exact = _nearest(rows, rows, asked)
    forms = {
        "float32, exact search": rows,
        "float16": rows.astype(np.float16).astype(np.float32),
        "int8, as packed": vectors.unpack(vectors.pack(rows), len(rows)),
        "4 bits": _rounded(rows, 7),
    }
    print("| vectors | ten nearest that stay |\n|---|---|")
    for name, form in forms.items():
        same = [
            np.isin(a, b).mean() for a, b in zip(exact, _nearest(rows, form, asked), strict=True)
        ]
        print(f"| {name} | {100 * np.mean(same):.2f} % |")
    print()


def _nearest(
    queries: NDArray[np.float32], rows: NDArray[np.float32], asked: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    found = []
    for number in asked:
        scores = rows @ queries[number]
        scores[number] = -2
        found.append(np.argpartition(-scores, 10)[:10])
    return found


def _rounded(rows: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    codes = np.rint(rows * (most / np.abs(rows).max(axis=1, keepdims=True)))
    return np.asarray(codes / np.linalg.norm(codes, axis=1, keepdims=True), np.float32)


@contextmanager
def _page(folder: Path) -> Iterator[Page]:
    """The site in Chromium, its encoder loaded."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.evaluate(_LOAD)
        yield page
    server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None: ...


def _print_cosines(index: Index, page: Page, photos: list[Path]) -> None:
    cosines, times, unread = [], [], []
    for photo in photos:
        try:
            expected = index.encoder.encode(photo)[0]
        except ClrSearchError:
            continue
        told = page.evaluate(_EMBED, base64.b64encode(photo.read_bytes()).decode("ascii"))
        if isinstance(told, str):
            unread.append(f"{photo.name}: {told}")
            continue
        cosines.append((float(expected @ np.asarray(told[0], np.float32)), photo.name))
        times.append(told[1])
    values = [cosine for cosine, _ in cosines]
    print(f"{len(values)} compared, {np.median(times):.0f} ms each in Chromium (median)")
    print(
        f"cosine: median {np.median(values):.5f}, 5 % quantile {np.quantile(values, 0.05):.5f}, "
        f"least {min(values):.5f} ({min(cosines)[1]})"
    )
    for line in unread:
        print(f"not read by Chromium: {line}")


if __name__ == "__main__":
    main()
