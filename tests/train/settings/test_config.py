"""Settings: what is refused, what is chosen, and what survives the trip through JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from clr_search.errors import UsageError
from clr_search.train.settings.augmentation import Augmentation
from clr_search.train.settings.choices import resolve, scaled_learning_rate
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.resolved import ResolvedConfig, difference

CPU = TrainConfig(device="cpu")


@pytest.mark.parametrize(
    "config",
    [TrainConfig(), TrainConfig(augmentation=Augmentation(crop_scale=(0.3, 0.9)), epochs=7)],
)
def test_json_round_trip(config: TrainConfig) -> None:
    assert TrainConfig.from_json(config.to_json()) == config
    resolved = resolve(replace(config, device="cpu"), 1000)
    assert ResolvedConfig.from_json(resolved.to_json()) == resolved


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"temperature": 0.0}, "temperature is 0. Choose a number from 0.001 to 1000."),
        ({"temperature": float("nan")}, "temperature is nan."),
        ({"width": 3.0}, "width is 3.0. Choose one of: 0.25, 0.5, 1, 2, 4."),
        ({"architecture": "vgg"}, "architecture is 'vgg'. Choose one of: resnet18, resnet34"),
        ({"batch_size": 1}, "batch_size is 1."),
        ({"epochs": 0}, "epochs is 0."),
        ({"optimizer": "adam"}, "optimizer is 'adam'. Choose one of: auto, lars, sgd, adamw."),
        ({"seed": -1}, "seed is -1."),
    ],
)
def test_refuses_what_cannot_be(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        TrainConfig(**setting)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "setting",
    [
        {"crop_scale": (0.5, 0.2)},
        {"crop_scale": (0.0, 1.0)},
        {"flip": 1.5},
        {"strength": -1},
        {"blur_sigma": (0, 1)},
    ],
)
def test_refuses_impossible_augmentation(setting: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(setting))} is"):
        Augmentation(**setting)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}x", '{"widht": 1}', '{"width": "1"}', '{"augmentation": {"x": 1}}']
)
def test_unreadable_settings_name_the_file(text: str) -> None:
    with pytest.raises(UsageError, match=r"run/config\.json"):
        TrainConfig.from_json(text, "run/config.json")


def test_settings_of_a_run_from_before_a_setting_existed_can_be_read() -> None:
    resolved = resolve(CPU, 1000)
    values = json.loads(resolved.to_json())
    del values["average"]
    assert ResolvedConfig.from_json(json.dumps(values)) == resolved


def test_resolved_settings_must_be_complete() -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        ResolvedConfig.from_json(json.dumps({"width": 1}))


@pytest.mark.parametrize(
    ("size", "stem", "strength", "blur"),
    [(32, "cifar", 0.5, 0), (64, "middle", 1, 0.5), (224, "imagenet", 1, 0.5)],
)
def test_image_size_chooses_stem_and_augmentation(
    size: int, stem: str, strength: float, blur: float
) -> None:
    found = resolve(replace(CPU, image_size=size), 1000)
    assert (found.stem, found.augmentation.strength, found.augmentation.blur) == (
        stem,
        strength,
        blur,
    )


def test_batch_shrinks_to_the_collection() -> None:
    assert resolve(CPU, 20).batch_size == 20
    assert resolve(replace(CPU, batch_size=512), 300).batch_size == 300


def test_too_few_images_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 8 usable images; there are 7"):
        resolve(CPU, 7)


@pytest.mark.parametrize(("picture", "kept"), [(None, 96), (32, 64), (80, 80), (4000, 96)])
def test_pictures_are_kept_between_one_and_one_and_a_half_sides(
    picture: int | None, kept: int
) -> None:
    assert resolve(CPU, 100, picture).cache_size == kept


def test_large_collections_go_to_disk() -> None:
    assert resolve(CPU, 1000).cache == "memory"
    assert resolve(CPU, 10**6).cache == "mmap"
    assert resolve(replace(CPU, cache="memory"), 10**6).cache == "memory"


def test_learning_rates_of_the_paper() -> None:
    assert scaled_learning_rate("lars", 4096, "linear") == pytest.approx(4.8)
    assert scaled_learning_rate("lars", 4096, "sqrt") == pytest.approx(4.8)
    assert scaled_learning_rate("lars", 256, "linear") == pytest.approx(0.3)
    assert scaled_learning_rate("lars", 256, "sqrt") == pytest.approx(1.2)


def test_what_is_set_is_kept() -> None:
    asked = replace(
        CPU,
        stem="imagenet",
        learning_rate=0.7,
        weight_decay=0.0,
        warmup_epochs=0.0,
        knn_every=0,
        cache_size=70,
        precision="bf16",
        optimizer="sgd",
        epochs=3,
    )
    assert difference(asked, resolve(asked, 1000)) == []


def test_difference_names_what_changed() -> None:
    stored = resolve(replace(CPU, temperature=0.5, epochs=3), 1000)
    assert difference(replace(CPU, temperature=0.5), stored) == []
    assert difference(replace(CPU, epochs=4), stored) == [
        "temperature is 0.1, was 0.5",
        "epochs is 4, was 3",
    ]


def test_a_device_is_no_difference() -> None:
    stored = resolve(replace(CPU, epochs=3), 1000)
    assert difference(replace(CPU, device="cuda", epochs=3), stored) == []


def test_unknown_device_is_refused() -> None:
    with pytest.raises(UsageError, match="The device abacus is not available"):
        resolve(replace(CPU, device="abacus"), 100)
