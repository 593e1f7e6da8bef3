"""Networks of torchvision and timm, with weights of files."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from clr_search.errors import UsageError
from clr_search.importing.door import import_encoder
from clr_search.importing.recipe import Recipe

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")

SMALL = Recipe(image_size=64, resize=64)


def weights_of(path: Path, seed: int = 0) -> Path:
    """Random weights of a ResNet-18, its classifier included."""
    torch.manual_seed(seed)
    torch.save(torchvision.models.resnet18().state_dict(), path)
    return path


def test_weights_of_both_kinds_give_the_same_vectors(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from clr_search.serve.encoder import Encoder

    pth = weights_of(tmp_path / "w.pth")
    save_file(torch.load(pth, weights_only=True), tmp_path / "w.safetensors")
    picture = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    rows = []
    for weights in (pth, tmp_path / "w.safetensors"):
        out = tmp_path / f"{weights.suffix[1:]}.onnx"
        report = import_encoder(
            "torchvision:resnet18", out, asked=SMALL, weights=weights, force=True
        )
        assert report.layout.startswith("torchvision ")
        assert report.written.card.origin.startswith(f"torchvision:resnet18, {weights.name}")
        rows.append(Encoder(out, device="cpu").encode(picture)[0])
    assert rows[0] @ rows[1] > 0.99999
    assert report.recipe.mean == (0.485, 0.456, 0.406)
    assert report.written.card.embedding_dim == 512


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('run')",)


def test_weights_that_are_not_of_the_network_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    weights = weights_of(tmp_path / "w.pth")
    with pytest.raises(UsageError, match=r"w\.pth does not hold the weights of .*resnet50"):
        import_encoder("torchvision:resnet50", out, asked=SMALL, weights=weights)
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"fc.weight": Evil()}))
    with pytest.raises(UsageError, match="no weights that can be loaded safely"):
        import_encoder("torchvision:resnet18", out, weights=tmp_path / "evil.pth")
    with pytest.raises(UsageError, match="torchvision:resnet19 cannot be made"):
        import_encoder("torchvision:resnet19", out, weights=weights)
    (tmp_path / "net.onnx").write_bytes(b"")
    with pytest.raises(UsageError, match="--weights is of networks of timm"):
        import_encoder(tmp_path / "net.onnx", out, weights=weights)
    assert not out.exists()


def test_timm(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm", reason="needs the extra timm")
    weights = tmp_path / "w.pth"
    torch.save(timm.create_model("vit_tiny_patch16_224", num_classes=7).state_dict(), weights)
    report = import_encoder("timm:vit_tiny_patch16_224", tmp_path / "o.onnx", weights=weights)
    assert (report.recipe.filter, report.written.card.embedding_dim) == ("bicubic", 192)
