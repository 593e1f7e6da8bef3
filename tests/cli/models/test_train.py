"""``train`` and ``export``: from options to settings, and the way through."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import click
import pytest

from clr_search.cli.models import train as cli
from clr_search.files.finding.selection import Selection, excluding
from clr_search.train.run import write_initial_run
from clr_search.train.settings import names
from clr_search.train.settings.augmentation import Augmentation
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.declaration import settings_of
from clr_search.train.settings.presets import PRESETS, PresetName
from clr_search.train.settings.resolved import ResolvedConfig
from tests.cli.conftest import Run

OPTIONS = {option.name: option for option in cli.train.params if isinstance(option, click.Option)}


@pytest.mark.parametrize(
    "name",
    "method image_size architecture width norm loss temperature margin optimizer precision "
    "device seed".split(),
)
def test_the_help_states_the_true_defaults(name: str) -> None:
    match = re.search(r"\[default: (.*)\]$", OPTIONS[name].help or "")
    assert match is not None
    default = getattr(TrainConfig(), name)
    assert match[1] == (f"{default:g}" if isinstance(default, float) else str(default))


def test_the_help_states_the_true_automatic_values() -> None:
    def automatic(**given: Any) -> ResolvedConfig:
        config = TrainConfig(device="cpu", precision="fp32", **given)
        return resolve(config, images_count=10_000)

    assert "[default: 100]" in (OPTIONS["epochs"].help or "")
    assert automatic().epochs == 100
    assert "[default: 256, or all if fewer]" in (OPTIONS["batch_size"].help or "")
    assert automatic().batch_size == 256
    assert "[default: 1; 0.5 up to 48 pixels]" in (OPTIONS["colour_strength"].help or "")
    strengths = [automatic(image_size=size).augmentation.strength for size in (48, 49)]
    assert strengths == [0.5, 1]
    assert "[default: nonlinear]" in (OPTIONS["head"].help or "")
    assert automatic().head == "nonlinear"


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("method", get_args(names.MethodName)),
        ("loss", get_args(names.LossName)),
        ("norm", get_args(names.Norm)),
        ("preset", get_args(PresetName)),
        ("head", get_args(names.Head)),
        ("optimizer", ("auto", *get_args(names.OptimizerName))),
        ("precision", ("auto", *get_args(names.Precision))),
    ],
)
def test_the_choices_are_those_of_the_settings(name: str, choices: tuple[str, ...]) -> None:
    kind = OPTIONS[name].type
    assert isinstance(kind, click.Choice)
    assert tuple(kind.choices) == choices


def test_options_are_made_from_the_declarations_and_none_is_lost() -> None:
    made = {one.option for cls in (TrainConfig, Augmentation) for one in settings_of(cls)}
    others = {"--out", "--preset", "--resume", "--force", "--json", "--max-pixels"}
    others |= {"--exclude", "--follow-links", "--any-name"}
    shown = {word for option in OPTIONS.values() for word in option.opts}
    assert shown == made - {None} | others
    assert shown >= set(
        "--init --method --epochs --minutes --patience --average --compile --image-size "
        "--grow-from --local-views --local-size --architecture --width --head --head-hidden --norm "
        "--batch-size --micro-batch --loss --temperature --margin --no-l2 --negatives "
        "--colour-strength --optimizer --learning-rate --precision --device --seed".split()
    )


def test_the_command_is_loaded_without_torch() -> None:
    code = "import sys, clr_search.cli.models.train; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[TrainConfig, dict[str, Any]]]:
    """What the stage is asked for, instead of training."""
    import clr_search.train
    from clr_search.train.loop import TrainResult

    calls: list[tuple[TrainConfig, dict[str, Any]]] = []

    def fake(images: tuple[Path, ...], out: Path, config: TrainConfig, **rest: Any) -> TrainResult:
        calls.append((config, rest))
        stopped = config.seed == 99
        skipped = [(Path("x.jpg"), "broken JPEG")] if config.seed == 98 else []
        return TrainResult(
            run=out,
            epochs=2,
            steps=6,
            seconds=61.5,
            loss=3.25,
            images_per_second=40.25,
            knn_accuracy=None,
            interrupted=stopped,
            skipped=skipped,
        )

    monkeypatch.setattr(clr_search.train, "train", fake, raising=False)
    return calls


def test_nothing_given_is_the_default(run: Run, pictures: Path, asked: list[Any]) -> None:
    result = run("train", pictures, "--out", "run")
    ((config, rest),) = asked
    assert config == TrainConfig()
    assert (rest["resume"], rest["force"]) == (False, False)
    assert result.stdout.splitlines() == [
        "run: 2 epochs",
        "  loss   3.25",
        "  time   1 min 2 s",
        "  speed  40.2 images/s",
        "  next   clr-search export run --out encoder.onnx",
    ]


def test_every_option_becomes_a_setting(run: Run, pictures: Path, asked: list[Any]) -> None:
    given: dict[str, Any] = {
        "epochs": 3,
        "patience": 2,
        "image_size": 32,
        "architecture": "resnet34",
        "width": 0.5,
        "head": "linear",
        "method": "simclr",
        "norm": "group",
        "batch_size": 8,
        "micro_batch": 4,
        "average": 0.99,
        "grow_from": 16,
        "loss": "margin",
        "margin": 0.25,
        "temperature": 0.5,
        "optimizer": "lars",
        "learning_rate": 0.25,
        "precision": "fp32",
        "device": "cpu",
        "seed": 7,
    }
    words = [
        word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", value)
    ]
    flags = ("--no-l2", "--compile")
    run("train", pictures, "--out", "run", *words, "--colour-strength", "0.25", *flags)
    config = asked[0][0]
    expected = Augmentation(strength=0.25, blur=0.0)  # at 32 pixels there is no blur
    assert config == TrainConfig(**given, augmentation=expected, normalise=False, compile=True)


def test_what_would_be_ignored_is_refused(run: Run, pictures: Path, asked: list[Any]) -> None:
    run("train", pictures, "--out", "run", "--method", "instdisc", "--negatives", "64")
    assert asked[0][0] == TrainConfig(method="instdisc", negatives=64)
    for words, complaint in (
        (("--method", "instdisc", "--loss", "dcl"), "loss is dcl, which instdisc has no use for."),
        (("--method", "supervised", "--no-l2"), "normalise is False, which supervised has no use"),
        (("--negatives", "64"), "negatives is 64, which simclr has no use for."),
        (("--margin", "0.5"), "--margin is of the margin losses: give --loss margin, too."),
        (("--head-hidden", "64", "--head", "linear"), "--head-hidden is of the nonlinear head"),
        (("--head-hidden", "64", "--method", "supervised"), "and this is to have none."),
        (("--head-hidden", "70000"), "head_hidden is 70000.\nChoose a number from 1 to 65536."),
    ):
        result = run("train", pictures, "--out", "run", *words, exit_code=2)
        assert complaint in result.stderr


def test_a_preset_gives_way_to_what_is_given(run: Run, pictures: Path, asked: list[Any]) -> None:
    cifar = PRESETS["cifar10"].config
    run("train", pictures, "--out", "run", "--preset", "cifar10")
    run("train", pictures, "--out", "run", "--preset", "cifar10", "--temperature", "0.2")
    run("train", pictures, "--out", "run", "--preset", "cifar10", "--minutes", "1")
    assert [config for config, _ in asked] == [
        cifar,
        replace(cifar, temperature=0.2),
        replace(cifar, epochs=None, seconds=60),
    ]
    both = ("--preset", "cifar10", "--resume")
    result = run("train", pictures, "--out", "run", *both, exit_code=2)
    assert "Error: A run goes on with its own settings: leave out --preset.\n" in result.stderr


def test_what_was_learned_before_brings_its_network_and_the_preset_for_it(
    run: Run, pictures: Path, tmp_path: Path, asked: list[Any]
) -> None:
    before = write_initial_run(
        TrainConfig(width=0.25, stem="imagenet", image_size=24, head_dim=16), tmp_path / "before"
    )
    network: dict[str, Any] = {
        "width": 0.25,
        "stem": "imagenet",
        "image_size": 24,
        "head": "nonlinear",
        "head_dim": 16,
    }
    run("train", pictures, "--out", "run", "--init", "before")
    assert asked[0][0] == replace(PRESETS["adapt"].config, init="before", **network)
    cifar = ("--preset", "cifar10", "--image-size", "40")
    run("train", pictures, "--out", "run", "--init", before, *cifar)
    expected = replace(PRESETS["cifar10"].config, init=str(before), **network)
    assert asked[1][0] == replace(expected, image_size=40)
    (tmp_path / "theirs.pth").touch()
    run("train", pictures, "--out", "run", "--init", "theirs.pth")
    begun: dict[str, Any] = {"init": "theirs.pth", "width": 1.0, "stem": "imagenet"}
    assert asked[2][0] == replace(PRESETS["adapt-others"].config, **begun)
    result = run("train", pictures, "--out", "run", "--init", "nowhere", exit_code=2)
    assert "Error: nowhere does not exist, so there is nothing to begin with." in result.stderr
    both = ("--init", "before", "--resume")
    result = run("train", pictures, "--out", "run", *both, exit_code=2)
    assert "Error: A run goes on with its own settings: leave out --init.\n" in result.stderr


def test_what_is_of_no_use_is_left_out_of_a_preset_and_refused_where_it_is_given(
    run: Run,
    pictures: Path,
    tmp_path: Path,
    asked: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody has given what a preset or an encoder brings along, so nobody can leave it out."""
    network: dict[str, Any] = {"width": 0.25, "stem": "imagenet", "image_size": 24}
    write_initial_run(TrainConfig(**network), tmp_path / "before")
    begun: dict[str, Any] = {"init": "before", **network}
    adapt = PRESETS["adapt"].config
    by_labels = replace(adapt, loss="nt-xent", patience=None, method="supervised", **begun)
    by_bank = replace(adapt, loss="nt-xent", method="instdisc", head="nonlinear", **begun)
    small = replace(PRESETS["photos-small"].config, method="supervised")
    before = ("--init", "before")
    run("train", pictures, "--out", "run", *before, "--method", "supervised")
    run("train", pictures, "--out", "run", *before, "--method", "instdisc")
    run("train", pictures, "--out", "run", "--preset", "photos-small", "--method", "supervised")
    small_begun = ("--preset", "photos-small", "--method", "supervised", "--width", "0.25")
    run("train", pictures, "--out", "run", *before, *small_begun)
    assert [config for config, _ in asked] == [by_labels, by_bank, small, replace(small, **begun)]
    for config, _ in asked:
        resolve(replace(config, device="cpu"), 100)
    given = ("--method", "supervised", "--patience", "5")
    result = run("train", pictures, "--out", "run", *before, *given, exit_code=2)
    assert "patience is for training without labels." in result.stderr
    monkeypatch.setenv("WORLD_SIZE", "4")
    run("train", pictures, "--out", "run", *before)
    run("train", pictures, "--out", "run", *before, "--patience", "3")
    assert [config.patience for config, _ in asked[-2:]] == [None, 3]  # which the stage refuses


