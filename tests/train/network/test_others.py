"""Weights of others for our own ResNets, and what is refused of names."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torchvision import models

from clr_search.errors import UsageError
from clr_search.train import TrainConfig, train
from clr_search.train.network.initial import continued, load_initial
from clr_search.train.network.model import build_encoder, build_head
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.presets import PRESETS, without_unused
from tests.train.test_loop import Interrupting, same_weights


def saved(path: Path, name: str = "resnet18") -> torch.nn.Module:
    """A ResNet of torchvision with random weights, saved as its library does."""
    torch.manual_seed(3)
    model: torch.nn.Module = models.get_model(name, weights=None)
    for tensor_name, tensor in model.state_dict().items():
        if tensor_name.endswith("running_mean"):
            torch.nn.init.normal_(tensor)
    torch.save(model.state_dict(), path)
    return model.eval()


@pytest.mark.parametrize("name", ["resnet18"])
def test_a_resnet_of_torchvision_computes_what_it_did(name: str, tmp_path: Path) -> None:
    file = tmp_path / "theirs.pth"
    theirs = saved(file, name)
    theirs.fc = torch.nn.Identity()
    asked = continued(TrainConfig(init=str(file), architecture=name, device="cpu"))
    assert (asked.width, asked.stem, asked.norm) == (1.0, "imagenet", "batch")
    config = resolve(asked, 100)
    encoder = build_encoder(config)
    head = build_head(config, encoder.dimension)
    load_initial(torch.nn.ModuleDict({"encoder": encoder, "head": head}), config)
    images = torch.rand(2, 3, 64, 64)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(encoder.eval()(images), theirs((images - mean) / std))


def test_weights_of_torchvision_are_loaded_by_torchvision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, real, asked = saved(tmp_path / "theirs.pth"), models.get_model, []

    def get_model(name: str, weights: Any = None) -> Any:
        asked.append((name, weights))
        model = real(name, weights=None)
        model.load_state_dict(theirs.state_dict())
        return model

    monkeypatch.setattr(models, "get_model", get_model)
    config = continued(TrainConfig(init="torchvision:resnet18", image_size=32, device="cpu"))
    resolved = resolve(config, 100)
    networks = torch.nn.ModuleDict({"encoder": build_encoder(resolved)})
    load_initial(networks, resolved)
    assert asked == [("resnet18", models.ResNet18_Weights.DEFAULT)]
    found = networks["encoder"].state_dict()["stem.0.weight"]
    assert torch.equal(found, theirs.state_dict()["conv1.weight"])


def used(path: Path) -> None:
    """Weights of a ResNet whose normalisation has seen pictures, as those of others have."""
    torch.manual_seed(3)
    model = models.get_model("resnet18", weights=None)
    with torch.no_grad():
        for _ in range(20):
            model(torch.rand(8, 3, 32, 32))
    torch.save(model.state_dict(), path)


def test_an_encoder_of_others_keeps_its_statistics_and_learns_slowly(
    pictures: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    used(tmp_path / "theirs.pth")
    theirs = torch.load(tmp_path / "theirs.pth", weights_only=True)
    asked = replace(tiny, init=str(tmp_path / "theirs.pth"), width=1.0, stem="imagenet", epochs=1)
    moved = {}
    for name, given in (("kept", {}), ("free", {"statistics": "batch", "encoder_rate": 1.0})):
        config = replace(asked, optimizer="sgd", learning_rate=0.01, **given)
        train([pictures], tmp_path / name, config)
        learned = load_file(tmp_path / name / "weights.safetensors")
        same = torch.equal(learned["encoder.stem.1.running_mean"], theirs["bn1.running_mean"])
        assert same == (name == "kept")
        moved[name] = (learned["encoder.stem.0.weight"] - theirs["conv1.weight"]).norm()
    assert 0 < moved["kept"] < moved["free"] / 4


def test_a_training_on_from_others_stopped_and_resumed_is_the_same(
    pictures: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    config = replace(tiny, optimizer="adamw", epochs=2, statistics="fixed", encoder_rate=0.05)
    train([pictures], tmp_path / "whole", config)
    assert train([pictures], tmp_path / "parts", config, reporter=Interrupting(3)).interrupted
    train([pictures], tmp_path / "parts", config, resume=True)
    assert same_weights(tmp_path / "parts", tmp_path / "whole")


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ({}, ("fixed", 0.02)),
        ({"statistics": "batch", "encoder_rate": 0.5}, ("batch", 0.5)),
        ({"method": "supervised"}, ("batch", 1.0)),
        ({"teacher": "default"}, ("batch", 1.0)),
        ({"teacher": "default", "teacher_weight": 0.5}, ("fixed", 0.02)),
        ({"init": "torchvision:resnet18"}, ("fixed", 0.02)),
        ({"init": "default"}, ("batch", 1.0)),
        ({"init": None}, ("batch", 1.0)),
    ],
)
def test_what_others_taught_is_kept_unless_labels_or_a_teacher_alone_say_more(
    given: dict[str, Any], chosen: tuple[str, float], tmp_path: Path
) -> None:
    used(tmp_path / "theirs.pth")
    config = resolve(TrainConfig(**({"init": str(tmp_path / "theirs.pth")} | given)), 100)
    assert (config.statistics, config.encoder_rate) == chosen


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('run')",)


def test_files_that_are_no_weights_of_the_network_are_refused(
    pictures: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    config = replace(tiny, width=1.0, epochs=1)
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"fc.weight": Evil()}))
    saved(tmp_path / "other.pth", "resnet50")
    for name, message in (
        ("evil.pth", "holds no weights that can be loaded safely"),
        ("other.pth", "does not hold the weights of resnet18"),
    ):
        with pytest.raises(UsageError, match=message):
            train([pictures], tmp_path / name[:4], replace(config, init=str(tmp_path / name)))
    with pytest.raises(UsageError, match=r"width is 0\.25, and the encoder of"):
        train([pictures], tmp_path / "run", replace(tiny, init=str(tmp_path / "other.pth")))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"architecture": "vgg"}, "architecture is 'vgg'. Choose one of: resnet18, .*timm:NAME"),
        ({"drop_path": 0.1}, "drop_path is 0.1, for which resnet18 has no use"),
        ({"architecture": "timm:x", "width": 0.5}, "width is 0.5, for which timm:x has no use"),
        ({"architecture": "timm:x", "norm": "group"}, "norm is group, for which timm:x"),
        ({"architecture": "timm:x", "local_views": 2}, "timm:x is trained on pictures of one size"),
        ({"architecture": "timm:x", "grow_from": 32}, "timm:x is trained on pictures of one size"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TrainConfig(**given)


def test_a_network_of_torchvision_that_is_none_of_ours_is_refused() -> None:
    with pytest.raises(UsageError, match="torchvision:vgg11 cannot be trained on"):
        continued(TrainConfig(init="torchvision:vgg11"))


def test_what_a_preset_has_for_our_resnets_is_left_out_for_others() -> None:
    for preset in PRESETS.values():
        config = without_unused(preset.config, "simclr", 1, architecture="timm:x")
        assert (config.architecture, config.width, config.stem) == ("timm:x", 1.0, "auto")
