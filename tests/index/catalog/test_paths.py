"""Where absolute paths lie below a root, and one folder under several spellings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clr_search.index.catalog import paths
from clr_search.index.catalog.paths import (
    KnownFolders,
    PathSet,
    absolute,
    below,
    canonical,
    folder_identity,
    is_missing,
)

NAMES = st.lists(st.text("ab .", min_size=1, max_size=3), min_size=1, max_size=4)


@given(NAMES, NAMES)
def test_below_is_the_inverse_of_absolute(root: list[str], way: list[str]) -> None:
    folder, relative = "/" + "/".join(root), "/".join(way)
    assert below(absolute(folder, relative), folder) == relative
    assert below(absolute("/", relative), "/") == relative


@pytest.mark.parametrize(
    ("path", "folder", "way"),
    [
        ("/p/a", "/p", "a"),
        ("/p", "/p", ""),
        ("/pa", "/p", None),  # whole names
        ("/", "/p", None),
    ],
)
def test_below(path: str, folder: str, way: str | None) -> None:
    assert below(path, folder) == way


def test_places_around_a_path() -> None:
    places = PathSet(["/p", "/p/q/r.png", "/z"])
    assert places.containing("/p/q/r.png") == {"/p", "/p/q/r.png"}
    assert places.containing("/p/q/s.png") == {"/p"}
    assert places.containing("/q") == frozenset()


def test_gone_is_only_what_is_certainly_not_there(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.touch()
    assert not is_missing(str(file))
    assert is_missing(str(tmp_path / "b.png"))
    assert is_missing(str(file / "below"))
    assert is_missing(str(tmp_path))  # a folder is no file


def test_identity_tells_a_folder_from_its_replacement(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    before = folder_identity(str(folder))
    folder.rename(tmp_path / "q")
    assert folder_identity(str(folder)) is None
    folder.mkdir()
    assert before is not None
    assert folder_identity(str(folder)) != before
    assert folder_identity(str(tmp_path / "q")) == before


def test_a_place_keeps_a_link_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").touch()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "b.png").symlink_to("a.png")
    real = str(tmp_path.resolve() / "real")
    assert canonical(tmp_path / "link") == real
    assert canonical(tmp_path / "link" / "b.png") == f"{real}/b.png"
    assert canonical(tmp_path / "link" / "..") == str(tmp_path.resolve())


def test_another_spelling_of_a_known_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where case does not count: the identities are those of the spelling in lower case."""
    monkeypatch.setattr(paths, "folder_identity", lambda folder: (1, hash(folder.lower())))
    spellings = KnownFolders(["/Photos/2024"])
    assert spellings.of("/photos/2024/x") == "/Photos/2024/x"
    assert spellings.of("/PHOTOS") == "/Photos"
    assert spellings.of("/elsewhere") == "/elsewhere"