def test_a_teacher_alone_leaves_out_what_a_preset_has_for_simclr(
    run: Run, pictures: Path, asked: list[Any]
) -> None:
    small = ("--preset", "photos-small")
    run("train", pictures, "--out", "run", *small, "--teacher", "t.onnx")
    run("train", pictures, "--out", "run", *small, "--teacher", "t.onnx", "--teacher-weight", "0.5")
    preset = PRESETS["photos-small"].config
    assert [config for config, _ in asked] == [
        replace(preset, temperature=0.1, teacher="t.onnx"),
        replace(preset, teacher="t.onnx", teacher_weight=0.5),
    ]
    given = ("--teacher", "t.onnx", "--loss", "dcl")
    result = run("train", pictures, "--out", "run", *small, *given, exit_code=2)
    assert "loss is dcl, for which a teacher alone has no use." in result.stderr
    result = run("train", pictures, "--out", "run", "--teacher-weight", "0.5", exit_code=2)
    assert "teacher_weight is 0.5, and there is no teacher." in result.stderr


def test_a_count_that_may_be_zero_can_be_given_as_zero(
    run: Run, pictures: Path, asked: list[Any]
) -> None:
    run("train", pictures, "--out", "run", "--local-views", "0", "--negatives", "0")
    assert asked[0][0] == TrainConfig()


