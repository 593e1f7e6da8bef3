"""Another runtime, another language: onnxruntime-web under Node gives the same vectors."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image

from clr_search.contract.golden import golden_json
from clr_search.contract.model_file import EMBEDDING, IMAGES, TOLERANCE, read_model

pytestmark = pytest.mark.node

EXAMPLE = Path(__file__).parents[2] / "examples" / "node"
SHAPES = ((1, 1), (37, 53), (64, 64), (120, 31), (333, 500))


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    lacking = "Node.js" if not found else "onnxruntime-web: run `npm ci --prefix examples/node`"
    if found and (EXAMPLE / "node_modules" / "onnxruntime-web").is_dir():
        return found
    if os.environ.get("CI"):
        pytest.fail(f"There is no {lacking}.")
    pytest.skip(f"no {lacking}")


def run(node: str, script: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [node, EXAMPLE / script, *arguments], capture_output=True, text=True, timeout=120
    )


def write_pictures(folder: Path) -> list[Path]:
    generator = np.random.default_rng(0)
    paths = []
    for height, width in SHAPES:
        coarse = generator.integers(0, 256, (7, 9, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        paths.append(folder / f"{height}x{width}.ppm")
        picture.save(paths[-1])
    return paths


def check_same(node: str, encoder: Path, folder: Path, tolerance: float = TOLERANCE) -> None:
    session = ort.InferenceSession(encoder, providers=["CPUExecutionProvider"])
    paths = write_pictures(folder)
    done = run(node, "embed.mjs", encoder, *paths)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(line["path"]) for line in lines] == paths
    for path, line in zip(paths, lines, strict=True):
        expected = session.run([EMBEDDING], {IMAGES: np.asarray(Image.open(path))[None]})[0][0]
        assert np.abs(expected - np.array(line["embedding"])).max() <= tolerance, path.name


def test_node_gives_the_same_vectors_for_pictures_of_any_shape(
    node: str, tiny_encoder: Path, tmp_path: Path
) -> None:
    check_same(node, tiny_encoder, tmp_path)


def test_node_checks_itself_against_the_golden_file(
    node: str, tiny_encoder: Path, tmp_path: Path
) -> None:
    golden = tmp_path / "golden.json"
    golden.write_text(golden_json(read_model(tiny_encoder)))
    done = run(node, "check.mjs", tiny_encoder, golden)
    assert (done.returncode, done.stdout.split(":")[0]) == (0, "right"), done.stderr
    wrong = json.loads(golden.read_text())
    wrong["embedding"][0] += 0.01
    golden.write_text(json.dumps(wrong))
    done = run(node, "check.mjs", tiny_encoder, golden)
    assert (done.returncode, done.stdout.split(":")[0]) == (1, "WRONG")


def test_node_names_a_file_that_it_cannot_read(
    node: str, tiny_encoder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.ppm"
    broken.write_bytes(b"P6 40 40 255\nshort")
    done = run(node, "embed.mjs", tiny_encoder, broken)
    assert done.returncode == 1
    assert done.stderr.strip() == f"{broken}: the file is truncated"
