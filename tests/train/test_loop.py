"""Training from end to end: runs, resuming, signals, kills, and wrong use."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from clr_search.errors import UsageError
from clr_search.files.disk import DiskError
from clr_search.files.own import OwnFile
from clr_search.progress import Silent
from clr_search.train import (
    TrainConfig,
    begin,
    load_run,
    train,
    trainer,
    write_initial_run,
)
from clr_search.train.optimization import pace
from clr_search.train.run import load_config, write_config
from tests.forked import Forked
from tests.index.made import Heard

WEIGHTS = "weights.safetensors"


class Interrupting(Heard):
    """A reporter that asks this process to stop after so many steps, as Ctrl-C does."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def begin(self, what: str, total: int | None, unit: str) -> None:
        self.counts = what == "Training"

    def advance(self, count: int = 1, note: str = "") -> None:
        self.left -= self.counts
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


def begun_weights(monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Let trainings end before their first step; the weights they would have begun with."""
    begun: dict[str, torch.Tensor] = {}

    def run(self: trainer.Trainer, stop: object) -> bool:
        begun.update({name: value.clone() for name, value in self.networks.state_dict().items()})
        return False

    monkeypatch.setattr(trainer.Trainer, "run", run)
    return begun


def same_weights(one: Path, other: Path) -> bool:
    first, second = load_file(one / WEIGHTS), load_file(other / WEIGHTS)
    return first.keys() == second.keys() and all(
        torch.equal(tensor, second[name]) for name, tensor in first.items()
    )


def learned(run: Path) -> list[tuple[object, ...]]:
    """What of the metrics does not depend on time."""
    keys = ("epoch", "step", "loss", "learning_rate", "contrastive_accuracy", "knn_accuracy")
    return [tuple(row[key] for key in keys) for row in load_run(run).metrics]


@pytest.fixture(scope="module")
def whole(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    from tests.train.conftest import TINY

    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("whole") / "run"
    train([pictures], out, TINY)
    return out


def test_run_holds_what_the_contract_says(whole: Path) -> None:
    assert sorted(path.name for path in whole.iterdir()) == [
        "album",
        "checkpoints",
        "config.json",
        "curves.png",
        "metrics.jsonl",
        WEIGHTS,
    ]
    run = load_run(whole)
    assert [row["epoch"] for row in run.metrics] == [1, 2, 3]
    assert [row["step"] for row in run.metrics] == [4, 8, 12]
    assert [row["knn_accuracy"] is None for row in run.metrics] == [True, False, False]
    assert run.metrics[0]["images"] == 36
    assert (run.config.batch_size, run.config.epochs, run.config.stem) == (8, 3, "imagenet")
    assert all(0 <= row["data_wait"] <= 1 for row in run.metrics)
    assert (whole / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not run.encoder.training


def test_result_says_what_the_run_came_to(
    pictures: Path, tiny: TrainConfig, whole: Path, tmp_path: Path
) -> None:
    result = train([pictures], tmp_path / "run", tiny)
    assert same_weights(result.run, whole)  # the same seed gives the same run
    assert (result.epochs, result.steps, result.interrupted) == (3, 12, False)
    row = load_run(result.run).metrics[-1]
    assert (result.loss, result.knn_accuracy) == (row["loss"], row["knn_accuracy"])
    assert result.seconds > 0
    assert result.images_per_second is not None
    assert result.images_per_second > 0
    assert result.skipped == []


def test_training_starts_from_the_initial_run(
    pictures: Path, tiny: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    initial = write_initial_run(tiny, tmp_path / "initial")
    begun = begun_weights(monkeypatch)
    train([pictures], tmp_path / "run", tiny)
    stored = load_file(initial / WEIGHTS)
    assert all(torch.equal(begun[name], tensor) for name, tensor in stored.items())


@pytest.mark.parametrize("optimizer", ["lars", "sgd", "adamw"])
def test_training_lowers_the_loss(
    optimizer: str, pictures: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    config = replace(tiny, optimizer=optimizer, epochs=8, warmup_epochs=1.0, knn_every=0)
    result = train([pictures], tmp_path / "run", config)
    rows = load_run(result.run).metrics
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert result.knn_accuracy is None


@pytest.mark.parametrize("steps", [1, 4, 6, 11])
def test_stopped_and_resumed_is_the_same_run(
    steps: int, pictures: Path, tiny: TrainConfig, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    stopped = train([pictures], out, tiny, reporter=Interrupting(steps))
    assert stopped.interrupted
    assert stopped.epochs == steps // 4
    if stopped.epochs:
        assert load_run(out).epochs == stopped.epochs  # an interrupted run can be exported
    else:
        with pytest.raises(UsageError, match="interrupted in its first epoch") as refused:
            load_run(out)
        assert "--resume" in refused.value.remedy
    resumed = train([pictures], out, tiny, resume=True)
    assert not resumed.interrupted
    assert same_weights(out, whole)
    assert learned(out) == learned(whole)


def test_a_run_from_before_heads_had_a_width_goes_on(
    pictures: Path, tiny: TrainConfig, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    train([pictures], out, tiny, reporter=Interrupting(6))
    settings = json.loads((out / "config.json").read_text(encoding="utf-8"))
    del settings["head_hidden"]
    (out / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    assert not train([pictures], out, tiny, resume=True).interrupted
    assert same_weights(out, whole)
    with pytest.raises(UsageError, match="head_hidden is 64, was None"):
        train([pictures], out, replace(tiny, head_hidden=64), resume=True)


def test_stopped_again_and_again_is_the_same_run(
    pictures: Path, tiny: TrainConfig, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    starts = 0
    while train([pictures], out, tiny, resume=starts > 0, reporter=Interrupting(2)).interrupted:
        starts += 1
    assert starts == 5
    assert same_weights(out, whole)
    assert learned(out) == learned(whole)


def test_stopped_and_resumed_with_the_default_optimizer_is_the_same_run(
    pictures: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    config = replace(tiny, optimizer="adamw", epochs=2)
    undisturbed, parts = tmp_path / "undisturbed", tmp_path / "parts"
    train([pictures], undisturbed, config)
    assert train([pictures], parts, config, reporter=Interrupting(3)).interrupted
    train([pictures], parts, config, resume=True)
    assert same_weights(undisturbed, parts)


def test_resuming_a_finished_run_does_nothing(
    pictures: Path, tiny: TrainConfig, whole: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    result = train([pictures], whole, tiny, resume=True)
    assert (result.epochs, result.steps) == (3, 12)
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before


SCRIPT = """
import sys, torch
from clr_search.train import train, TrainConfig
torch.set_num_threads(1)
config = TrainConfig.from_json(open(sys.argv[3]).read())
result = train([sys.argv[1]], sys.argv[2], config, resume=sys.argv[4] == "resume")
sys.exit(3 if result.interrupted else 0)
"""


def start(pictures: Path, out: Path, config: TrainConfig, *, resume: bool) -> Forked:
    settings = out.with_suffix(".settings")
    settings.write_text(config.to_json())
    how = "resume" if resume else "anew"
    return Forked(SCRIPT, pictures, out, settings, how, output=out.with_suffix(".told"))


def wait_for(condition: Callable[[], bool], process: Forked) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "training ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_and_resumed_is_the_same_run(
    pictures: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    config = replace(tiny, epochs=16, knn_every=0)
    out, metrics = tmp_path / "run", tmp_path / "run" / "metrics.jsonl"
    for resume, epochs in ((False, 3), (True, 7)):
        process = start(pictures, out, config, resume=resume)
        wait_for(
            lambda n=epochs: metrics.exists() and metrics.read_bytes().count(b"\n") >= n,
            process,
        )
        process.kill()
        process.wait()
    assert not (out / WEIGHTS).exists()
    with pytest.raises(UsageError, match="cut off"):
        load_run(out)
    train([pictures], out, config, resume=True)
    undisturbed = tmp_path / "undisturbed"
    train([pictures], undisturbed, config)
    assert same_weights(out, undisturbed)
    assert learned(out) == learned(undisturbed)


def test_a_full_disk_loses_nothing(
    pictures: Path,
    tiny: TrainConfig,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second checkpoint is cut off half-way; the first stays, and is gone on from."""
    original, saves = OwnFile.write, 0

    def full(file: OwnFile, data: bytes) -> None:
        nonlocal saves
        is_checkpoint = file.name == "checkpoints/last.safetensors"
        saves += is_checkpoint
        if not is_checkpoint or saves != 2:
            original(file, data)
            return
        with file.replacing() as half:
            half.write(data[:1000])
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(OwnFile, "write", full)
    out = tmp_path / "run"
    with pytest.raises(DiskError, match=r"last\.safetensors cannot be written: No space left"):
        train([pictures], out, tiny)
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["last.safetensors"]
    train([pictures], out, tiny, resume=True)
    assert same_weights(out, whole)
    assert learned(out) == learned(whole)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM to send")
def test_sigterm_saves_and_returns(pictures: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start(pictures, out, replace(tiny, epochs=1000), resume=False)
    wait_for(lambda: (out / "checkpoints" / "last.safetensors").exists(), process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 3
    assert 0 < load_run(out).epochs < 1000


def test_handlers_are_put_back(pictures: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    train([pictures], tmp_path / "run", tiny, reporter=Interrupting(1))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_second_signal_aborts(pictures: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    class Insisting(Interrupting):
        def advance(self, count: int = 1, note: str = "") -> None:
            super().advance(count, note)
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train([pictures], tmp_path / "run", tiny, reporter=Insisting(2))


def test_changed_settings_are_refused(pictures: Path, tiny: TrainConfig, whole: Path) -> None:
    with pytest.raises(UsageError) as caught:
        train([pictures], whole, replace(tiny, temperature=0.5), resume=True)
    assert "cannot be resumed with other settings: temperature is 0.5, was 0.1." in str(
        caught.value
    )
    assert caught.value.exit_code == 2


def test_a_run_goes_on_on_another_device(
    pictures: Path, tiny: TrainConfig, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun on CUDA, say, which this machine has not."""
    out = tmp_path / "run"
    train([pictures], out, tiny, reporter=Interrupting(6))
    stored = load_config(out)
    write_config(out, replace(stored, device="cuda"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert train([pictures], out, replace(tiny, device="auto"), resume=True).run == out
    assert same_weights(out, whole)
    assert load_config(out).device == "cuda"  # what it was begun on


def test_the_call_that_began_a_run_resumes_it(
    pictures: Path, tiny: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the batch was larger than the collection, and weights were named by a short path."""
    monkeypatch.chdir(tmp_path)
    write_initial_run(tiny, "first")
    config = replace(tiny, init="first", batch_size=64, checkpoint_every=1)
    folder = Path(shutil.copytree(pictures, "pictures"))
    (folder / "broken.png").write_bytes(b"")  # the batch was of all that can be read
    train([folder], Path("run"), config, reporter=Interrupting(2))
    assert load_config("run").batch_size == 36
    assert not train([folder], Path("run"), config, resume=True).interrupted
    for batch_size in (16, 35):
        with pytest.raises(UsageError, match=f"batch_size is {batch_size}, was 36"):
            train([folder], Path("run"), replace(config, batch_size=batch_size), resume=True)


def test_changed_images_are_refused(pictures: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(pictures, tmp_path / "pictures"))
    train([folder], tmp_path / "run", tiny, reporter=Interrupting(5))
    (folder / "red" / "red00.jpg").unlink()
    with pytest.raises(UsageError, match="its images are not those it was begun with"):
        train([folder], tmp_path / "run", tiny, resume=True)
    shutil.copy(pictures / "red" / "red00.jpg", folder / "red")
    assert not train([folder], tmp_path / "run", tiny, resume=True).interrupted


def test_existing_output_is_refused_and_force_removes_only_the_run(
    pictures: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    train([pictures], out, tiny)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        train([pictures], out, tiny)
    train([pictures], out, replace(tiny, epochs=1), force=True)
    assert len(load_run(out).metrics) == 1
    assert (out / "notes.txt").read_text() == "mine"
    with pytest.raises(UsageError, match="is a file"):
        train([pictures], out / "notes.txt", tiny)
    with pytest.raises(UsageError, match="does not exist"):
        train([pictures], tmp_path / "nowhere", tiny, resume=True)


def test_too_few_images_are_refused(pictures: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    for file in sorted((pictures / "red").iterdir())[:7]:
        shutil.copy(file, tmp_path)
    for number in range(5):
        (tmp_path / f"broken{number}.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(UsageError, match="at least 8 usable images; there are 7"):
        train([tmp_path], tmp_path / "run", tiny)


def test_small_collection_with_broken_files_trains(
    pictures: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    for file in sorted((pictures / "red").iterdir())[:9]:
        shutil.copy(file, tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    result = train([tmp_path], tmp_path / "run", replace(tiny, batch_size=64))
    assert load_run(result.run).config.batch_size == 9
    assert [path.name for path, _ in result.skipped] == ["broken.jpg"]
    assert result.knn_accuracy is None  # no folders, no labels


def test_what_is_not_looked_at_is_told(
    pictures: Path, tiny: TrainConfig, tmp_path: Path, lock: Callable[[Path], None]
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(pictures, folder)
    (folder / "phone.jxl").touch()
    lock(folder / "red")
    heard = Heard()
    result = train([folder], tmp_path / "run", replace(tiny, epochs=1), reporter=heard)
    reason = "the folder cannot be listed: permission denied"
    assert result.skipped == [(folder / "red", reason)]
    assert heard.messages[:2] == [
        f"{folder / 'red'}: {reason}.",
        "1 file passed over: JPEG XL is not read; convert it to JPEG first.",
    ]


def test_file_cache_gives_the_same_run_and_is_removed(
    pictures: Path, tiny: TrainConfig, whole: Path, tmp_path: Path
) -> None:
    out, config = tmp_path / "run", replace(tiny, cache="mmap")
    train([pictures], out, config, reporter=Interrupting(3))
    assert (out / "cache" / "pixels.u8").is_file()  # kept to go on with
    train([pictures], out, config, resume=True)
    assert not (out / "cache").exists()
    assert same_weights(out, whole)


def test_seconds_choose_epochs_and_nothing_else_where_they_suffice(
    pictures: Path, tiny: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace.Pace, "keep", lambda self, step: False)  # always in time
    said: list[str] = []

    class Listening(Silent):
        def message(self, text: str) -> None:
            said.append(text)

    config = replace(tiny, epochs=None, seconds=3.0)
    started = time.monotonic()
    result = train([pictures], tmp_path / "timed", config, reporter=Listening())
    assert time.monotonic() - started < 20
    epochs = load_run(result.run).config.epochs
    assert said[0] == f"Epochs chosen to take about 3 seconds: {epochs}."
    assert said[1].startswith("36 images at 16 px · resnet18 width 0.25")
    assert "36 images are few" in said[2]
    assert result.epochs == epochs >= 1
    given = train([pictures], tmp_path / "given", replace(tiny, epochs=epochs))
    assert same_weights(result.run, given.run)


def test_settings_in_the_run_resume_it(pictures: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    config = replace(tiny, epochs=None, seconds=1.0)
    out = tmp_path / "run"
    train([pictures], out, config, reporter=Interrupting(2))
    assert not train([pictures], out, config, resume=True).interrupted
    stored = TrainConfig.from_json((out / "config.json").read_text())
    before = load_file(out / WEIGHTS)
    assert not train([pictures], out, stored, resume=True).interrupted
    assert all(torch.equal(before[name], value) for name, value in load_file(out / WEIGHTS).items())


def test_a_training_given_a_time_ends_in_time_though_it_is_slower_than_planned(
    pictures: Path, tiny: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(begin, "epochs_for", lambda *given: 100_000)
    out = tmp_path / "run"
    listening, interrupting = Heard(), Interrupting(5)
    config = replace(tiny, epochs=None, seconds=6.0, knn_every=10**6, checkpoint_every=10**6)
    began = time.monotonic()
    stopped = train([pictures], out, config, reporter=interrupting)
    result = train([pictures], out, config, resume=True, reporter=listening)
    assert time.monotonic() - began < 60  # 100,000 epochs take hours
    assert stopped.interrupted
    assert not result.interrupted
    said = [*interrupting.messages, *listening.messages]
    assert any("epochs fit into the time, not 100,000" in text for text in said)
    rows = load_run(out).metrics
    peak = max(row["learning_rate"] for row in rows)
    assert rows[-1]["learning_rate"] < 0.1 * peak  # the schedule was passed through to its end
    assert [row["time_over"] for row in rows[-2:]] == [False, True]
    assert rows[-1]["knn_accuracy"] is not None  # measured after the last epoch, as always
    again = Heard()
    train([pictures], out, config, resume=True, reporter=again)
    assert any("trained to its end" in text for text in again.messages)


def test_a_checkpoint_falls_due_in_mid_epoch(
    pictures: Path, tiny: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    save = trainer.save_checkpoint

    def spy(path, networks, optimizer, progress) -> None:  # type: ignore[no-untyped-def]
        saved.append(progress.step)
        save(path, networks, optimizer, progress)

    monkeypatch.setattr(trainer, "save_checkpoint", spy)
    config = replace(tiny, checkpoint_every=100, checkpoint_minutes=0.001, epochs=2)
    monkeypatch.setattr(trainer.time, "monotonic", iter(range(10**6)).__next__)
    train([pictures], tmp_path / "run", config)
    assert {2, 6} & set(saved)
    assert saved[-1] == 8
