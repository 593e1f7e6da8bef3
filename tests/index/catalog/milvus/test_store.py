"""One suite for a collection in a folder, in milvus-lite, and on a real server of Milvus."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clr_search.analysis.clusters import find_clusters
from clr_search.analysis.duplicates import find_duplicates
from clr_search.analysis.exchange.copying import copy_collection
from clr_search.analysis.exchange.vectors_out import export_vectors
from clr_search.analysis.knn_classifier import KnnClassifier
from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import Filter, Index, Query
from tests.index.catalog.milvus.conftest import Name
from tests.index.catalog.milvus.made import add_odd_ones, found, paths_of, state, tell

SEARCHES: dict[str, Callable[[Index, Path], Any]] = {
    "by path": lambda index, at: index.search(at / "red/red00.jpg", k=5),
    "by id": lambda index, at: index.search(index.id_at(at / "red/red02.jpg"), k=50),
    "by bytes": lambda index, at: index.search((at / "red/red00.jpg").read_bytes(), k=4),
    "with itself": lambda index, at: index.search(at / "red/red00.jpg", include_self=True),
    "a crop": lambda index, at: index.search(at / "red/red00.jpg", crop=(0, 0, 0.5, 0.5)),
    "like and unlike": lambda index, at: index.search(
        at / "red/red00.jpg", like=[at / "green/green00.jpg"], unlike=[at / "blue/blue01.png"]
    ),
    "a least score": lambda index, at: index.search(at / "red/red00.jpg", k=50, min_score=0.9),
    "a least percentile": lambda index, at: index.search(
        at / "red/red00.jpg", k=50, min_percentile=60
    ),
    "diverse": lambda index, at: index.search(at / "red/red00.jpg", k=6, diverse=0.6),
    "with columns": lambda index, at: index.search(
        at / "red/red00.jpg", columns=["rating", "said", "width"]
    ),
    "several ids": lambda index, at: index.search(
        Query(ids=[index.id_at(at / f"red/red0{n}.{'png' if n % 2 else 'jpg'}") for n in (0, 1)])
    ),
    "left out": lambda index, at: index.search_vector(
        np.eye(16, dtype=np.float32)[3], 5, exclude=[index.id_at(at / "red/red00.jpg")]
    ),
}


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_every_search_finds_what_it_finds_in_a_folder(
    filled: Index, twin: Index, odd_pictures: Path, search: Callable[[Index, Path], Any]
) -> None:
    expected = found(twin, search(twin, odd_pictures))
    assert expected
    assert found(filled, search(filled, odd_pictures)) == expected


FILTERS: dict[str, dict[str, Any]] = {
    "a folder": {"under": "red"},
    "a folder of one letter's several forms": {"glob": "rosé.png"},
    "a label": {"label": "blue"},
    "a label of quotes": {"label": "a \"quoted' label\\"},
    "a glob": {"glob": "*1].jpg"},
    "a class of letters": {"glob": "red0[02].*"},
    "after": {"after": datetime(2023, 11, 18)},
    "before": {"before": datetime(2023, 11, 18)},
    "sides": {"min_side": 35, "max_side": 60},
    "bytes": {"min_bytes": 3000, "max_bytes": 9000},
    "a column": {"where": "rating >= 2 OR said = 'über'"},
    "text with quotes": {"where": "said = 'it''s \"here\"'"},
    "no value": {"where": "camera IS NULL AND width > 40"},
    "all at once": {"under": "green", "label": "green", "min_side": 30, "glob": "*.jpg"},
}


@pytest.mark.parametrize("conditions", FILTERS.values(), ids=FILTERS)
def test_every_filter_passes_what_it_passes_in_a_folder(
    filled: Index, twin: Index, odd_pictures: Path, conditions: dict[str, Any]
) -> None:
    where = Filter(**conditions)
    assert paths_of(filled, filled.ids(where=where)) == paths_of(twin, twin.ids(where=where))
    query = Query(picture=odd_pictures / "blue/blue00.jpg", k=50, filter=where)
    assert found(filled, filled.search(query)) == found(twin, twin.search(query))
    rows = np.eye(16, dtype=np.float32)[:3]
    for here, there in zip(
        filled.search_vectors(rows, 4, where=where),
        twin.search_vectors(rows, 4, where=where),
        strict=True,
    ):
        assert found(filled, here) == found(twin, there)


def test_a_filter_of_ids_and_what_nothing_passes(filled: Index, twin: Index) -> None:
    ids = filled.ids()[:3]
    assert filled.ids(where=Filter(ids=[*ids, 2**53 - 1])) == ids
    for conditions in ({"label": "gren"}, {"under": "bleu"}, {"where": "rating > 99"}):
        errors = []
        for index in (filled, twin):
            with pytest.raises(UsageError) as caught:
                index.search(Query(ids=index.ids()[:1], filter=Filter(**conditions)))
            errors.append(str(caught.value).replace(str(index.path), "HERE"))
        assert errors[0] == errors[1]


def test_everything_that_is_kept_is_what_a_folder_keeps(filled: Index, twin: Index) -> None:
    assert state(filled) == state(twin)
    assert len(filled) == len(twin) > 12
    assert filled.ids() == sorted(filled.ids())
    assert max(filled.ids()) < 2**53, "JavaScript has no greater whole numbers"
    assert filled.skipped()[0].path.name == "broken.png"
    info, expected = filled.info(), twin.info()
    for name in ("count", "skipped", "dimension", "encoder_sha256", "roots", "recall"):
        assert getattr(info, name) == getattr(expected, name)


def test_many_vectors_and_more_neighbours_than_there_are(filled: Index, twin: Index) -> None:
    rows = np.random.default_rng(1).normal(size=(7, 16)).astype(np.float32)
    here, there = filled.search_vectors(rows, 100), twin.search_vectors(rows, 100)
    assert np.asarray(here.ids).shape == (7, 100)
    assert np.allclose(here.scores, there.scores, atol=1e-5)
    assert len(filled.search_vectors(rows[:0], 3)) == 0


def test_analysis_says_what_it_says_of_a_folder(filled: Index, twin: Index, tmp_path: Path) -> None:
    def groups(index: Index) -> list[list[str]]:
        duplicates = find_duplicates(index)
        return sorted(
            sorted(str(copy.item.path) for copy in group.copies) for group in duplicates.groups
        )

    assert groups(filled) == groups(twin) != []
    assert len(find_clusters(filled, 3)) == len(find_clusters(twin, 3)) == 3
    assert KnnClassifier(filled).classes == KnnClassifier(twin).classes
    for index, name in ((filled, "a.npy"), (twin, "b.npy")):
        export_vectors(index, tmp_path / name)
    written = [np.load(tmp_path / name) for name in ("a.npy", "b.npy")]
    assert sorted(map(bytes, written[0])) == sorted(map(bytes, written[1]))


def test_every_change_leaves_what_it_leaves_in_a_folder(
    place: Name, tmp_path: Path, tiny_encoder: Path
) -> None:
    pictures = add_odd_ones(tmp_path / "pictures")
    with (
        Index.create(place("changed"), tiny_encoder) as here,
        Index.create(tmp_path / "twin.clr", tiny_encoder) as there,
    ):

        def both(change: Callable[[Index], object]) -> None:
            """The same change here and there, which leaves the same, also for another client."""
            outcomes = []
            for index in (here, there):
                try:
                    outcomes.append(str(change(index)))
                except ClrSearchError as error:
                    outcomes.append(str(error).replace(str(index.path), "HERE"))
            assert outcomes[0] == outcomes[1]
            assert state(here) == state(there)

        both(lambda index: tell(index, pictures))
        both(lambda index: index.update([pictures]))
        shutil.move(pictures / "red/red00.jpg", pictures / "green/was red.jpg")
        shutil.copy(pictures / "green/green00.jpg", pictures / "blue/blue00.jpg")  # changed
        shutil.copy(pictures / "red/red02.jpg", pictures / "red/new.jpg")
        shutil.copy(pictures / "red/red02.jpg", pictures / "red/broken.png")  # mended
        (pictures / "red/red03.png").write_bytes(b"broken now")
        (pictures / "green/green03.png").unlink()
        both(lambda index: index.update([pictures]))
        both(lambda index: index.update([pictures], verify=True))
        (pictures / "green/green02.jpg").unlink()
        both(lambda index: index.add([pictures / "green", pictures / "blue/blue02.jpg"]))
        both(lambda index: index.remove([pictures / "blue/blue01.png", pictures / "red/new.jpg"]))
        both(lambda index: index.remove([pictures / "not there"]))
        both(lambda index: index.__delitem__(index.id_at(pictures / "rosé.png")))
        both(lambda index: index.update([pictures]))
        vectors = np.random.default_rng(5).normal(size=(3, 16))
        both(lambda index: index.add_vectors(vectors, ["a", "b/c", "b/d"], root=tmp_path / "made"))
        both(
            lambda index: index.add_vectors(
                vectors[::-1], ["a", "b/c", "b/d"], ["x", None, "y"], root=tmp_path / "made"
            )
        )
        both(lambda index: index.add_vectors(vectors, ["a", "a", "b"], root=tmp_path / "made"))
        both(lambda index: index.label({index.id_at(pictures / "red/red02.jpg"): "only"}))
        both(lambda index: index.label(None))
        both(lambda index: index.drop_columns(["rating"]))
        both(lambda index: index.drop_columns(["rating"]))
        both(lambda index: index.select(exclude=["*/blue/*"]))
        both(lambda index: index.update([pictures]))
        both(
            lambda index: index.dismiss(
                [index.id_at(pictures / "red/red02.jpg")],
                [index.id_at(pictures / "green/green00.jpg")],
            )
        )
        both(lambda index: index.relocate(tmp_path / "made", tmp_path / "pictures"))
        (tmp_path / "moved").mkdir()
        shutil.move(pictures, tmp_path / "moved/here")
        both(lambda index: index.relocate(pictures, tmp_path / "moved/here"))
        kept = state(here)
        with Index.open(here.path) as again:
            assert state(again) == kept
    shutil.rmtree(Path(os.environ["CLR_SEARCH_CACHE"]) / "milvus")
    with Index.open(place("changed")) as anew:
        assert state(anew) == kept, "another machine reads the same"


def test_a_copy_there_and_back_is_the_same_bit_for_bit(
    place: Name, twin: Index, tmp_path: Path, odd_pictures: Path
) -> None:
    report = copy_collection(twin.path, place("copied"))
    assert report.added == len(twin)
    assert copy_collection(twin.path, place("copied")).unchanged == len(twin)
    back = copy_collection(place("copied"), tmp_path / "back.clr")
    assert back.added == len(twin)
    with Index.open(tmp_path / "back.clr", writable=True) as index:
        assert state(index) == state(twin)
        report = index.update([odd_pictures])
        assert (report.unchanged, report.added, report.changed) == (len(twin), 0, 0)
    Index.create(tmp_path / "empty.clr", twin.folder / "encoder.onnx").close()
    with pytest.raises(UsageError, match="pictures that"):
        copy_collection(tmp_path / "empty.clr", place("copied"))


def test_readers_see_what_another_process_has_written(place: Name, tiny_encoder: Path) -> None:
    rows = np.eye(16, dtype=np.float32)
    with Index.create(place("seen"), dimension=16) as writer:
        writer.add_vectors(rows[:5], [f"/x/{n}.jpg" for n in range(5)])
        with Index.open(place("seen")) as reader:
            assert len(reader) == 5
            before = reader.version(), reader.embedded_state()
            with pytest.raises(UsageError, match="is open for reading only"):
                reader.remove(["/x"])
            writer.add_vectors(rows[5:9], [f"/x/{n}.jpg" for n in range(5, 9)])
            assert len(reader) == 9
            assert reader.version() != before[0]
            assert reader.embedded_state() != before[1]
            assert str(reader.search_vector(rows[7], 1)[0].path) == "/x/7.jpg"
            writer.remove(["/x/7.jpg"])
            assert "/x/7.jpg" not in reader
            assert str(reader.search_vector(rows[7], 1)[0].path) != "/x/7.jpg"
    with (
        Index.create(place("seen")) as writer,
        pytest.raises(UsageError, match="has no encoder, which this needs"),
    ):
        writer.update([tiny_encoder.parent])


def test_what_makes_no_sense_there_says_what_to_do(tmp_path: Path, tiny_encoder: Path) -> None:
    address = f"milvus+file:{tmp_path / 'all.db'}/sense"
    with Index.create(address, tiny_encoder) as index:
        for change, words in (
            (lambda: index.rebuild(tiny_encoder), "Make a collection of another name"),
            (lambda: index.aim(memory=1e9), "Milvus chooses what it keeps in memory"),
            (lambda: index.aim(graph=True), "Milvus chooses what it keeps in memory"),
        ):
            with pytest.raises(UsageError, match=words):
                change()
        index.aim(recall=0.95)
    with pytest.raises(UsageError, match="Leave out --share-encoder"):
        Index.create(address, tiny_encoder, share_encoder=True)
