"""fp32, fp16 and int8 side by side: size, speed, and what they find.

    python -m bench.precision flowers5 --elsewhere imagenette128/train --encoder default --times 15

All are made of one encoder, whose weights are fp32 first: those of the file, widened where they are
fp16. int8 is calibrated on 256 of the pictures, as `export --calibrate` does, and in variants that
differ in one thing each; one is calibrated on pictures from `--elsewhere`.

- cosine, recall@10: to the vectors of fp32, over all pictures; recall@10 is the share of the ten
  nearest neighbours of fp32 that are still among the ten nearest;
- R@1, P@10: leave-one-out with the folders as labels, per cent;
- images/s: pictures that are cut to squares already, through ONNX Runtime with the options of
  `serve`, one at a time and 32 at a time. All take turns, `--times` rounds; the quickest counts.
  Beside it, milliseconds of all cores together, also of the quickest turn, and how many times less
  that is than for fp32: other work on the machine, which takes cores away, changes it least;
- where the time goes: ONNX Runtime's own profile, one thread, 32 at a time, the quickest of 30 runs
  of each node, added by kind of node.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from bench.machine import machine
from clr_search.contract.model_file import IMAGES, read_model
from clr_search.contract.runtime import open_session, vectors
from clr_search.contract.shipped import encoder_named
from clr_search.errors import ClrSearchError, ImageError
from clr_search.evaluate.retrieval import leave_one_out
from clr_search.export.precision import drift, halved, widened
from clr_search.export.quantize import Scheme, quantized
from clr_search.export.sample import draw
from clr_search.files.finding.find import find_images
from clr_search.files.finding.image_file import ImageFile
from clr_search.images import decode_square, read
from clr_search.progress import Silent

BATCHES = (1, 32)
PROFILED_RUNS = 30

VARIANTS = {
    "one scale a tensor": Scheme(per_channel=False),
    "weights in 7 bits (reduce_range)": Scheme(reduce_range=True),
    "weights unsigned (U8U8)": Scheme(weights="uint8"),
    "activations signed (S8S8)": Scheme(activations="int8"),
    "ranges: extremes of all (MinMax)": Scheme(ranges="minmax"),
    "ranges: percentile 99.99": Scheme(ranges="percentile"),
    "ranges: entropy": Scheme(ranges="entropy"),
    "first convolution in 8 bits, too": Scheme(in_float=0),
    "last convolution in float": Scheme(last_in_float=True),
    "two first convolutions in float": Scheme(in_float=2),
}


class Made(NamedTuple):
    """An encoder to measure: the file, a session, and the vectors of the pictures."""

    data: bytes
    session: Any
    vectors: NDArray[np.float32]


def squares_of(files: Sequence[ImageFile], size: int) -> tuple[NDArray[np.uint8], list[str | None]]:
    """Squares and labels of the pictures that can be read."""
    found, labels = [], []
    for file in files:
        try:
            found.append(decode_square(read(file.path)[0], size).pixels)
        except ImageError:
            continue
        labels.append(file.label)
    return np.stack(found), labels


def make_all(
    model: onnx.ModelProto, near: NDArray[np.uint8], far: NDArray[np.uint8] | None
) -> dict[str, onnx.ModelProto]:
    """The encoder in all precisions."""
    made = {"fp32": model, "fp16": halved(model), "int8": quantized(model, near)}
    if far is not None:
        made["int8, calibrated elsewhere"] = quantized(model, far)
    for name, scheme in VARIANTS.items():
        made[name] = quantized(model, near, scheme)
    return made


def measured(
    models: dict[str, onnx.ModelProto], pictures: NDArray[np.uint8]
) -> tuple[dict[str, Made], dict[str, str]]:
    """What can be opened, with its vectors; and why the rest cannot."""
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail

    found: dict[str, Made] = {}
    refused: dict[str, str] = {}
    for name, model in models.items():
        data = model.SerializeToString()
        try:
            session = open_session(data)
        except Fail as error:
            refused[name] = str(error).splitlines()[0]
            continue
        found[name] = Made(data, session, vectors(session, pictures))
    return found, refused


def rates(
    made: dict[str, Made], pictures: NDArray[np.uint8], times: int
) -> dict[tuple[str, int], tuple[float, float]]:
    """Seconds and core-seconds a picture, by name and batch: the least of `times` turns."""
    least = dict.fromkeys([(n, b) for n in made for b in BATCHES], (float("inf"), float("inf")))
    for turn in range(times):
        for name, one in made.items():
            for batch in BATCHES:
                start = turn * 32 % (len(pictures) - 64)
                parts = [pictures[at : at + batch] for at in range(start, start + 64, batch)]
                began, cores_began = time.perf_counter(), time.process_time()
                for part in parts:
                    one.session.run(None, {IMAGES: part})
                taken = time.perf_counter() - began, time.process_time() - cores_began
                before = least[name, batch]
                least[name, batch] = min(before[0], taken[0] / 64), min(before[1], taken[1] / 64)
    return least


def profile(data: bytes, pictures: NDArray[np.uint8]) -> dict[str, float]:
    """Microseconds a picture by kind of node, on one thread; see above."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        for _ in range(PROFILED_RUNS):
            session.run(None, {IMAGES: pictures})
        events = json.loads(Path(session.end_profiling()).read_text())
    nodes: dict[tuple[str, str], float] = defaultdict(lambda: float("inf"))
    for event in events:
        if event["name"].endswith("_kernel_time"):
            key = (event["args"]["op_name"], event["name"])
            nodes[key] = min(nodes[key], event["dur"] / len(pictures))
    kinds: dict[str, float] = defaultdict(float)
    for (kind, _), microseconds in nodes.items():
        kinds[kind] += microseconds
    return kinds


