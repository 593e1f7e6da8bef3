"""A small collection and its page, served on this machine for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clr_search.app.main import serving
from clr_search.index import Index
from clr_search.serve import Encoder
from clr_search.serve.probe import fit_probe, save_probe


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder of thumbnails for these tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLR_SEARCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def collection(
    tiny_encoder: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The 36 test pictures, indexed."""
    path = tmp_path_factory.mktemp("app") / "colours.clr"
    with Index.create(path, tiny_encoder) as index:
        index.update([pictures])
    return path


@pytest.fixture(scope="session")
def probe(tiny_encoder: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of red, green and blue."""
    paths = sorted(path for path in pictures.rglob("*") if path.is_file())
    vectors = Encoder(tiny_encoder, threads=1).encode(paths)
    fitted = fit_probe(vectors, [path.parent.name for path in paths])
    return save_probe(fitted, tiny_encoder, tmp_path_factory.mktemp("probe") / "probe.onnx")


@pytest.fixture(scope="session")
def address(collection: Path, probe: Path) -> Iterator[str]:
    """Where the page is served."""
    with serving(collection, probe=probe) as url:
        yield url
