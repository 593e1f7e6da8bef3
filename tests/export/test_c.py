"""A second runtime that shares no code with ONNX Runtime: OpenVINO, from a program in C."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image

from clr_search.contract.golden import golden_json
from clr_search.contract.model_file import EMBEDDING, IMAGES, TOLERANCE, read_model
from clr_search.contract.shipped import shipped_encoder
from clr_search.export.reduce import export_encoder
from clr_search.images import square
from clr_search.index import Index
from clr_search.site import Options, export_site
from clr_search.site.vectors import unpack
from tests.export.test_node import write_pictures

EXAMPLE = Path(__file__).parents[2] / "examples" / "c"
REDUCING = "if (height <= size || width <= size)", "if (true)"  # a change: it never reduces
FLAGS = "-O2 -Wall -Wextra -Wpedantic -Werror"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lacking = [tool for tool in ("cc", "make") if not shutil.which(tool)]
    lacking += [] if importlib.util.find_spec("openvino") else ["openvino"]
    if lacking and os.environ.get("CI"):
        pytest.fail(f"There is no {', no '.join(lacking)}.")
    if lacking:
        pytest.skip(f"no {', no '.join(lacking)}")
    return build(tmp_path_factory.mktemp("c") / "example")


def build(folder: Path, change: tuple[str, str] = ("", "")) -> Path:
    """The program, made in a copy of the example with one line of `encoder.c` changed."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("encoder"))
    source = (folder / "encoder.c").read_text(encoding="utf-8")
    assert change[0] in source
    (folder / "encoder.c").write_text(source.replace(*change, 1), encoding="utf-8")
    make = ["make", "-C", folder, f"PYTHON={sys.executable}", f"CFLAGS={FLAGS}"]
    done = subprocess.run(make, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "encoder"


def run(program: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120)


def expected(encoder: Path, path: Path) -> tuple[np.ndarray, float]:
    """What ONNX Runtime gives for a picture, and how far another runtime may be off.

    What is larger than S is reduced beforehand, where a byte in many is rounded the other way.
    """
    pixels = np.asarray(Image.open(path))
    size = read_model(encoder).card.image_size
    session = ort.InferenceSession(encoder, providers=["CPUExecutionProvider"])
    reduced = min(pixels.shape[:2]) > size
    seen = square(pixels, size) if reduced else pixels
    vector = session.run([EMBEDDING], {IMAGES: seen[None]})[0][0]
    return vector, 1e-3 if reduced else TOLERANCE


@pytest.mark.parametrize("which", ["shipped", "tiny"])
def test_openvino_gives_the_same_vectors_for_pictures_of_any_shape(
    program: Path, which: str, tiny_encoder: Path, tmp_path: Path
) -> None:
    encoder = shipped_encoder() if which == "shipped" else tiny_encoder
    paths = write_pictures(tmp_path)
    noise = np.random.default_rng(1).integers(0, 256, (211, 300, 3), np.uint8)
    paths.append(tmp_path / 'a "noise" of all\tpixels.ppm')  # nothing hides a wrong filter
    Image.fromarray(noise).save(paths[-1])
    done = run(program, "embed", encoder, *paths)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(line["path"]) for line in lines] == paths
    for path, line in zip(paths, lines, strict=True):
        vector, tolerance = expected(encoder, path)
        assert np.abs(vector - np.array(line["embedding"])).max() <= tolerance, path.name


def test_the_encoder_that_ships_passes_its_own_check(program: Path) -> None:
    encoder = shipped_encoder()
    done = run(program, "check", encoder, encoder.with_name("golden.json"))
    assert (done.returncode, done.stdout.split(":")[0]) == (0, "right"), done.stderr
    assert float(done.stdout.split()[-1]) <= 1e-3  # in bfloat16 it would be 3e-3


def test_the_check_tells_that_openvino_reduces_without_antialiasing(
    program: Path, tmp_path: Path
) -> None:
    careless = build(tmp_path / "careless", REDUCING)
    encoder = shipped_encoder()
    done = run(careless, "check", encoder, encoder.with_name("golden.json"))
    assert (done.returncode, done.stdout.split(":")[0]) == (1, "WRONG"), done.stderr
    assert float(done.stdout.split()[-1]) > 0.05


def test_the_graph_of_a_portable_file_needs_no_reducing_beforehand(
    program: Path, tmp_path: Path
) -> None:
    careless = build(tmp_path / "careless", REDUCING)
    encoder = export_encoder(shipped_encoder(), tmp_path / "encoder.onnx", portable=True).path
    for one, allowed in ((program, 1e-3), (careless, TOLERANCE)):
        done = run(one, "check", encoder, encoder.with_name("golden.json"))
        assert (done.returncode, done.stdout.split(":")[0]) == (0, "right"), done.stderr
        assert float(done.stdout.split()[-1]) <= allowed


def test_a_vector_that_is_another_or_shorter_is_wrong(
    program: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    golden = tmp_path / "golden.json"
    right = json.loads(golden_json(read_model(tiny_encoder)))
    changed = {**right, "embedding": [right["embedding"][0] + 0.01, *right["embedding"][1:]]}
    shorter = {**right, "embedding": right["embedding"][:-1]}
    for content, verdict in ((right, "right"), (changed, "WRONG"), (shorter, "WRONG")):
        golden.write_text(json.dumps(content))
        done = run(program, "check", tiny_encoder, golden)
        assert done.stdout.split(":")[0] == verdict, done.stderr
        assert done.returncode == (verdict == "WRONG")


def test_the_search_finds_what_is_nearest(
    program: Path, tiny_encoder: Path, pictures: Path, tmp_path: Path
) -> None:
    with Index.create(tmp_path / "colours.clr", tiny_encoder) as index:
        index.update([pictures])
        export_site(index, tmp_path / "site", Options(title="Colours"))
    query = write_pictures(tmp_path)[1]
    done = run(program, "search", tmp_path / "site", query)
    assert done.returncode == 0, done.stderr
    rows = unpack((tmp_path / "site" / "vectors.bin").read_bytes(), 36)
    scores = rows @ expected(tiny_encoder, query)[0]
    found = [line.split("  ", 1) for line in done.stdout.splitlines()]
    assert len(found) == 10
    for (told, thumbnail), score in zip(found, np.sort(scores)[::-1][:10], strict=True):
        assert float(told) == pytest.approx(score, abs=1e-3)
        assert scores[int(Path(thumbnail).stem)] == pytest.approx(score, abs=1e-3)
        assert Path(thumbnail).is_file()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"P6 40 40 255\nshort", "the file is truncated"),
        (b"P6 # of 16 bits\n1 1 65535\n123456", "not a binary PPM of 8 bits a channel"),
        (b"\xff\xd8\xff\xe0JPEG", "not a binary PPM of 8 bits a channel"),
    ],
)
def test_a_broken_picture_is_named_and_the_others_are_embedded(
    program: Path, tiny_encoder: Path, tmp_path: Path, content: bytes, complaint: str
) -> None:
    broken, whole = tmp_path / "broken.ppm", write_pictures(tmp_path)[1]
    broken.write_bytes(content)
    done = run(program, "embed", tiny_encoder, broken, whole)
    assert (done.returncode, done.stderr.strip()) == (1, f"{broken}: {complaint}")
    assert json.loads(done.stdout)["path"] == str(whole)


def test_another_file_is_no_encoder(program: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(b"not a model")
    done = run(program, "check", other, other)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{other}: not a clr-search encoder")
    assert run(program, "embed", other).returncode == 2
