"""The number of threads is measured, before a training and again when its pace falls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from clr_search.train import TrainConfig, begin, load_run, threads, train
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.threads import (
    Choice,
    ThreadsWatch,
    best_of,
    candidates,
    choose,
    timed_choices,
    using_threads,
)
from tests.index.made import Heard


@pytest.fixture
def config(tiny: TrainConfig) -> ResolvedConfig:
    return resolve(tiny, images_count=36)


@pytest.fixture
def two_threads(_one_thread: None) -> Iterator[None]:
    with using_threads(2):
        yield


class Machine:
    """A clock, and speeds by number of threads that a test can change."""

    def __init__(self, speeds: dict[int, float]) -> None:
        self.now, self.speeds, self.timings = 0.0, speeds, 0

    def clock(self) -> float:
        return self.now

    def measure(self, numbers: Sequence[int]) -> list[Choice]:
        self.timings += 1
        return [Choice(number, "fp32", self.speeds[number]) for number in numbers]

    def train(self, watch: ThreadsWatch, seconds: float) -> list[str]:
        """Train for so long with the threads that are set; what is said meanwhile."""
        end, said = self.now + seconds, []
        while self.now < end:
            self.now += 1.0
            said.append(watch.step(self.speeds[torch.get_num_threads()]))
        return [text for text in said if text]


def test_every_choice_is_timed_and_leaves_torch_as_it_was(
    config: ResolvedConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "_SLICE", 0.01)
    before, state = torch.get_num_threads(), torch.get_rng_state()
    choices = timed_choices(config, [2, 1], ["fp32", "bf16"])
    assert [(one.threads, one.precision) for one in choices] == [
        (2, "fp32"), (1, "fp32"), (2, "bf16"), (1, "bf16")
    ]  # fmt: skip
    assert all(one.rate > 0 for one in choices)
    assert torch.get_num_threads() == before
    assert torch.equal(torch.get_rng_state(), state)


def test_all_half_and_one_are_tried_and_a_small_gain_changes_nothing() -> None:
    assert [candidates(most) for most in (1, 2, 3, 16)] == [[1], [2, 1], [3, 1], [16, 8, 1]]
    slow, fast = Choice(2, "fp32", 100.0), Choice(1, "fp32", 111.0)
    assert best_of([slow, fast]) is fast
    assert best_of([slow, replace(fast, rate=109.0)]) is slow


def test_a_short_training_times_nothing(
    config: ResolvedConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "_rate", lambda step, seconds: 100.0)
    assert choose(config, 36, 2, open_precision=False) is None
    assert choose(replace(config, seconds=59.0), 10**6, 2, open_precision=False) is None
    assert choose(replace(config, epochs=10**7), 36, 1, open_precision=True) is None
    for long in (replace(config, epochs=10**7), replace(config, seconds=61.0)):
        choices = choose(long, 36, 2, open_precision=True)
        assert choices is not None
        assert [(one.threads, one.precision) for one in choices] == [(2, "fp32"), (1, "fp32")]
    both = choose(replace(long, precision="bf16"), 36, 1, open_precision=True)
    assert both is not None
    assert [one.precision for one in both] == ["bf16", "fp32"]


@pytest.mark.usefixtures("two_threads")
def test_a_pace_that_collapses_leads_to_fewer_threads_and_back(config: ResolvedConfig) -> None:
    machine = Machine({2: 400.0, 1: 290.0})
    watch = ThreadsWatch(config, 2, machine.clock, machine.measure)
    assert machine.train(watch, 200) == []
    assert machine.timings == 0
    machine.speeds = {2: 3.0, 1: 67.0}  # another process keeps a core busy
    (said,) = machine.train(watch, 60)
    assert "going on with 1 thread" in said
    assert torch.get_num_threads() == 1
    assert machine.train(watch, 500) == []
    machine.speeds = {2: 400.0, 1: 290.0}  # it has ended
    (said,) = machine.train(watch, 150)
    assert "going on with 2 threads" in said
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_where_no_number_helps_it_is_not_timed_over_and_over(config: ResolvedConfig) -> None:
    machine = Machine({2: 400.0, 1: 290.0})
    watch = ThreadsWatch(config, 2, machine.clock, machine.measure)
    machine.train(watch, 200)
    machine.speeds = {2: 40.0, 1: 30.0}
    assert machine.train(watch, 3000) == []
    assert machine.timings == 1  # from then on this is the pace


def test_what_was_timed_is_kept_and_used(
    pictures: Path, tiny: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(begin, "choose", lambda *given, **more: [Choice(2, "fp32", 9.0)])
    monkeypatch.setattr(
        ThreadsWatch, "step", lambda self, work: seen.append(torch.get_num_threads()) or ""
    )
    before, heard = torch.get_num_threads(), Heard()
    out = tmp_path / "run"
    train([pictures], out, tiny, reporter=heard)
    assert any("Chosen: 2 threads, fp32" in text for text in heard.messages)
    assert set(seen) == {2}
    assert torch.get_num_threads() == before
    assert load_run(out).config.timed_threads == 2


def test_a_number_that_is_given_is_used_and_nothing_is_timed(
    pictures: Path, tiny: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object, **more: object) -> None:
        raise AssertionError("nothing is to be timed")

    monkeypatch.setattr(begin, "choose", refuse)
    monkeypatch.setattr(ThreadsWatch, "step", refuse)
    monkeypatch.setattr(begin, "_epochs_by_trial", refuse)
    out = tmp_path / "run"
    train([pictures], out, replace(tiny, threads=2))
    resumed = train([pictures], out, replace(tiny, threads=1), resume=True)
    assert not resumed.interrupted