def test_minutes(run: Run, pictures: Path, asked: list[Any]) -> None:
    run("train", pictures, "--out", "run", "--minutes", "1.5")
    assert asked[0][0] == TrainConfig(seconds=90)
    both = ("--minutes", "1", "--epochs", "1")
    result = run("train", pictures, "--out", "run", *both, exit_code=2)
    assert "Error: Give either --epochs or --minutes.\n" in result.stderr


def test_resuming_takes_the_settings_of_the_run(
    run: Run, pictures: Path, tmp_path: Path, asked: list[Any]
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    wanted = TrainConfig(image_size=32, epochs=5, device="cpu", precision="fp32")
    stored = resolve(wanted, images_count=36)
    (folder / "config.json").write_text(stored.to_json(), encoding="utf-8")
    run("train", pictures, "--out", "run", "--resume")
    run("train", pictures, "--out", "run", "--resume", "--temperature", "0.5")
    assert [config for config, _ in asked] == [stored, replace(stored, temperature=0.5)]
    assert asked[0][1]["resume"] is True
    result = run("train", pictures, "--out", "run", exit_code=2)
    assert result.stderr == (
        "Error: run exists already.\nChoose another name, or overwrite it with --force.\n"
    )
    run("train", pictures, "--out", "run", "--force")
    assert asked[-1][1]["force"] is True
    both = run("train", pictures, "--out", "run", "--force", "--resume", exit_code=2)
    assert "Error: Give either --resume or --force.\n" in both.stderr


def test_an_interruption_says_how_to_go_on(run: Run, pictures: Path, asked: list[Any]) -> None:
    result = run("train", pictures, "--out", "my run", "--seed", "99", "--json", exit_code=130)
    assert json.loads(result.stdout)["interrupted"] is True
    assert result.stderr == (
        f"Stopped and saved. Go on with: clr-search train {pictures} --out 'my run' --resume\n"
    )


def test_skipped_files(run: Run, pictures: Path, asked: list[Any]) -> None:
    arguments = ("train", pictures, "--out", "run", "--seed", "98")
    assert run(*arguments).stdout.endswith("Skipped 1 path:\n  x.jpg  broken JPEG\n")
    assert json.loads(run(*arguments, "--json").stdout)["skipped"] == [
        {"path": "x.jpg", "reason": "broken JPEG"}
    ]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--epochs", "0"), "Invalid value for '--epochs': 0 is less than 1."),
        (("--minutes", "-1"), "Invalid value for '--minutes': -1 is not a number greater than 0."),
        (("--minutes", "x"), "Invalid value for '--minutes': x is not a number."),
        (("--width", "3"), "Error: width is 3.0.\nChoose one of: 0.25, 0.5, 1, 2, 4."),
        (("--image-size", "3"), "Error: image_size is 3.\nChoose a number from 8 to 4096."),
        (("--head", "deep"), "'deep' is not one of 'nonlinear', 'linear', 'none'."),
    ],
)
def test_wrong_settings(
    run: Run, pictures: Path, options: tuple[str, ...], complaint: str, tmp_path: Path
) -> None:
    result = run("train", pictures, "--out", "run", *options, exit_code=2)
    assert complaint in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_images(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run("train", "empty", "--out", "run", exit_code=2)
    assert result.stderr.startswith("Error: No images found in empty.\n")


@pytest.mark.parametrize(
    "arguments",
    [("train", "{pictures}", "--out", "x"), ("export", "run", "--out", "x.onnx"), ("demo",)],
)
def test_without_torch_the_extra_is_named(
    run: Run, pictures: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    result = run(*(word.format(pictures=pictures) for word in arguments), exit_code=2)
    assert result.stderr == (
        "Error: This needs torch, which is not installed.\n"
        "Install it with: pip install 'clr-search[train]'\n"
    )


def test_export_refuses_before_it_works(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "encoder.onnx").touch()
    result = run("export", "run", "--out", "encoder.onnx", exit_code=2)
    assert result.stderr.startswith("Error: encoder.onnx exists already.\n")


def test_exporting_no_run(run: Run) -> None:
    result = run("export", "nope", "--out", "encoder.onnx", exit_code=2)
    assert result.stderr == (
        "Error: nope does not exist.\nMake one with: clr-search train IMAGES --out RUN\n"
    )


@pytest.mark.slow
def test_from_pictures_to_an_encoder(run: Run, pictures: Path) -> None:
    options = ("--epochs", "1", "--image-size", "16", "--width", "0.25", "--device", "cpu")
    trained = json.loads(run("train", pictures, "--out", "run", *options, "--json").stdout)
    assert (trained["epochs"], trained["interrupted"], trained["skipped"]) == (1, False, [])
    arguments = ("--out", "encoder.onnx", "--name", "colours", "--licence", "CC0")
    lines = run("export", "run", *arguments).stdout.splitlines()
    assert lines[0].startswith("encoder.onnx: ")
    assert lines[1].split() == ["name", "colours"]
    card = json.loads(run("info", "encoder.onnx", "--json", "--check").stdout)
    assert (card["name"], card["licence"], card["image_size"]) == ("colours", "CC0", 16)
    report = json.loads(run("export", "run", *arguments, "--force", "--json").stdout)
    assert report["max_abs_difference"] <= 1e-4
    assert report["sha256"] == card["sha256"]
    assert run("info", "run").stdout.startswith("run: run, 1 of 1 epochs\n")


def test_which_files_of_folders_are_taken(run: Run, pictures: Path, asked: list[Any]) -> None:
    options = ("--exclude", "raw*", "--follow-links")
    words = ("train", pictures, "--out", "run", "--seed", "99", *options)
    result = run(*words, exit_code=130)
    assert asked[-1][1]["selection"] == Selection(excluding(("raw*",)), follow_links=True)
    assert result.stderr.endswith("--out run --exclude 'raw*' --follow-links --resume\n")


@pytest.mark.parametrize(
    ("options", "complaint"), [((), "No images found"), (("--any-name",), "usable images")]
)
def test_the_training_takes_them(
    run: Run, pictures: Path, tmp_path: Path, options: tuple[str, ...], complaint: str
) -> None:
    (tmp_path / "p").mkdir()
    for at, path in enumerate(sorted((pictures / "red").iterdir())[:3]):
        (tmp_path / "p" / f"noending{at}").write_bytes(path.read_bytes())
    failed = run("train", "p", "--out", "run", "--image-size", 16, *options, exit_code=2)
    assert complaint in failed.stderr
