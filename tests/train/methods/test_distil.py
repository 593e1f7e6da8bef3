"""A student of a teacher: its gradients, its neighbours, going on, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from clr_search.contract.model_file import read_model
from clr_search.errors import UsageError
from clr_search.export.onnx import export_run
from clr_search.serve.encoder import Encoder
from clr_search.train import TrainConfig, load_run, train, write_initial_run
from clr_search.train.data.batches import Batch
from clr_search.train.data.collection import Collection, TeacherVectors
from clr_search.train.losses.distillation import distillation
from clr_search.train.methods import build_method
from clr_search.train.methods.distil import Distil
from clr_search.train.methods.simclr import SimCLR
from clr_search.train.settings.augmentation import Augmentation
from clr_search.train.settings.config import TrainConfig as Settings
from clr_search.train.settings.presets import PRESETS, without_unused
from clr_search.train.settings.resolved import ResolvedConfig
from tests.tiny import write_tiny_encoder
from tests.train.test_loop import Interrupting, learned, same_weights

VARIANTS: dict[str, dict[str, object]] = {
    "alone": {"head_dim": 128},
    "beside SimCLR": {"teacher_weight": 0.5},
    "in parts": {"teacher_weight": 0.3, "micro_batch": 3},
    "multi-crop": {"teacher_weight": 0.5, "local_views": 2, "local_size": 8},
    "growing, averaged": {"head_dim": 128, "grow_from": 8, "average": 0.9},
    "another loss": {"teacher_weight": 0.5, "loss": "nt-logistic"},
}


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.fixture
def taught(collection: Collection) -> Collection:
    torch.manual_seed(4)
    vectors = F.normalize(torch.randn(len(collection), 10), dim=1).half()
    return replace(collection, teacher=TeacherVectors(vectors, "ab" * 32))


@pytest.fixture
def settings(settings: ResolvedConfig) -> ResolvedConfig:
    return replace(settings, teacher="t.onnx", teacher_weight=0.3)


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    return write_tiny_encoder(tmp_path / "teacher.onnx", size=24, dimension=6)


def gradients(method: Distil | SimCLR) -> dict[str, torch.Tensor]:
    named = method.networks.named_parameters()
    return {name: weight.grad for name, weight in named if weight.grad is not None}


def test_settings_with_a_teacher_distil(taught: Collection, settings: ResolvedConfig) -> None:
    assert isinstance(build_method(settings, taught), Distil)


@pytest.mark.parametrize("alone", [True, False])
def test_parts_give_the_gradient_of_the_whole(
    alone: bool, taught: Collection, settings: ResolvedConfig, batch: Batch
) -> None:
    if alone:
        settings = replace(settings, teacher_weight=1.0, head="none", head_dim=128)
    whole, parted = Distil(settings, taught), Distil(replace(settings, micro_batch=5), taught)
    expected, found = whole.accumulate(batch, chance()), parted.accumulate(batch, chance())
    torch.testing.assert_close(found.loss, expected.loss)
    ours, theirs = gradients(parted), gradients(whole)
    assert ours.keys() == theirs.keys()
    for name, gradient in ours.items():
        torch.testing.assert_close(gradient, theirs[name], rtol=1e-3, atol=1e-5)


def test_the_weights_of_both_losses_add_to_one(
    taught: Collection, settings: ResolvedConfig, batch: Batch
) -> None:
    """Of the head, which the teacher does not see, the gradient is that of SimCLR times 1 − w."""
    both, simclr = Distil(settings, taught), SimCLR(settings)
    mixed, contrasted = both.accumulate(batch, chance()), simclr.accumulate(batch, chance())
    assert mixed.accuracy == contrasted.accuracy
    expected = {n: g for n, g in gradients(simclr).items() if n.startswith("head.")}
    assert expected
    for name, gradient in expected.items():
        torch.testing.assert_close(gradients(both)[name], 0.7 * gradient, rtol=1e-4, atol=1e-7)
    assert both.networks["projection"].weight.grad.abs().max() > 0


def test_a_teacher_alone_sees_one_view_and_trains_no_head(
    taught: Collection, settings: ResolvedConfig, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []
    method = Distil(replace(settings, teacher_weight=1.0, head="none", head_dim=128), taught)
    method.networks["encoder"].register_forward_hook(
        lambda module, inputs, output: seen.append(tuple(inputs[0].shape))
    )
    found = method.accumulate(batch, chance())
    assert seen == [(12, 3, 16, 16)]
    assert not list(method.networks["head"].parameters())
    assert found.loss > 0


def test_targets_are_those_of_the_same_pictures(
    taught: Collection, settings: ResolvedConfig, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[torch.Tensor] = []

    def spied(p, targets, references, *rest):  # type: ignore[no-untyped-def]
        asked.append(targets)
        return distillation(p, targets, references, *rest)

    monkeypatch.setattr("clr_search.train.methods.distil.distillation", spied)
    Distil(settings, taught).accumulate(batch, chance())
    assert taught.teacher is not None
    wanted = taught.teacher.vectors[batch.indices].float().repeat(2, 1)
    torch.testing.assert_close(asked[0], wanted, atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", VARIANTS)
def test_it_trains_and_goes_on_where_it_was_stopped_without_its_teacher(
    name: str, pictures: Path, tiny: TrainConfig, teacher: Path, tmp_path: Path
) -> None:
    config = replace(tiny, teacher=str(teacher), **VARIANTS[name])
    whole = train([pictures], tmp_path / "whole", config)
    assert (whole.epochs, whole.interrupted) == (3, False)
    assert not (tmp_path / "whole" / "cache").exists()
    part = train([pictures], tmp_path / "part", config, reporter=Interrupting(6))
    assert part.interrupted
    teacher.unlink()
    train([pictures], tmp_path / "part", config, resume=True)
    assert same_weights(tmp_path / "part", tmp_path / "whole")
    assert learned(tmp_path / "part") == learned(tmp_path / "whole")


def test_the_exported_encoder_says_how_it_learned(
    pictures: Path, tiny: TrainConfig, teacher: Path, tmp_path: Path
) -> None:
    for weight, method, loss in (
        (1.0, "distillation", "distillation, weight 1"),
        (0.5, "distillation and simclr", "distillation, weight 0.5 and nt-xent"),
    ):
        config = replace(tiny, teacher=str(teacher), teacher_weight=weight, head_dim=128, epochs=1)
        run = train([pictures], tmp_path / "run", config, force=True).run
        export_run(run, tmp_path / "encoder.onnx", force=True)
        card = read_model(tmp_path / "encoder.onnx").card
        assert (card.method, card.loss) == (method, loss)
        assert card.training_data.startswith("36 images, no labels used beside a teacher (SHA-256")
        assert read_model(teacher).sha256 in card.training_data


def nearest(rows: NDArray[np.float32], count: int = 5) -> list[set[int]]:
    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -2)
    return [set(row[-count:]) for row in similarity.argsort(axis=1).tolist()]


def test_the_neighbours_of_the_student_come_to_be_those_of_the_teacher(
    tiny: TrainConfig, tmp_path: Path
) -> None:
    generator = np.random.default_rng(5)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(48):
        coarse = generator.integers(0, 256, (3, 3, 3)).astype(np.uint8)
        picture = Image.fromarray(coarse).resize((24, 24), Image.Resampling.BICUBIC)
        picture.save(folder / f"{number:02d}.png")
    teacher = write_tiny_encoder(tmp_path / "teacher.onnx", size=24, dimension=8)
    config = replace(
        tiny, teacher=str(teacher), head_dim=128, epochs=50, optimizer="adamw", image_size=24,
        learning_rate=3e-3, knn_every=0, batch_size=16,
        augmentation=Augmentation(
            crop_scale=(0.8, 1.0), flip=0.0, jitter=0.0, grey=0.0, blur=0.0
        ),
    )  # fmt: skip
    files = sorted(folder.iterdir())
    wanted = nearest(Encoder(teacher, device="cpu").encode(files))

    pixels = np.stack([np.asarray(Image.open(file)) for file in files])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255

    def agreement(run: Path) -> float:
        with torch.no_grad():
            found = nearest(F.normalize(load_run(run).encoder(images), dim=1).numpy())
        return sum(len(a & b) for a, b in zip(wanted, found, strict=True)) / 5 / len(files)

    before = agreement(write_initial_run(config, tmp_path / "initial"))
    after = agreement(train([folder], tmp_path / "run", config).run)
    assert after > before + 0.15
    rows = load_run(tmp_path / "run").metrics
    assert rows[-1]["loss"] < rows[0]["loss"] / 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"teacher_weight": 0.5}, "teacher_weight is 0.5, and there is no teacher"),
        ({"teacher": "t", "teacher_weight": 0.0}, "teacher_weight is 0"),
        ({"teacher": "t", "teacher_weight": 1.5}, "teacher_weight is 1.5"),
        ({"teacher": "t", "method": "supervised"}, "which supervised has no use for"),
        ({"teacher": "t", "method": "instdisc"}, "which instdisc has no use for"),
        ({"teacher": "t", "patience": 5}, "patience is 5, for which a teacher alone"),
        ({"teacher": "t", "loss": "dcl"}, "loss is dcl, for which a teacher alone"),
        ({"teacher": "t", "temperature": 0.5}, "temperature is 0.5, for which a teacher alone"),
        ({"teacher": "t", "local_views": 2}, "local_views is 2, for which a teacher alone"),
        ({"teacher": "t", "head": "linear"}, "head is linear, for which a teacher alone"),
        ({"teacher": "t", "head_hidden": 64}, "head_hidden is 64, for which a teacher alone"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Settings(**given)


def test_what_a_preset_brings_for_simclr_is_left_out_beside_a_teacher_alone() -> None:
    for preset in PRESETS.values():
        config = without_unused(preset.config, "simclr", 1, alone=True)
        replace(config, teacher="t.onnx")


def test_a_file_that_is_no_encoder_is_refused_before_anything_is_written(
    pictures: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no")
    for name, message in (("no.onnx", "not a whole ONNX file"), ("gone.onnx", "no model file")):
        config = replace(tiny, teacher=str(tmp_path / name), head_dim=128)
        with pytest.raises(UsageError, match=message):
            train([pictures], tmp_path / "run", config)
        assert not (tmp_path / "run").exists()


def test_the_vectors_are_computed_once_and_are_those_of_a_search(
    pictures: Path, tiny: TrainConfig, teacher: Path, tmp_path: Path
) -> None:
    config = replace(tiny, teacher=str(teacher), head_dim=128)
    run = tmp_path / "run"
    assert train([pictures], run, config, reporter=Interrupting(3)).interrupted
    kept = run / "cache" / "teacher.f16"
    rows = np.fromfile(kept, np.float16).reshape(36, 6).astype(np.float32)
    files = sorted(pictures.rglob("*.*"))
    wanted = Encoder(teacher, device="cpu").encode(files)
    assert np.abs(rows - wanted).max() < 2e-3
    before = kept.stat().st_mtime_ns
    assert train([pictures], run, config, resume=True, reporter=Interrupting(3)).interrupted
    assert kept.stat().st_mtime_ns == before
    stored = json.loads((run / "config.json").read_text())
    assert stored["teacher_sha256"] == read_model(teacher).sha256
    assert stored["teacher"] == str(teacher)


def test_another_teacher_or_other_images_cannot_go_on(
    pictures: Path, tiny: TrainConfig, teacher: Path, tmp_path: Path
) -> None:
    config = replace(tiny, teacher=str(teacher), head_dim=128)
    run = tmp_path / "run"
    assert train([pictures], run, config, reporter=Interrupting(3)).interrupted
    other = replace(config, teacher=str(tmp_path / "other.onnx"))
    with pytest.raises(UsageError, match="cannot be resumed with other settings: teacher is"):
        train([pictures], run, other, resume=True)
    with pytest.raises(UsageError, match="its images are not those that its teacher"):
        train([pictures / "red"], run, config, resume=True)
    write_tiny_encoder(teacher, size=24, dimension=6, seed=9)
    vectors = run / "cache" / "teacher.f16"
    vectors.write_bytes(vectors.read_bytes()[:-2])
    with pytest.raises(UsageError, match="is not the teacher that the run was begun with"):
        train([pictures], run, config, resume=True)
