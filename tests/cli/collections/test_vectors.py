"""``build-index --vectors``, an encoder for what it made, and what every command says before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clr_search.index import Index
from tests.cli.conftest import Run
from tests.index.made import Vectors, clustered
from tests.tiny import write_tiny_encoder

COUNT, DIMENSION = 30, 16


@pytest.fixture
def rows() -> Vectors:
    return clustered(COUNT, DIMENSION, seed=5)


@pytest.fixture
def without(run: Run, rows: Vectors) -> Path:
    """A collection of `rows` without an encoder, whose labels are a and b."""
    np.save("v.npy", rows)
    Path("v.txt").write_text("".join(f"/away/{'ab'[n % 2]}/{n:02d}.png\n" for n in range(COUNT)))
    run("build-index", "--vectors", "v.npy", "--paths", "v.txt", "--index", "v.clr")
    return Path("v.clr")


def test_npy_with_a_list_of_paths(run: Run, without: Path, rows: Vectors) -> None:
    answer = run("search", without, "/away/a/04.png", "-k", "1", "--json", "--include-self")
    (result,) = json.loads(answer.stdout)["results"]
    assert (result["id"], result["label"], result["missing"]) == (5, "a", True)
    again = run("build-index", "--vectors", "v.npy", "--paths", "v.txt", "--index", without)
    assert "0 added, 0 changed, 0 moved, 0 removed, 30 unchanged" in again.stdout
    np.save("w.npy", rows[:3].astype(np.float64) * 7)
    told = run("build-index", "--vectors", "w.npy", "--index", without, "--json").stdout
    assert json.loads(told)["added"] == 3
    with Index.open(without) as index:
        assert Path("w.npy").absolute() / "2" in index
        assert index.search_vector(rows[2], 2).scores[1] == pytest.approx(1, abs=1e-3)
        assert index.items([33])[0].label is None


def test_parquet_with_labels_and_columns(run: Run, rows: Vectors) -> None:
    table = {
        "File Name": [f"/away/{n:02d}.png" for n in range(COUNT)],
        "class": ["rose"] + [None] * (COUNT - 1),
        "Camera": ["X100"] * COUNT,  # which every collection has
        "rating": list(range(COUNT)),
        "long": ["x" * 5000] * COUNT,
        "words": [["a", "b"]] * COUNT,
        "embedding": list(rows.astype(np.float64)),
    }
    pq.write_table(pa.table(table), "v.parquet")
    told = run("build-index", "--vectors", "v.parquet", "--index", "v.clr", "--recall", "0.9")
    assert "The column long of v.parquet is left out" in told.stderr
    with Index.open("v.clr") as index:
        assert index.labels() == ["rose"] + [None] * (COUNT - 1)
        assert [c.name for c in index.columns() if c.given] == ["rating"]
        assert index.ids(where="rating >= 28") == [29, 30]
    # Another file brings the column to its own items, and leaves the others theirs.
    more = {"path": ["/away/new.png"], "rating": [99], "vector": [[1.0] * DIMENSION]}
    pq.write_table(pa.table(more), "more.parquet")
    run("build-index", "--vectors", "more.parquet", "--index", "v.clr")
    with Index.open("v.clr") as index:
        assert index.ids(where="rating >= 28") == [29, 30, 31]


def test_what_is_exported_comes_in_again(run: Run, own: Path) -> None:
    Path("m.csv").write_text("path,rating\nred00.jpg,5\n")
    run("build-index", "mine", "--index", own, "--metadata", "m.csv")
    run("export-vectors", own, "--out", "x.parquet", "--map")
    run("build-index", "--vectors", "x.parquet", "--index", "again.clr")
    with Index.open(own) as before, Index.open("again.clr") as after:
        assert list(after.embeddings().paths) == list(before.embeddings().paths)
        assert after.labels() == before.labels()
        ours, theirs = before.vectors()[1], after.vectors()[1]
        assert np.einsum("nd,nd->n", ours, theirs).min() > 0.99999
        assert after.ids(where="rating = 5") == before.ids(where="rating = 5")
        assert after.ids(where="x >= 0 AND y >= 0") == before.ids()
        (at,) = before.ids(where="rating = 5")
        assert after.search(at, 5).ids.tolist() == before.search(at, 5).ids.tolist()


def test_a_search_by_vectors(run: Run, without: Path, rows: Vectors) -> None:
    np.save("one.npy", 3 * rows[4])
    np.save("two.npy", rows[5:7].astype(np.float64))
    (line,) = run("search", without, "--vector", "one.npy", "-k", "1", "--json").stdout.splitlines()
    answer = json.loads(line)
    assert (answer["query"], answer["results"][0]["id"]) == ("one.npy", 5)
    told = run("search", without, "--vector", "two.npy", "--item", "1", "-k", "1", "--json").stdout
    answers = [json.loads(line) for line in told.splitlines()]
    assert [one["query"] for one in answers] == [1, "two.npy/0", "two.npy/1"]
    assert [one["results"][0]["id"] for one in answers[1:]] == [6, 7]
    run("search", without, "--vector", "two.npy", "-k", "1", "--out", "r.csv", "--json")
    assert "two.npy/1" in Path("r.csv").read_text(encoding="utf-8")
    assert "two.npy/1" in run("search", without, "--vector", "two.npy", "--label", "a").stdout
    np.save("short.npy", rows[0, :4])
    np.save("zero.npy", 0 * rows[0])
    np.save("whole.npy", np.ones(16, np.int64))
    for file, says in (
        ("short.npy", "this collection needs (16,)"),
        ("zero.npy", "has no direction"),
        ("whole.npy", "holds int64; vectors are"),
    ):
        assert says in run("search", without, "--vector", file, exit_code=2).stderr
    arguments = ["--vector", "one.npy", "--contact-sheet", "c.png"]
    assert "--vector has none" in run("search", without, *arguments, exit_code=2).stderr


NEEDING = [
    ["search", "v.clr", "query.jpg"],
    ["search", "v.clr", "--item", "1", "--like", "query.jpg"],
    ["build-index", "--index", "v.clr"],
    ["build-index", "pictures", "--index", "v.clr"],
    ["build-index", "pictures", "--index", "v.clr", "--verify"],
    ["build-index", "pictures", "--index", "v.clr", "--watch"],
    ["build-index", "pictures", "--index", "v.clr", "--metadata", "v.txt"],
    ["add", "v.clr", "pictures"],
    ["duplicates", "v.clr"],
    ["info", "v.clr", "--check"],
    ["app", "v.clr", "--no-browser"],
    ["serve", "v.clr", "--port", "0"],
    ["export-site", "v.clr", "--out", "site"],
    ["probe", "v.clr", "--out", "probe.onnx"],
    ["classify", "--knn", "v.clr", "query.jpg"],
]


@pytest.mark.parametrize("arguments", NEEDING, ids=lambda arguments: " ".join(arguments[::2]))
def test_every_command_that_needs_an_encoder_says_so(
    run: Run, without: Path, pictures: Path, arguments: list[str]
) -> None:
    Path("query.jpg").write_bytes((pictures / "red" / "red00.jpg").read_bytes())
    Path("pictures").symlink_to(pictures)
    told = run(*arguments, exit_code=2).stderr
    assert "v.clr has no encoder, which this needs: its vectors, of length 16, were made" in told
    assert "clr-search build-index --index v.clr --encoder encoder.onnx" in told
    with Index.open(without) as index:
        assert len(index) == COUNT
    assert {"site", "probe.onnx"}.isdisjoint(path.name for path in Path().iterdir())


def test_the_other_commands_work(run: Run, without: Path) -> None:
    run("search", without, "--item", "3", "--label", "a")
    assert "none, 16 dimensions" in run("info", without).stdout
    assert "encoder sha256" not in run("info", without).stdout
    run("duplicates", without, "--exact")
    run("cluster", without)
    run("map", without, "--out", "map.html")
    run("evaluate", without)
    Path("m.csv").write_text("path,rating\n03.png,5\n")
    run("build-index", "--index", without, "--metadata", "m.csv", "--recall", "0.9")
    run("search", without, "--item", "3", "--where", "rating = 5")
    Path("l.csv").write_text("path,label\n03.png,rose\n")
    run("label", without, "l.csv")
    run("remove", without, "/away/b")
    run("repair", without)
    run("relocate", without, "/away", "elsewhere", exit_code=2)


def test_an_encoder_is_attached(
    run: Run, without: Path, pictures: Path, tiny_encoder: Path
) -> None:
    wide = write_tiny_encoder(Path("wide.onnx").absolute(), dimension=24)
    told = run("build-index", "--index", without, "--encoder", wide, exit_code=2).stderr
    assert "wide.onnx have 24 values; these have 16." in told
    assert "clr-search import-encoder" in told
    told = run("build-index", "--index", without, "--encoder", tiny_encoder).stdout
    assert told == "v.clr is searched by pictures now, too: its encoder is tiny, 16 dimensions.\n"
    query = pictures / "red" / "red00.jpg"
    assert len(json.loads(run("search", without, query, "--json").stdout)["results"]) == 10
    with Index.open(without) as index:
        assert len(index) == COUNT
    # From then on it is as any other.
    run("build-index", pictures, "--index", without)
    with Index.open(without) as index:
        assert len(index) == COUNT + 36


@pytest.mark.parametrize("right", [True, False])
def test_another_encoder_of_that_length_is_noticed(
    run: Run, own: Path, tiny_encoder: Path, right: bool
) -> None:
    other = write_tiny_encoder(Path("other.onnx").absolute(), seed=1)
    run("export-vectors", own, "--out", "x.parquet")
    run("build-index", "--vectors", "x.parquet", "--index", "v.clr")
    told = run("build-index", "--index", "v.clr", "--encoder", tiny_encoder if right else other)
    assert ("is not what the collection holds" in told.stderr) is not right
    assert "is searched by pictures now" in told.stdout


def test_an_encoder_comes_with_the_vectors(run: Run, rows: Vectors, tiny_encoder: Path) -> None:
    np.save("v.npy", rows)
    encoder = Path(shutil.copy(tiny_encoder, "e.onnx"))
    arguments = ["--vectors", "v.npy", "--index", "v.clr", "--encoder", encoder]
    run("build-index", *arguments, "--share-encoder")
    assert encoder.samefile("v.clr/encoder.onnx")
    with Index.open("v.clr") as index:
        index.require_encoder()
        assert len(index) == COUNT


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pictures", "--vectors", "v.npy"], "--vectors cannot go with IMAGES"),
        (["--vectors", "v.npy", "--watch"], "--watch is about pictures"),
        (["--vectors", "v.npy", "--rebuild"], "--rebuild is about pictures"),
        (["--vectors", "v.npy", "--verify"], "--verify is about pictures"),
        (["--paths", "v.txt"], "--paths belongs to --vectors."),
        (["--vectors", "v.npy", "--paths", "v.txt"], "There are 30 vectors, but 2 paths."),
        (["--vectors", "zero.npy"], "Vector 7 has no direction: it is zero, or not finite."),
        (["--vectors", "nan.npy"], "Vector 7 has no direction: it is zero, or not finite."),
        (["--vectors", "inf.npy"], "Vector 7 has no direction: it is zero, or not finite."),
        (["--vectors", "twice.parquet"], "/a/../a/1.png is given twice."),
        (["--vectors", "v.npy", "--encoder", "wide.onnx"], "24 values; these have 16."),
        (["--vectors", "twice.parquet", "--paths", "v.txt"], "has paths of its own"),
        (["--vectors", "v.txt"], "v.txt does not end in .parquet, .npy."),
    ],
)
def test_wrong_use_makes_no_collection(
    run: Run, rows: Vectors, arguments: list[str], says: str
) -> None:
    np.save("v.npy", rows)
    for name, value in (("zero", 0), ("nan", np.nan), ("inf", np.inf)):
        wrong = rows.copy()
        wrong[7] *= 0
        wrong[7, 3] = value
        np.save(f"{name}.npy", wrong)
    table = {"path": ["/a/1.png", "/a/../a/1.png"], "vector": [[1.0], [2.0]]}
    pq.write_table(pa.table(table), "twice.parquet")
    Path("v.txt").write_text("a.png\nb.png\n")
    Path("pictures").mkdir()
    write_tiny_encoder(Path("wide.onnx").absolute(), dimension=24)
    assert says in run("build-index", *arguments, "--index", "v.clr", exit_code=2).stderr
    assert not Path("v.clr").exists()


def test_another_length_leaves_the_collection_as_it_was(run: Run, without: Path) -> None:
    np.save("short.npy", np.ones((3, 8), np.float32))
    told = run("build-index", "--vectors", "short.npy", "--index", without, exit_code=2).stderr
    assert "The vectors of v.clr have 16 values, not 8." in told
    with Index.open(without) as index:
        assert len(index) == COUNT
