"""Whatever stands in a run, a model file or a collection, ``info`` says which file is wrong."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import onnx
import pytest

from clr_search.train.run import write_initial_run
from clr_search.train.settings.config import TrainConfig
from tests.cli.conftest import Run
from tests.index.made import sqlite_of

ROW = {
    "epoch": 1, "step": 4, "images": 30, "loss": 2.5, "learning_rate": 0.1,
    "contrastive_accuracy": 0.5, "images_per_second": 100.0, "data_wait": 0.01, "seconds": 3.0,
    "knn_accuracy": 0.5,
}  # fmt: skip

VALUES = (
    "null", "true", "-1", "0", "1e400", "1e308", "NaN", "-Infinity", "1" * 4000, "1" * 5000, "2.5",
    '""', '"x"', r'"\ud800"', r'"\u001b[31m"', "[]", "{}", "[1]", '["x"]', '{"a": 1}',
    "[" * 100_000, "[" * 500 + "]" * 500, '{"a":' * 2000 + "1" + "}" * 2000,
    '"' + "x" * 70_000 + '"',
)  # fmt: skip
"""Values that stand where another belongs."""


def objects(values: dict[str, str]) -> Iterator[bytes]:
    """The text of an object of JSON, wrong in one way after the other."""
    chance = random.Random(0)
    names = list(values)
    for value in VALUES:
        for name in chance.sample(names, min(6, len(names))):
            changed = values | {name: value}
            yield ("{" + ", ".join(f'"{n}": {v}' for n, v in changed.items()) + "}").encode()
        yield value.encode()
    whole = "{" + ", ".join(f'"{n}": {v}' for n, v in values.items()) + "}"
    yield whole.replace("{", f'{{"{names[0]}": 1, ', 1).encode()  # twice
    yield whole[: len(whole) // 2].encode()
    yield b""
    yield b"\xff\xfe" + whole.encode()
    yield whole.encode("utf-16")
    for name in names:
        yield json.dumps({n: json.loads(v) for n, v in values.items() if n != name}).encode()


def holds(run: Run, target: Path, named: Path) -> None:
    """``info`` describes the target, or names the file that is wrong and says what to do."""
    for more in ([], ["--json"]):
        result = run("info", target, *more, any_of=(0, 1, 2))
        assert "unexpected" not in result.output.replace("unexpected end of data", "")
        if result.exit_code:
            _, *remedy = result.stderr.strip().splitlines()
            assert named.name in result.stderr
            assert remedy
            assert len(result.stderr) < 2000


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hostile") / "run"
    return write_initial_run(TrainConfig(image_size=16, width=0.25), out)


def test_settings(run: Run, trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(trained, path)
    values = json.loads((path / "config.json").read_text())
    for text in objects({name: json.dumps(value) for name, value in values.items()}):
        (path / "config.json").write_bytes(text)
        holds(run, path, path / "config.json")


def test_settings_of_augmentation(run: Run, trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(trained, path)
    values = json.loads((path / "config.json").read_text())
    inner = {name: json.dumps(value) for name, value in values["augmentation"].items()}
    rest = json.dumps({n: v for n, v in values.items() if n != "augmentation"})[:-1].encode()
    for text in objects(inner):
        (path / "config.json").write_bytes(rest + b', "augmentation": ' + text + b"}")
        holds(run, path, path / "config.json")


def test_metrics(run: Run, trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(trained, path)
    for text in objects({name: json.dumps(value) for name, value in ROW.items()}):
        (path / "metrics.jsonl").write_bytes(text + b"\n")
        holds(run, path, path / "metrics.jsonl")


def test_cards(run: Run, tiny_encoder: Path, tmp_path: Path) -> None:
    model, path = onnx.load(tiny_encoder), tmp_path / "encoder.onnx"
    for entry in model.metadata_props:
        before = entry.value
        for value in (*VALUES, "", "\ufeff", before[:-1]):
            entry.value = value
            path.write_bytes(model.SerializeToString())
            holds(run, path, path)
        entry.value = before
    model.metadata_props.add(key="clr_search.name", value='"another"')
    path.write_bytes(model.SerializeToString())
    assert "twice" in run("info", path, exit_code=2).stderr


def test_model_files_with_changed_bytes(run: Run, tiny_encoder: Path, tmp_path: Path) -> None:
    data, path, chance = tiny_encoder.read_bytes(), tmp_path / "encoder.onnx", random.Random(1)
    for number in range(150):
        changed = bytearray(data if number % 3 else data[: chance.randrange(len(data))])
        for _ in range(chance.choice((1, 3, 20))):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        path.write_bytes(changed)
        holds(run, path, path)


def test_facts_of_a_collection(run: Run, own: Path) -> None:
    with closing(sqlite_of(own)) as connection:
        facts = dict(connection.execute("SELECT key, value FROM meta").fetchall())
        names = [*facts, "ann", "goal", "latency_ms", "latency_p99_ms", "last_generation"]
        for name in dict.fromkeys(names):
            for value in (None, -1, 2**62, 1e300, "x", "", b"\xff", "[", "{}", *VALUES[-6:]):
                connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [name, value])
                holds(run, own, own)
            connection.execute("DELETE FROM meta WHERE key = ?", [name])
            if name in facts:
                connection.execute("INSERT INTO meta VALUES (?, ?)", [name, facts[name]])
