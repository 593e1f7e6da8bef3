"""Descriptors of several stages, whitened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from clr_search.cli.main import main
from clr_search.contract.model_file import read_model
from clr_search.errors import UsageError
from clr_search.export import descriptor
from clr_search.export.descriptor import Descriptor, principal_axes, stage_features, whiten
from clr_search.export.onnx import export_run
from clr_search.files.finding.find import find_images
from clr_search.progress import Silent
from clr_search.serve import Encoder
from clr_search.train.run import load_run, write_initial_run
from clr_search.train.settings.config import TrainConfig

SIDE = 32


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TrainConfig(image_size=SIDE, width=0.25, seed=5)  # D is 128
    return write_initial_run(config, tmp_path_factory.mktemp("descriptor") / "run")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(2)
    for number in range(150):
        coarse = generator.integers(0, 256, (4, 5, 3), np.uint8)
        Image.fromarray(coarse).resize((50, 40)).save(folder / f"{number:03}.png")
    return folder


def test_features_are_three_parts_of_unit_norm_and_h_is_the_first(run: Path) -> None:
    encoder = load_run(run).encoder
    pixels = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found, h = stage_features(encoder, pixels), encoder(pixels)
    assert found.shape == (3, 128 + 64 + 32)
    for part in found.split([128, 64, 32], dim=1):
        torch.testing.assert_close(part.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(found[:, :128], h / h.norm(dim=1, keepdim=True))


def test_the_second_part_is_the_deviation_and_the_third_the_mean_of_maps(run: Path) -> None:
    encoder = load_run(run).encoder
    pixels = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found = stage_features(encoder, pixels)[0].double()
        maps = [level[0].double().numpy() for level in encoder.maps(pixels)]
    deviation = np.array([channel.std() for channel in maps[2]])
    mean = np.array([channel.mean() for channel in maps[1]])
    np.testing.assert_allclose(found[128:192], deviation / np.linalg.norm(deviation), atol=2e-3)
    np.testing.assert_allclose(found[192:], mean / np.linalg.norm(mean), atol=1e-5)


def test_axes_are_uncorrelated_with_the_root_of_their_standard_deviation() -> None:
    generator = torch.Generator().manual_seed(3)
    mix = torch.randn(12, 12, generator=generator, dtype=torch.float64)
    features = torch.randn(500, 12, generator=generator, dtype=torch.float64) @ mix + 4
    mean, axes = principal_axes(features, 7)
    turned = (features - mean) @ axes
    covariance = torch.cov(turned.T)
    variances = torch.linalg.eigvalsh(torch.cov(features.T)).flip(0)[:7]
    torch.testing.assert_close(covariance, torch.diag(variances.sqrt()), atol=1e-9, rtol=1e-9)


def test_the_sign_of_an_axis_does_not_depend_on_the_order_of_the_pictures() -> None:
    features = torch.randn(200, 9, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    _, axes = principal_axes(features, 5)
    _, again = principal_axes(features.flip(0), 5)
    torch.testing.assert_close(axes, again)


def test_an_axis_without_variance_stays_quiet() -> None:
    features = torch.randn(50, 6, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    features[:, 3] = 1
    _, axes = principal_axes(features, 6)
    assert axes.abs().max() < 100


def test_the_descriptor_is_the_projection_of_the_features(run: Path) -> None:
    encoder = load_run(run).encoder
    generator = torch.Generator().manual_seed(6)
    mean, axes = torch.randn(224, generator=generator), torch.randn(224, 128, generator=generator)
    pixels = torch.rand(2, 3, SIDE, SIDE, generator=generator)
    with torch.inference_mode():
        found = Descriptor(encoder, mean, axes)(pixels)
        expected = (stage_features(encoder, pixels) - mean) @ axes
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_exported_it_gives_the_same_vectors_and_says_what_it_is(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    report = export_run(run, tmp_path / "encoder.onnx", whiten_on=[photos])
    model = read_model(report.path)
    assert model.card.descriptor == "h and two stages before it, whitened on 150 images"
    assert model.card.embedding_dim == 128
    encoder = Encoder(report.path)
    assert encoder.check() < 1e-4
    files = find_images([photos])
    squares = np.stack([np.asarray(Image.open(file.path).convert("RGB")) for file in files])
    vectors = encoder.encode(list(squares))
    # Whitened on these very pictures, they point everywhere; h alone points one way.
    (tmp_path / "plain").mkdir()
    plain = export_run(run, tmp_path / "plain" / "encoder.onnx")
    crowded = Encoder(plain.path).encode(list(squares))
    assert np.linalg.norm(vectors.mean(axis=0)) < 0.2 < np.linalg.norm(crowded.mean(axis=0))


def test_too_few_pictures_are_refused(run: Path, photos: Path) -> None:
    with pytest.raises(UsageError, match="more pictures than 128, and 100 can be read"):
        whiten(load_run(run).encoder, find_images([photos])[:100], SIDE, Silent())


def test_of_many_pictures_an_even_sample_is_measured(
    run: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptor, "MOST_PICTURES", 149)
    with pytest.raises(UsageError, match="and 75 can be read"):
        whiten(load_run(run).encoder, find_images([photos]), SIDE, Silent())


def test_damaged_pictures_are_left_out_and_counted(run: Path, photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for file in photos.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "000.png").write_bytes(b"no picture")
    found = whiten(load_run(run).encoder, find_images([folder]), SIDE, Silent())
    assert (found.pictures, found.skipped) == (149, 1)
    result = CliRunner().invoke(
        main, ["export", str(run), "--out", str(tmp_path / "e.onnx"), "--whiten", str(folder)]
    )
    assert result.exit_code == 0, result.output
    assert "1 pictures could not be read" in result.output
    assert "whitened on 149 images" in result.output
