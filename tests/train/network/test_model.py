"""The networks, and the run folder on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from clr_search.errors import UsageError
from clr_search.train.network.model import build_encoder, build_head, layout_for
from clr_search.train.run import load_run, write_initial_run
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.names import Architecture, Head, Stem


@pytest.mark.parametrize(
    ("architecture", "width", "dimension"),
    [("resnet18", 0.25, 128), ("resnet34", 0.25, 128), ("resnet50", 0.5, 1024)],
)
def test_dimension(architecture: Architecture, width: float, dimension: int) -> None:
    encoder = build_encoder(TrainConfig(architecture=architecture, width=width)).eval()
    assert encoder.dimension == dimension
    assert encoder(torch.rand(2, 3, 32, 32)).shape == (2, dimension)


@pytest.mark.parametrize(("stem", "side"), [("cifar", 32), ("middle", 16), ("imagenet", 8)])
def test_stem_decides_the_first_feature_map(stem: Stem, side: int) -> None:
    encoder = build_encoder(TrainConfig(width=0.25, stem=stem))
    assert encoder.stem(torch.rand(1, 3, 32, 32)).shape == (1, 16, side, side)


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50"])
def test_full_size_networks_have_torchvisions_parameters(architecture: Architecture) -> None:
    import torchvision

    ours = build_encoder(TrainConfig(architecture=architecture, stem="imagenet", image_size=224))
    theirs = getattr(torchvision.models, architecture)()
    theirs.fc = nn.Identity()
    shapes = [sorted(tuple(w.shape) for w in net.parameters()) for net in (ours, theirs)]
    assert shapes[0] == shapes[1]
    # With the same weights they compute the same.
    state = dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True))
    ours.load_state_dict(state)
    images = torch.rand(2, 3, 64, 64)
    mean, std = (
        torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    with torch.no_grad():
        expected = theirs.eval()((images - mean) / std)
        torch.testing.assert_close(ours.eval()(images), expected, atol=1e-4, rtol=1e-4)


def test_gradients_are_right_where_few_channels_are_halved_in_size() -> None:
    """With AVX2 alone, and channels last, they are wrong, and the memory behind them is altered."""
    torch.manual_seed(0)
    layer, images = nn.Conv2d(4, 8, 1, stride=2, bias=False), torch.rand(16, 4, 8, 8)
    layout = layout_for(nn.Sequential(layer), channels_last=True)
    layer.to(memory_format=layout)
    layer(images.contiguous(memory_format=layout)).square().sum().backward()
    expected = 2 * torch.einsum(
        "oc,ncyx,nkyx->ok", layer.weight.detach()[:, :, 0, 0], *(2 * [images[:, :, ::2, ::2]])
    )
    assert layer.weight.grad is not None
    torch.testing.assert_close(layer.weight.grad[:, :, 0, 0], expected)


def test_convolutions_start_as_he_has_it_and_residual_branches_at_full_strength() -> None:
    encoder = build_encoder(TrainConfig(width=1.0))
    for module in encoder.modules():
        if isinstance(module, torch.nn.Conv2d):
            fan_out = module.out_channels * module.kernel_size[0] * module.kernel_size[1]
            assert float(module.weight.detach().std()) == pytest.approx(
                (2 / fan_out) ** 0.5, rel=0.05
            )
        if isinstance(module, torch.nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert (module.bias == 0).all()


@pytest.mark.parametrize(("head", "layers"), [("nonlinear", 5), ("linear", 2), ("none", 0)])
def test_heads(head: Head, layers: int) -> None:
    found = build_head(TrainConfig(head=head, head_dim=16), 32)
    assert len(found) == layers
    assert found(torch.rand(4, 32)).shape == (4, 32 if head == "none" else 16)


def test_width_of_the_hidden_layer() -> None:
    wide = build_head(TrainConfig(head_hidden=48, head_dim=16), 32)
    assert [tuple(w.shape) for w in wide.parameters() if w.ndim == 2] == [(48, 32), (16, 48)]
    assert wide(torch.rand(4, 32)).shape == (4, 16)
    grouped = build_head(TrainConfig(head_hidden=48, head_dim=16, norm="group"), 32)
    assert grouped(torch.rand(4, 32)).shape == (4, 16)
    # As wide as h it is the head that there is without saying so, to the bit.
    said, unsaid = (
        build_head(TrainConfig(head_hidden=width, head_dim=16), 32).state_dict()
        for width in (32, None)
    )
    assert all(torch.equal(said[name], tensor) for name, tensor in unsaid.items())


def test_seed_decides_the_weights_and_nothing_else_is_touched() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (build_encoder(TrainConfig(width=0.25, seed=s)) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    weights = [net.stem[0].weight for net in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_initial_run_is_read_back(tmp_path: Path) -> None:
    config = TrainConfig(width=0.25, device="cpu", seed=3)
    run = load_run(write_initial_run(config, tmp_path / "run"))
    assert run.metrics == []
    assert run.epochs == 0
    assert not run.encoder.training
    for name, tensor in build_encoder(config).state_dict().items():
        assert torch.equal(run.encoder.state_dict()[name], tensor)
    with pytest.raises(UsageError, match="exists already"):
        write_initial_run(config, tmp_path / "run")
    other = write_initial_run(replace(config, seed=4), tmp_path / "run", force=True)
    assert load_run(other).weights_sha256 != run.weights_sha256


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        load_run(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"is not a run: it has no config\.json"):
        load_run(tmp_path)
    run = write_initial_run(TrainConfig(width=0.25, device="cpu"), tmp_path / "run")
    weights = run / "weights.safetensors"
    whole = weights.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"PK" + whole):
        weights.write_bytes(damaged)
        with pytest.raises(UsageError, match="does not hold the network"):
            load_run(run)
    weights.unlink()
    with pytest.raises(UsageError, match="no weights yet"):
        load_run(run)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    small = write_initial_run(TrainConfig(width=0.25, device="cpu"), tmp_path / "small")
    large = write_initial_run(TrainConfig(width=0.5, device="cpu"), tmp_path / "large")
    (small / "weights.safetensors").write_bytes((large / "weights.safetensors").read_bytes())
    with pytest.raises(UsageError, match="does not hold the network"):
        load_run(small)


def test_traces_to_onnx_with_any_batch() -> None:
    import onnxruntime

    encoder = build_encoder(TrainConfig(width=0.25)).eval()
    program = torch.onnx.export(
        encoder,
        (torch.rand(2, 3, 64, 64),),
        dynamic_shapes=({0: torch.export.Dim("N")},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    for count in (1, 3):
        images = torch.rand(count, 3, 64, 64)
        (found,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(found, encoder(images).numpy(), atol=1e-4)
