"""Training and measuring the cells of an experiment, one by one, each result kept on disk.

::

    out/cells/<experiment>/<cell>-seed<n>.json    settings, pictures and measures of one training

A result is used again if settings and pictures are the same; so a study that was cut off goes on
with the first cell it has no result of.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clr_search.errors import UsageError
from clr_search.files.find import ImageFile, find_images
from clr_search.files.write import sha256_bytes, write_atomically
from clr_search.progress import Reporter, Silent
from clr_search.train.data.augment import apply
from clr_search.train.data.collection import Collection, resident
from clr_search.train.data.decode import decode_collection
from clr_search.train.data.draws import draw
from clr_search.train.hardware import tuned_for
from clr_search.train.interruption import Interruption
from clr_search.train.losses.nt_xent import nt_xent
from clr_search.train.monitor.evaluate import features, knn_accuracy_on, linear_accuracy_on
from clr_search.train.rng import generator_for
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.study.design import Cell, Experiment
from clr_search.train.trainer import Trainer

CONTRASTED = 256
"""Test pictures that contrastive accuracy and entropy are measured on."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Decoded pictures to train on, and others to test on, all with labels."""

    train: Collection
    test: Collection


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one training.

    Attributes
    ----------
    cell : str
        Its name.
    seed : int
        Of network, order and views.
    measures : dict of str to float
        See `measure`.
    seconds : float
        Of training and measuring.
    """

    cell: str
    seed: int
    measures: dict[str, float]
    seconds: float


def pictures(
    images: Sequence[Path],
    test: Sequence[Path],
    *,
    limit: int,
    side: int,
    reporter: Reporter | None = None,
) -> Pictures:
    """Find and decode pictures; the same number of each class, in an order that seems random.

    Parameters
    ----------
    images, test : sequence of path
        Folders whose folders are classes. Without `test`, a fifth of each class is kept aside.
    limit : int
        Most pictures to train on; at most half as many are tested on.
    side : int
        At which they are kept.
    reporter : Reporter, optional
        Progress.

    Raises
    ------
    UsageError
        If there are fewer than two classes, or a class of fewer than 5 pictures.
    """
    reporter = reporter or Silent()
    train_files = _by_class(find_images(images))
    if test:
        test_files = _by_class(find_images(test))
    else:
        test_files = {label: files[: len(files) // 5] for label, files in train_files.items()}
        train_files = {label: files[len(files) // 5 :] for label, files in train_files.items()}
    if len(train_files) < 2 or set(train_files) != set(test_files):
        raise UsageError(
            "A study needs pictures in folders that are classes, at least two of them, the same "
            "ones to train and to test on.",
            "Sort pictures into one folder a class.",
        )
    if min(map(len, train_files.values())) < 4 or min(map(len, test_files.values())) < 1:
        raise UsageError("A study needs at least 5 pictures a class.", "Give more pictures.")
    chosen = (_balanced(train_files, limit), _balanced(test_files, max(1, limit // 2)))
    collections = [decode_collection(f, side, "memory", Path(), reporter) for f in chosen]
    return Pictures(*collections)


def _by_class(files: Sequence[ImageFile]) -> dict[str, list[ImageFile]]:
    members: defaultdict[str, list[ImageFile]] = defaultdict(list)
    for file in files:
        if file.label is not None:
            members[file.label].append(file)
    return {
        label: sorted(group, key=lambda file: sha256_bytes(file.relative.encode()))
        for label, group in members.items()
    }


def _balanced(files: dict[str, list[ImageFile]], limit: int) -> list[ImageFile]:
    each = max(1, limit // len(files))
    return [file for label in sorted(files) for file in files[label][:each]]


def run(
    experiment: Experiment,
    found: Pictures,
    out: Path,
    *,
    seeds: int,
    reporter: Reporter | None = None,
) -> list[Result] | None:
    """Train and measure what there is no result of yet.

    Parameters
    ----------
    experiment : Experiment
        What to compare.
    found : Pictures
        To train and test on.
    out : Path
        Folder of the study.
    seeds : int
        Trainings a cell.
    reporter : Reporter, optional
        Progress.

    Returns
    -------
    list of Result or None
        One for each cell and seed; None if a signal stopped it before the end.
    """
    reporter = reporter or Silent()
    results, jobs = [], [(cell, seed) for seed in range(seeds) for cell in experiment.cells]
    with Interruption() as interruption:
        for number, (cell, seed) in enumerate(jobs, start=1):
            config = resolve(replace(cell.config, seed=seed, knn_every=0), len(found.train))
            path = out / "cells" / experiment.name / f"{_slug(cell.name)}-seed{seed}.json"
            facts = _facts(config, found)
            result = _stored(path, facts)
            if result is None:
                reporter.message(
                    f"{experiment.name}, {number} of {len(jobs)}: {cell.name}, seed {seed}"
                )
                result = _train(cell, config, found, reporter, lambda: interruption.requested)
                if result is None:
                    return None
                write_atomically(path, json.dumps(facts | asdict(result), indent=1) + "\n")
            results.append(result)
    return results


def _slug(name: str) -> str:
    return re.sub(r"[^\w+-]+", "-", name.replace("τ", "t")).strip("-")


def _facts(config: ResolvedConfig, found: Pictures) -> dict[str, Any]:
    pictures_sha256 = sha256_bytes(f"{found.train.fingerprint} {found.test.fingerprint}".encode())
    return {"config": json.loads(config.to_json()), "pictures_sha256": pictures_sha256}


def _stored(path: Path, facts: dict[str, Any]) -> Result | None:
    try:
        known = json.loads(path.read_text("utf-8"))
        if {name: known[name] for name in facts} != facts:
            return None
        return Result(known["cell"], known["seed"], known["measures"], known["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _train(
    cell: Cell,
    config: ResolvedConfig,
    found: Pictures,
    reporter: Reporter,
    stop: Callable[[], bool],
) -> Result | None:
    began = time.monotonic()
    with tuned_for(config.device), tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(Path(folder), config, resident(found.train, config.device), reporter)
        if not trainer.run(stop):
            return None
        measures = measure(trainer.networks, config, found)
    return Result(cell.name, config.seed, measures, time.monotonic() - began)


def measure(networks: nn.ModuleDict, config: ResolvedConfig, found: Pictures) -> dict[str, float]:
    """How good the representations are.

    Returns
    -------
    dict of str to float
        "linear h", "kNN h", "linear z": accuracy on the test pictures in per cent. "contrastive":
        share of views of test pictures, in per cent, whose nearest other view is the partner.
        "entropy": of the softmax over the other views, in nats.
    """
    device = torch.device(config.device)
    networks.eval()
    whole = nn.Sequential(networks["encoder"], networks["head"])
    sides = {}
    for name, module in (("h", networks["encoder"]), ("z", whole)):
        sides[name] = [
            features(module, part, torch.arange(len(part)), config.image_size, device)
            for part in (found.train, found.test)
        ]
    labels = [part.labels.to(device) for part in (found.train, found.test)]
    (h_train, h_test), (z_train, z_test) = sides["h"], sides["z"]
    accuracy, entropy = contrast(whole, config, found.test)
    return {
        "linear h": 100 * linear_accuracy_on(h_train, labels[0], h_test, labels[1]),
        "kNN h": 100 * knn_accuracy_on(h_train, labels[0], h_test, labels[1]),
        "linear z": 100 * linear_accuracy_on(z_train, labels[0], z_test, labels[1]),
        "contrastive": 100 * accuracy,
        "entropy": entropy,
    }


@torch.inference_mode()
def contrast(
    network: nn.Module, config: ResolvedConfig, collection: Collection
) -> tuple[float, float]:
    """Contrastive accuracy and entropy (Table 5) of z on some pictures, always the same views."""
    device = torch.device(config.device)
    order = torch.randperm(len(collection), generator=generator_for(0, "contrast"))
    indices = order[:CONTRASTED]
    draws = draw(
        collection.aspects[indices].repeat(2),
        config.augmentation,
        generator_for(0, "contrast views"),
    )
    pixels = collection.take(indices).to(device)
    z1, z2 = network(apply(pixels, draws, config.augmentation, config.image_size)).float().chunk(2)
    objective = nt_xent(z1, z2, config.temperature, normalise=config.normalise)
    return float(objective.accuracy), float(softmax_entropy(torch.cat([z1, z2]), config))


def softmax_entropy(z: Tensor, config: TrainConfig) -> Tensor:
    """Mean entropy, in nats, of the softmax of each view over all others by similarity over τ."""
    z = F.normalize(z, dim=1) if config.normalise else z
    logits = z @ z.T / config.temperature
    logits.fill_diagonal_(-torch.inf)
    shares = logits.softmax(dim=1)
    entropy: Tensor = -torch.special.xlogy(shares, shares).sum(dim=1).mean()
    return entropy
