"""What is said before a training begins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clr_search.train.settings.advice import summary, warnings
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.config import TrainConfig

CPU = TrainConfig(device="cpu", precision="fp32")


def warned(images_count: int = 5000, **given: Any) -> str:
    asked = replace(CPU, **given)
    return " ".join(warnings(asked, resolve(asked, images_count), images_count))


def test_the_defaults_need_no_warning() -> None:
    assert warned() == ""
    assert warned(image_size=32, temperature=0.5, batch_size=1024) == ""
    assert warned(optimizer="lars", batch_size=4096) == ""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"images_count": 300, "batch_size": 512}, "larger than the collection: it is 300 now"),
        ({"images_count": 40}, "40 images are few"),
        ({"temperature": 0.01}, "temperature of 0.01 is far"),
        ({"temperature": 10.0}, "temperature of 10 is far"),
        ({"learning_rate": 1.0}, "learning rate 1 is far from the usual 0.001 of adamw"),
        ({"optimizer": "lars", "learning_rate": 0.01}, "meant for another batch"),
        ({"batch_size": 8}, "fewer than 16 images is noisy"),
        ({"batch_size": 4096, "micro_batch": 8}, "fewer than 16 images is noisy"),
        ({"batch_size": 20, "micro_batch": 16, "learning_rate": 2e-4}, "fewer than 16 images"),
    ],
)
def test_where_people_go_wrong(given: dict[str, Any], words: str) -> None:
    assert words in warned(**given)


def test_what_is_meant_is_not_warned_of() -> None:
    assert warned(temperature=10.0, normalise=False) == ""  # as in Table 5
    assert warned(temperature=10.0, loss="margin") == ""  # which has none
    assert warned(batch_size=8, norm="group", learning_rate=2e-4) == ""
    assert warned(batch_size=33, micro_batch=32, learning_rate=2e-4) == ""  # parts of 16 and 17


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"method": "supervised"}, "· supervised · batch"),
        ({"method": "instdisc"}, "· instdisc, temperature 0.1 ·"),
        ({"loss": "margin"}, "· margin, 0.4 ·"),
        ({"epochs": 1}, "· 1 epoch ·"),
        ({"encoder_rate": 0.1}, "adamw at 0.001, × 0.1 for the encoder"),
    ],
)
def test_the_summary_names_what_counts(given: dict[str, Any], words: str) -> None:
    assert words in summary(resolve(replace(CPU, **given), 1000), 1000)


def test_the_summary_says_what_was_chosen() -> None:
    asked = replace(CPU, image_size=32, batch_size=512, micro_batch=64, epochs=20)
    assert summary(resolve(asked, 1234), 1234) == (
        "1,234 images at 32 px · resnet18 width 1, cifar stem · nt-xent, temperature 0.1 · "
        "batch 512 in parts of 64 · adamw at 0.00141 · colour strength 0.5, no blur · 20 epochs · "
        "fp32 on cpu"
    )
