"""What is on this machine: the replica can go, and the encoder is found by its SHA-256."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from clr_search.errors import ClrSearchError
from clr_search.index import Index


def test_an_encoder_is_brought_once_and_asked_for_where_it_is_not_here(
    tmp_path: Path, tiny_encoder: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLR_SEARCH_CACHE", str(tmp_path / "cache"))
    address = f"milvus+file:{tmp_path / 'all.db'}/photos"
    with Index.create(address, tiny_encoder) as index:
        index.update([pictures])
        number = index.ids()[0]
        assert (index.folder / "encoder.onnx").exists()
        assert index.folder.stat().st_mode & 0o077 == 0, "paths are for this user alone"
    shutil.rmtree(tmp_path / "cache/milvus")
    with Index.open(address) as index:
        assert index.encoder.dimension == 16, "another collection has brought it"
    shutil.rmtree(tmp_path / "cache")
    with Index.open(address) as index:
        assert len(index.search(number)) == 10, "items need no encoder"
        with pytest.raises(ClrSearchError, match="is not on this machine") as caught:
            index.search((pictures / "red/red01.png").read_bytes()[:-1] + b"\0")
        assert "--encoder encoder.onnx" in caught.value.remedy
    with Index.create(address, tiny_encoder) as index:
        assert index.encoder.dimension == 16
