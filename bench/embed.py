"""Photos on disk to vectors: ours, torch, clip-retrieval's reader, a naive loop, and the ceiling.

    python -m bench.embed camera_samples/photos --run run --encoder encoder.onnx --times 5

All embed the same files with the same network: `--run` is the run that `--encoder` was exported
from, at the same size, as fp32 and without --whiten, so that torch computes the same vectors; this
is checked.

- ours: `serve.pipeline.embed_files`;
- torch: DataLoader with a worker a core, torchvision's decode_image where it reads the file, else
  Pillow, resize of the central square, the network in inference mode, channels-last, batch 64;
- clip-retrieval: its own `FilesReader`, a DataLoader over Pillow, with a worker a core and batch 64
  as above and the transform that CLIP has there, but bilinear and without CLIP's mean; its batches
  go to the same network. Only its module `clip_inference/reader.py` is loaded, for the package
  wants numpy below 2 and much else. It does not turn pictures by their EXIF. Where it is not
  installed (`pip install --no-deps clip-retrieval`), the row says so;
- naive: one file after the other, Pillow and ONNX Runtime with its defaults;
- the ceiling: core-seconds of decoding alone (one thread a core) and of inference alone (ONNX
  Runtime on all cores), added: no arrangement of the two can be faster on these cores.

They take turns, `--times` rounds; the medians are told.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms import v2

from bench.machine import machine
from clr_search import images
from clr_search.cores import usable_cores
from clr_search.errors import ImageError
from clr_search.files.finding.find import find_images
from clr_search.serve.encoder import Encoder
from clr_search.serve.pipeline import Embedded, embed_files
from clr_search.train import load_run

BATCH = 64

Vectors = NDArray[np.float32]


class Photos(Dataset[torch.Tensor]):
    """As a torch user writes it: decode, central square, resize with antialiasing."""

    def __init__(self, files: Sequence[Path], size: int) -> None:
        self._files = files
        self._transform = v2.Compose(
            [v2.Resize(size, antialias=True), v2.CenterCrop(size), v2.ToDtype(torch.float32, True)]
        )

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, number: int) -> torch.Tensor:
        from torchvision.io import ImageReadMode, decode_image

        path = str(self._files[number])
        pixels = decode_image(path, ImageReadMode.RGB, apply_exif_orientation=True)
        found: torch.Tensor = self._transform(pixels)
        return found


def ours(encoder: Encoder, files: Sequence[Path]) -> Vectors:
    """The pipeline of `build-index`."""
    found = [one for batch in embed_files(encoder, files) for one in batch]
    return np.stack([one.vector for one in found if isinstance(one, Embedded)])


@torch.inference_mode()
def by_torch(network: torch.nn.Module, files: Sequence[Path], size: int) -> Vectors:
    """DataLoader and network."""
    loader = DataLoader(Photos(files, size), BATCH, num_workers=usable_cores())
    rows = [
        F.normalize(network(batch.contiguous(memory_format=torch.channels_last)), dim=1)
        for batch in loader
    ]
    return torch.cat(rows).numpy()


def clip_retrieval() -> ModuleType | None:
    """The reader of clip-retrieval, where it is installed, without the rest of the package."""
    found = importlib.util.find_spec("clip_retrieval")
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0]) / "clip_inference" / "reader.py"
    spec = importlib.util.spec_from_file_location("clip_retrieval_reader", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@torch.inference_mode()
def by_clip_retrieval(
    reader: ModuleType, network: torch.nn.Module, folder: Path, files: Sequence[Path], size: int
) -> Vectors:
    """Its reader, and the same network; the files in our order, since vectors are compared."""
    keys = [path.relative_to(folder).as_posix() for path in files]
    transform = transforms.Compose(
        [
            transforms.Resize(size, transforms.InterpolationMode.BILINEAR),
            transforms.CenterCrop(size),
            lambda picture: picture.convert("RGB"),
            transforms.ToTensor(),
        ]
    )
    batches = reader.FilesReader(
        lambda _: keys, transform, None, folder, BATCH, usable_cores(), enable_text=False
    )
    rows = [
        F.normalize(
            network(batch["image_tensor"].contiguous(memory_format=torch.channels_last)), dim=1
        )
        for batch in batches
    ]
    return torch.cat(rows).numpy()


def naive(encoder: Path, files: Sequence[Path]) -> Vectors:
    """What the first example in any tutorial does."""
    import onnxruntime
    from PIL import Image, ImageOps

    session = onnxruntime.InferenceSession(encoder, providers=["CPUExecutionProvider"])
    rows = []
    for path in files:
        with Image.open(path) as picture:
            pixels = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
        rows.append(session.run(["embedding"], {"images": pixels[None]})[0][0])
    return np.stack(rows)


def decoding(files: Sequence[Path], size: int) -> NDArray[np.uint8]:
    """All squares, one thread a core."""
    with ThreadPoolExecutor(usable_cores()) as pool:
        squares = pool.map(lambda path: images.decode_square(images.read(path)[0], size), files)
        return np.stack([square.pixels for square in squares])


def usable(folder: Path) -> list[Path]:
    """Files that everybody can read: what one of them refuses would spoil the comparison."""
    found = []
    for file in find_images([folder]):
        try:
            images.load(file.path, at_least=64)
            Photos([file.path], 64)[0]
        except (ImageError, RuntimeError):
            continue
        found.append(file.path)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=1, help="go over the files so many times")
    given = parser.parse_args()
    encoder = Encoder(given.encoder)
    size = encoder.image_size
    trained = load_run(given.run).encoder.float().eval()
    network = trained.to(memory_format=torch.channels_last)
    files = usable(given.photos) * given.repeat
    squares = decoding(files, size)
    reader, theirs = clip_retrieval(), "clip-retrieval's reader"
    ways: dict[str, Callable[[], Any]] = {
        "ours": lambda: ours(encoder, files),
        "torch, DataLoader": lambda: by_torch(network, files, size),
        "naive loop": lambda: naive(given.encoder, files),
    }
    if reader is not None:
        ways[theirs] = lambda: by_clip_retrieval(reader, network, given.photos, files, size)
    pipelines = list(ways)
    ways |= {
        "decoding alone": lambda: decoding(files, size),
        "inference alone": lambda: [
            encoder.encode_squares(squares[at : at + BATCH]) for at in range(0, len(files), BATCH)
        ],
    }
    results = {name: way() for name, way in ways.items()}  # warm: files cached, sessions made
    agreement = {
        name: float((results["ours"] * results[name]).sum(axis=1).mean()) for name in pipelines[1:]
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.times):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - began)
    middle = {name: statistics.median(seconds) for name, seconds in taken.items()}
    ceiling = middle["decoding alone"] + middle["inference alone"]
    sides = sorted(min(p.width, p.height) for p in map(images.load, set(files)))
    print(f"{machine()}\n")
    print(
        f"{given.photos.name}: {len(files):,} files, shorter side {sides[len(sides) // 2]:,} px "
        f"in the median, seen at {size} px; median of {given.times} rounds\n"
    )
    print("| | images/s | ours is | mean cosine to ours |\n|---|---|---|---|")
    for name in pipelines:
        ratio = "" if name == "ours" else f"{middle[name] / middle['ours']:.2f}×"
        cosine = "" if name == "ours" else f"{agreement[name]:.4f}"
        print(f"| {name} | {len(files) / middle[name]:,.0f} | {ratio} | {cosine} |")
    if reader is None:
        print(f"| {theirs} | not installed | | |")
    print(f"| ceiling | {len(files) / ceiling:,.0f} | {ceiling / middle['ours']:.0%} of it | |")
    print(
        f"\nThe ceiling: {1000 * middle['decoding alone'] / len(files):.2f} ms a picture for "
        f"decoding and {1000 * middle['inference alone'] / len(files):.2f} ms for inference, each "
        "on all cores."
    )


if __name__ == "__main__":
    main()