def echo_comparison(
    made: dict[str, Made],
    labels: Sequence[str | None],
    speed: dict[tuple[str, int], tuple[float, float]],
) -> None:
    """One row an encoder."""
    print(
        "| | MB | one: images/s | core ms | | 32: images/s | core ms | | cosine | recall@10 | R@1 "
        "| P@10 |\n|---|---|---|---|---|---|---|---|---|---|---|---|"
    )
    exact = made["fp32"].vectors
    for name, one in made.items():
        found = leave_one_out(one.vectors, labels)
        kept = drift(exact, one.vectors)
        cells = [name, f"{len(one.data) / 1e6:.1f}"]
        for batch in BATCHES:
            seconds, cores = speed[name, batch]
            ratio = speed["fp32", batch][1] / cores
            cells += [f"{1 / seconds:,.0f}", f"{1000 * cores:.2f}", f"{ratio:.2f}×"]
        cells += (
            ["", ""] if name == "fp32" else [f"{kept.mean_cosine:.5f}", f"{kept.agreement:.3f}"]
        )
        cells += [f"{100 * found.recall_at_1:.1f}", f"{100 * found.precision_at_10:.1f}"]
        print(f"| {' | '.join(cells)} |")


def echo_profiles(made: dict[str, Made], pictures: NDArray[np.uint8]) -> None:
    """Where the time of fp32 and of int8 goes."""
    before, after = (profile(made[name].data, pictures) for name in ("fp32", "int8"))
    print("\n| µs a picture | fp32 | int8 |\n|---|---|---|")
    kinds = sorted(before.keys() | after.keys(), key=lambda kind: -after.get(kind, 0))
    large = [k for k in kinds if max(before.get(k, 0), after.get(k, 0)) >= 10]
    for kind in large:
        cells = [f"{found[kind]:,.0f}" if kind in found else "" for found in (before, after)]
        print(f"| {kind} | {' | '.join(cells)} |")
    rest = [sum(found[k] for k in found if k not in large) for found in (before, after)]
    print(f"| all others | {rest[0]:,.0f} | {rest[1]:,.0f} |")
    print(f"| all | {sum(before.values()):,.0f} | {sum(after.values()):,.0f} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path, help="a folder of folders")
    parser.add_argument("--encoder", default="default", help="a file, or default")
    parser.add_argument("--elsewhere", type=Path, help="other pictures to calibrate on")
    parser.add_argument("--times", type=int, default=15)
    given = parser.parse_args()
    file = read_model(encoder_named(given.encoder))
    if file.card.precision not in ("fp32", "fp16"):
        raise ClrSearchError(f"{file.path} is reduced to {file.card.precision} already.")
    size = file.card.image_size
    files = find_images([given.images])
    near = draw(files, size, Silent()).calibrating
    far = given.elsewhere and draw(find_images([given.elsewhere]), size, Silent()).calibrating
    pictures, labels = squares_of(files, size)
    models = make_all(widened(onnx.load_model_from_string(file.data)), near, far)
    made, refused = measured(models, pictures)
    speed = rates(made, pictures, given.times)
    print(f"{machine()}\n")
    print(
        f"{file.card.name} ({file.card.architecture}, {size} px), {given.images.name}: "
        f"{len(pictures):,} pictures; the quickest of {given.times} turns\n"
    )
    echo_comparison(made, labels, speed)
    for name, reason in refused.items():
        print(f"\n{name}: {reason}")
    echo_profiles(made, pictures[:32])


if __name__ == "__main__":
    main()
