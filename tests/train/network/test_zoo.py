"""Networks of timm are trained, resumed and exported as ours are; needs the extra timm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from clr_search.contract.model_file import TOLERANCE, read_model
from clr_search.errors import UsageError
from clr_search.export.onnx import export_run
from clr_search.serve.encoder import Encoder
from clr_search.train import TrainConfig, load_run, train, write_initial_run
from clr_search.train.network.initial import continued
from clr_search.train.network.model import build_encoder
from clr_search.train.network.zoo import TimmEncoder, is_transformer
from clr_search.train.optimization.optimizers import build_optimizer
from clr_search.train.settings.choices import resolve
from tests.tiny import write_tiny_encoder
from tests.train.test_loop import Interrupting, learned, same_weights

timm = pytest.importorskip("timm", reason="needs the extra timm")

RESNET, VIT = "timm:test_resnet", "timm:test_vit"
"""Small networks that timm has for tests; the others are those that people take."""


def small(tiny: TrainConfig, architecture: str, **more: Any) -> TrainConfig:
    """Of a network of timm, on the smallest pictures that it takes."""
    config = {"stem": "auto", "width": 1.0, "image_size": 32, "epochs": 1, "optimizer": "auto"}
    return replace(tiny, architecture=architecture, **(config | more))


@pytest.mark.parametrize(
    ("architecture", "more"),
    [
        ("timm:resnet18", {}),
        ("timm:vit_tiny_patch16_224", {}),
        (VIT, {"micro_batch": 4, "drop_path": 0.5}),
        (VIT, {"method": "instdisc", "average": 0.9}),
        (RESNET, {"method": "supervised"}),
    ],
    ids=["convolutional", "transformer", "in parts", "instdisc", "supervised"],
)
def test_it_trains_goes_on_where_it_was_stopped_and_exports_at_parity(
    architecture: str, more: dict[str, Any], pictures: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    config = small(tiny, architecture, **more)
    whole = train([pictures], tmp_path / "whole", config)
    assert (whole.epochs, whole.interrupted) == (1, False)
    assert train([pictures], tmp_path / "part", config, reporter=Interrupting(2)).interrupted
    train([pictures], tmp_path / "part", config, resume=True)
    assert same_weights(tmp_path / "part", tmp_path / "whole")
    assert learned(tmp_path / "part") == learned(tmp_path / "whole")
    if "method" in more or "micro_batch" in more:
        return
    report = export_run(tmp_path / "whole", tmp_path / "encoder.onnx")
    assert report.max_abs_difference is not None
    assert report.max_abs_difference <= TOLERANCE
    card = read_model(report.path).card
    assert (card.architecture, card.image_size) == (architecture, 32)
    files = sorted(pictures.rglob("*.*"))[:3]
    rows = Encoder(report.path, device="cpu").encode(files)
    assert rows.shape == (3, load_run(tmp_path / "whole").encoder.dimension)
    with pytest.raises(UsageError, match="sees no others"):
        export_run(tmp_path / "whole", tmp_path / "encoder.onnx", image_size=48, force=True)


def test_a_transformer_learns_from_a_teacher(
    pictures: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    teacher = write_tiny_encoder(tmp_path / "teacher.onnx", size=24, dimension=6)
    config = small(tiny, VIT, teacher=str(teacher), head_dim=128, epochs=1)
    assert train([pictures], tmp_path / "run", config).epochs == 1


def test_whitening_is_of_h_alone(pictures: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    from tests.tiny import write_pictures

    many = write_pictures(tmp_path / "many", each=24)
    run = write_initial_run(small(tiny, VIT), tmp_path / "run")
    card = export_run(run, tmp_path / "encoder.onnx", whiten_on=[many]).card
    assert (card.descriptor, card.embedding_dim) == ("h, whitened on 72 images", 64)


def test_settings_of_a_transformer_are_those_of_its_family(tiny: TrainConfig) -> None:
    assert (is_transformer(VIT), is_transformer(RESNET)) == (True, False)
    vit = resolve(small(tiny, VIT, epochs=300, batch_size=256), 1000)
    resnet = resolve(small(tiny, RESNET, epochs=300, batch_size=256), 1000)
    chosen = [
        (c.optimizer, c.learning_rate, c.weight_decay, c.warmup_epochs, c.drop_path)
        for c in (vit, resnet)
    ]
    assert chosen == [("adamw", 2.5e-4, 0.05, 40, 0.1), ("adamw", 1e-3, 1e-2, 10, 0)]
    given = resolve(small(tiny, VIT, weight_decay=0.3, drop_path=0.0, warmup_epochs=1.0), 100)
    assert (given.weight_decay, given.drop_path, given.warmup_epochs) == (0.3, 0, 1)


def test_tokens_positions_norms_and_biases_do_not_decay(tiny: TrainConfig) -> None:
    config = resolve(small(tiny, VIT), 100)
    encoder = build_encoder(config)
    decayed, others = build_optimizer(encoder, config).param_groups
    names = {id(weight): name for name, weight in encoder.named_parameters()}
    kept = {names[id(weight)] for weight in others["params"]}
    assert {"model.cls_token", "model.pos_embed", "model.norm.weight"} <= kept
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.05, 0)
    for weight in decayed["params"]:
        assert names[id(weight)].endswith("weight")
        assert weight.ndim >= 2


def test_the_same_seed_gives_the_same_network(tiny: TrainConfig) -> None:
    first, second = (build_encoder(resolve(small(tiny, VIT), 100)) for _ in range(2))
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_pixels_are_normalised_as_the_network_was_trained() -> None:
    encoder = TimmEncoder(VIT, 32).eval()
    assert encoder.mean.flatten().tolist() == [0.5, 0.5, 0.5]
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(encoder(images), encoder.model((images - 0.5) / 0.5))


def test_a_run_of_timm_is_gone_on_from(pictures: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    first = train([pictures], tmp_path / "first", small(tiny, VIT, epochs=1)).run
    config = replace(continued(TrainConfig(init=str(first))), epochs=1, batch_size=8, device="cpu")
    assert (config.architecture, config.image_size, config.head_dim) == (VIT, 32, 16)
    run = train([pictures], tmp_path / "second", replace(config, learning_rate=1e-9)).run
    before, after = (load_file(one / "weights.safetensors") for one in (first, run))
    name = "encoder.model.blocks.0.attn.qkv.weight"
    torch.testing.assert_close(before[name], after[name], rtol=0, atol=1e-6)
    with pytest.raises(UsageError, match="architecture is timm:test_resnet, and the encoder of"):
        train([pictures], tmp_path / "third", small(tiny, RESNET, init=str(first)))


def test_weights_of_timm_are_loaded_by_timm(
    pictures: Path, tiny: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = timm.create_model

    def create(name: str, pretrained: bool = False, **given: Any) -> Any:
        model = real(name, pretrained=False, **given)
        if pretrained:
            torch.nn.init.constant_(model.conv1[0].weight, 0.25)
        return model

    monkeypatch.setattr(timm, "create_model", create)
    asked = small(tiny, RESNET, init=RESNET, epochs=1, learning_rate=1e-9)
    assert continued(TrainConfig(init=RESNET)).architecture == RESNET
    run = train([pictures], tmp_path / "run", asked).run
    weight = load_file(run / "weights.safetensors")["encoder.model.conv1.0.weight"]
    torch.testing.assert_close(weight, torch.full_like(weight, 0.25), atol=1e-6, rtol=0)
    card = export_run(run, tmp_path / "encoder.onnx").card
    assert card.initial_weights == "timm:test_resnet, the library's own weights"


def test_weights_of_a_file_are_of_the_network_that_is_given(
    pictures: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    torch.manual_seed(7)
    theirs = timm.create_model("test_resnet").state_dict()
    torch.save(theirs, tmp_path / "theirs.pth")
    config = small(tiny, RESNET, init=str(tmp_path / "theirs.pth"), epochs=1, learning_rate=1e-9)
    run = train([pictures], tmp_path / "run", config).run
    weight = load_file(run / "weights.safetensors")["encoder.model.conv1.0.weight"]
    torch.testing.assert_close(weight, theirs["conv1.0.weight"], atol=1e-6, rtol=0)
    with pytest.raises(UsageError, match="does not hold the weights of timm:test_vit"):
        train([pictures], tmp_path / "vit", replace(config, architecture=VIT))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"architecture": "timm:no_such_net"}, "timm:no_such_net cannot be made"),
        ({"architecture": VIT, "image_size": 40}, "for pictures of 40 pixels|40"),
        ({"architecture": RESNET, "stem": "cifar"}, "stem is cifar, for which timm:test_resnet"),
    ],
)
def test_networks_that_cannot_be_made_are_refused(
    given: dict[str, Any], message: str, pictures: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    config = small(tiny, given.pop("architecture"), **given)
    with pytest.raises(UsageError, match=message):
        train([pictures], tmp_path / "run", config)
    assert not (tmp_path / "run").exists()
