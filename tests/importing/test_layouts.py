"""Configurations of other libraries are read as these libraries read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clr_search.errors import UsageError
from clr_search.importing.configurations import hugging_face, open_clip, timm
from clr_search.importing.door import import_encoder
from clr_search.importing.layouts import find_network
from clr_search.importing.recipe import Recipe
from tests.importing.made import SIDE, network

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (  # CLIP
            {"size": 224, "crop_size": 224, "do_center_crop": True, "resample": 3,
             "feature_extractor_type": "CLIPFeatureExtractor"},
            Recipe(image_size=224, resize=224, fit="centre", filter="bicubic"),
        ),
        (  # DINOv2
            {"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224},
             "do_center_crop": True, "resample": 3},
            Recipe(image_size=224, resize=256, fit="centre", filter="bicubic"),
        ),
        (  # ViT and SigLIP
            {"size": {"height": 384, "width": 384}, "resample": 2},
            Recipe(image_size=384, fit="squash", filter="bilinear"),
        ),
        (  # ConvNeXt
            {"size": {"shortest_edge": 224}, "crop_pct": 0.875, "resample": 3},
            Recipe(image_size=224, resize=256, fit="centre", filter="bicubic"),
        ),
        (
            {"size": {"longest_edge": 512}, "do_flip_channel_order": True, "resample": 2},
            Recipe(image_size=512, fit="pad", filter="bilinear", channels="bgr"),
        ),
        (
            {"size": 224, "do_rescale": False, "resample": 2},
            Recipe(image_size=224, fit="squash", filter="bilinear", scale=1.0),
        ),
    ],
)  # fmt: skip
def test_hugging_face(config: dict[str, Any], expected: Recipe) -> None:
    read = hugging_face(config | {"image_mean": MEAN, "image_std": STD})
    numbers = Recipe(scale=1 / 255, mean=tuple(MEAN), std=tuple(STD), channels="rgb")  # type: ignore[arg-type]
    assert read == expected | numbers


def test_hugging_face_without_normalising() -> None:
    read = hugging_face({"size": 224, "do_normalize": False, "image_mean": MEAN})
    assert read is not None
    assert (read.mean, read.std) == (None, None)


@pytest.mark.parametrize(
    ("mode", "fit"), [("shortest", "centre"), ("longest", "pad"), ("squash", "squash")]
)
def test_open_clip(mode: str, fit: str) -> None:
    config = {"size": [224, 224], "mean": MEAN, "std": STD, "interpolation": "bicubic",
              "resize_mode": mode, "fill_color": 7}  # fmt: skip
    for found in (open_clip(config), open_clip({"preprocess_cfg": config, "model_cfg": {}})):
        assert found is not None
        assert (found.image_size, found.fit, found.filter) == (224, fit, "bicubic")
        assert (found.ground, found.mean) == ((7, 7, 7), tuple(MEAN))


def test_timm() -> None:
    config = {
        "architecture": "vit_small_patch14_dinov2",
        "pretrained_cfg": {
            "tag": "lvd142m", "input_size": [3, 518, 518], "interpolation": "bicubic",
            "crop_pct": 0.95, "mean": MEAN, "std": STD, "license": "apache-2.0",
        },
    }  # fmt: skip
    read = timm(config)
    assert read is not None
    assert (read.image_size, read.resize, read.fit, read.filter) == (518, 545, "centre", "bicubic")
    assert (read.name, read.licence) == ("vit_small_patch14_dinov2.lvd142m", "apache-2.0")
    squashed = timm(config["pretrained_cfg"] | {"crop_mode": "squash", "crop_pct": 1.0})  # type: ignore[operator]
    assert squashed is not None
    assert (squashed.resize, squashed.fit) == (518, "squash")
    assert timm({"model_type": "dinov2"}) is None


@pytest.mark.parametrize(
    ("read", "config", "sentence"),
    [
        (open_clip, {"size": [224, 196]}, "which is no square"),
        (open_clip, {"size": 224, "resize_mode": "odd"}, "unknown resize_mode 'odd'"),
        (open_clip, {"size": 224, "interpolation": "lanczos"}, "the filter 'lanczos'"),
        (hugging_face, {"size": 224, "image_mean": [1, 2]}, "image_mean that is no three"),
    ],
)
def test_what_cannot_be_followed_is_said(read: Any, config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        read(config)


PREPROCESSOR = {
    "size": {"shortest_edge": 40}, "do_center_crop": True, "crop_size": SIDE, "resample": 3,
    "image_mean": MEAN, "image_std": STD,
}  # fmt: skip


def test_a_folder_of_transformers(tmp_path: Path) -> None:
    folder = tmp_path / "some-net"
    network(folder / "onnx" / "model.onnx", outputs=["vector", "map"])
    model = folder / "onnx" / "model.onnx"
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    (folder / "config.json").write_text(json.dumps({"_name_or_path": "somebody/some-net"}))
    (folder / "README.md").write_text("---\ntags:\n- vision\nlicense: cc-by-nc-4.0\n---\nA net.")
    with pytest.raises(UsageError, match="several outputs"):
        import_encoder(folder, tmp_path / "out.onnx")
    asked = Recipe(output="vector", resize=48)
    report = import_encoder(folder, tmp_path / "out.onnx", asked=asked)
    card = report.written.card
    assert (card.name, card.licence) == ("somebody/some-net", "cc-by-nc-4.0")
    assert (report.recipe.resize, report.recipe.mean) == (48, tuple(MEAN))
    assert report.layout == "Hugging Face, preprocessor_config.json"
    assert find_network(folder).path == model


def test_known_names_of_outputs_are_chosen_by_themselves(tmp_path: Path) -> None:
    import onnx

    folder = tmp_path / "net"
    source = network(folder / "model.onnx", outputs=["vector", "map"])
    model = onnx.load(source)
    for node in model.graph.node:
        node.output[:] = ["pooler_output" if n == "vector" else n for n in node.output]
    model.graph.output[0].name = "pooler_output"
    onnx.save(model, source)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    assert import_encoder(folder, tmp_path / "o.onnx").recipe.output == "pooler_output"


def test_a_folder_of_immich(tmp_path: Path) -> None:
    folder = tmp_path / "ViT-tiny"
    network(folder / "visual" / "model.onnx")
    config = {"size": [SIDE, SIDE], "mean": MEAN, "std": STD, "resize_mode": "squash"}
    (folder / "visual" / "preprocess_cfg.json").write_text(json.dumps(config))
    report = import_encoder(folder, tmp_path / "out.onnx")
    assert (report.recipe.fit, report.recipe.filter) == ("squash", "bicubic")
    assert report.written.card.name == "ViT-tiny"


def test_a_folder_of_timm(tmp_path: Path) -> None:
    network(tmp_path / "net" / "anything.onnx")
    config = {"architecture": "net", "pretrained_cfg": {"input_size": [3, SIDE, SIDE],
              "crop_pct": 1.0, "mean": MEAN, "std": STD, "interpolation": "bilinear"}}  # fmt: skip
    (tmp_path / "net" / "config.json").write_text(json.dumps(config))
    report = import_encoder(tmp_path / "net", tmp_path / "out.onnx")
    assert (report.layout, report.recipe.filter) == ("timm, config.json", "bilinear")


def test_a_configuration_that_is_no_json(tmp_path: Path) -> None:
    network(tmp_path / "net" / "model.onnx")
    (tmp_path / "net" / "preprocessor_config.json").write_text("[")
    with pytest.raises(UsageError, match=r"preprocessor_config\.json cannot be read"):
        import_encoder(tmp_path / "net", tmp_path / "out.onnx")
