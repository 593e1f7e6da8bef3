"""What makes a better embedding of the same network, one thing at a time.

    python -m bench.default_encoder.variants DATA [--init default] [--image-size 96]

DATA holds `flowers5` and `imagenette128`. Axes for whitening are measured on every other training
picture of Imagenette, labels unused; queries are all flowers, and every other validation picture of
Imagenette, each among the others of its set. R@1, P@10 and kNN in per cent.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.machine import machine
from clr_search import images
from clr_search.evaluate.retrieval import leave_one_out
from clr_search.export import descriptor
from clr_search.files.finding.find import find_images
from clr_search.train import TrainConfig
from clr_search.train.methods.network import build_networks
from clr_search.train.network.initial import continued, load_initial
from clr_search.train.network.model import Encoder
from clr_search.train.settings.choices import resolve

Vectors = NDArray[np.float32]

_BATCH = 128


class Features(NamedTuple):
    """Of pictures, float32 [N, …]: what an embedding can be made of."""

    h: Vectors
    mirrored: Vectors
    generalised: Vectors
    largest: Vectors
    stages: Vectors
    z: Vectors


def network(init: str) -> tuple[Encoder, torch.nn.Module]:
    """Encoder and projection head of weights, in evaluation mode."""
    config = resolve(continued(TrainConfig(init=init, batch_size=64, epochs=1)), 1000, 128)
    networks = build_networks(config)
    load_initial(networks, config)
    networks.eval()
    encoder = networks["encoder"]
    assert isinstance(encoder, Encoder)
    return encoder, networks["head"]


@torch.inference_mode()
def features(
    encoder: Encoder, head: torch.nn.Module, folder: Path, size: int, step: int
) -> tuple[Features, list[str | None]]:
    """Of every `step`-th picture of a folder, and their labels."""
    files = find_images([folder])[::step]
    parts: list[tuple[Tensor, ...]] = []
    for start in range(0, len(files), _BATCH):
        squares = [
            images.decode_square(images.read(file.path)[0], size).pixels
            for file in files[start : start + _BATCH]
        ]
        pixels = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float() / 255
        last = encoder.maps(pixels)[-1]
        h = last.mean(dim=(2, 3))
        parts.append(
            (
                h,
                (h + encoder(pixels.flip(3))) / 2,
                last.clamp(min=1e-6).pow(3).mean(dim=(2, 3)).pow(1 / 3),
                last.amax(dim=(2, 3)),
                descriptor.stage_features(encoder, pixels),
                head(h),
            )
        )
    return Features(*(torch.cat(one).numpy() for one in zip(*parts, strict=True))), [
        file.label for file in files
    ]


def whitened(on: Vectors, power: float, length: int | None = None) -> Callable[[Vectors], Vectors]:
    """A turn to principal axes that are divided by variance^(power / 2)."""
    mean = on.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov((on - mean).T))
    length = length or len(variances)
    variances, axes = variances[::-1][:length], axes[:, ::-1][:, :length]
    turn = axes / np.maximum(variances, 1e-6 * variances[0]) ** (power / 2)
    return lambda rows: ((rows - mean) @ turn).astype(np.float32)


def variants(on: Features, own: Features) -> Sequence[tuple[str, Callable[[Features], Vectors]]]:
    """Names and embeddings."""
    length = on.h.shape[1]
    rows: list[tuple[str, Callable[[Features], Vectors]]] = [
        ("h", lambda f: f.h),
        ("h, mean with that of the mirror image", lambda f: f.mirrored),
        ("h by generalised mean, p = 3", lambda f: f.generalised),
        ("h by the maximum", lambda f: f.largest),
        ("z, behind the projection head", lambda f: f.z),
    ]
    for power in (0.0, 0.25, 0.5, 0.75, 1.0):
        turn = whitened(on.h, power)
        name = f"h, whitened by {power:g}" if power else "h, centred"
        rows.append((name, lambda f, turn=turn: turn(f.h)))  # type: ignore[misc]
    gem = whitened(on.generalised, 0.5)
    rows.append(("h by generalised mean, whitened by 0.5", lambda f: gem(f.generalised)))
    rows.append(("three stages", lambda f: f.stages))
    generator = np.random.default_rng(0)
    few = on.stages[generator.choice(len(on.stages), 300, replace=False)]
    for name, rest in (
        (f"three stages, whitened by 0.5, {length} numbers", whitened(on.stages, 0.5, length)),
        (f"the same, all {on.stages.shape[1]} numbers", whitened(on.stages, 0.5)),
        (f"the same {length}, axes of 300 pictures", whitened(few, 0.5, length)),
        (f"the same {length}, axes of the flowers", whitened(own.stages, 0.5, length)),
    ):
        rows.append((name, lambda f, turn=rest: turn(f.stages)))  # type: ignore[misc]
    return rows


def unit(rows: Vectors) -> Vectors:
    """Of length 1."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12), np.float32)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--init", default="default")
    parser.add_argument("--image-size", type=int, default=96)
    given = parser.parse_args()
    encoder, head = network(given.init)
    size = given.image_size
    on, _ = features(encoder, head, given.data / "imagenette128/train", size, 2)
    flowers, flower_labels = features(encoder, head, given.data / "flowers5", size, 1)
    val, val_labels = features(encoder, head, given.data / "imagenette128/val", size, 2)
    print(f"{machine()}\n")
    print("| | flowers5 R@1 | P@10 | kNN | Imagenette R@1 | P@10 | kNN |\n|---|" + "---|" * 6)
    for name, embed in variants(on, flowers):
        cells = []
        for found, labels in ((flowers, flower_labels), (val, val_labels)):
            score = leave_one_out(unit(embed(found)), labels)
            cells += [score.recall_at_1, score.precision_at_10, score.knn_accuracy]
        print(f"| {name} | " + " | ".join(f"{100 * cell:.1f}" for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
