"""Files of vectors from anybody: what is read, and that nothing else is."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clr_search.errors import MissingExtraError, UsageError
from clr_search.files.tables import vector_reading
from clr_search.files.tables.vector_reading import VectorTable, read_vectors

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3) - 5
PATHS = ["a.png", "b.png", "c.png", "d.png"]


def read(path: Path) -> VectorTable:
    with read_vectors(path) as table:
        rows = np.array(table.vectors)
        return VectorTable(rows, table.paths, table.labels, table.columns, table.left_out)


def refused(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read(path)
    assert path.name in caught.value.what
    return caught.value.what


class TestNpy:
    @pytest.mark.parametrize("kind", ["<f2", "<f4", "<f8", ">f4", ">f8"])
    @pytest.mark.parametrize("order", ["C", "F"])
    def test_floats_of_any_width_and_order(self, tmp_path: Path, kind: str, order: Any) -> None:
        np.save(tmp_path / "x.npy", np.asarray(ROWS.astype(kind), order=order))
        table = read(tmp_path / "x.npy")
        np.testing.assert_array_equal(table.vectors, ROWS)
        assert table.paths is None

    @pytest.mark.parametrize(
        ("array", "says"),
        [
            (ROWS.astype(np.int64), "holds int64; vectors are float16, float32 or float64"),
            (ROWS.astype(np.complex64), "holds complex64"),
            (ROWS.astype(np.longdouble), "vectors are float16, float32 or float64"),
            (ROWS.astype("S4"), "vectors are"),
            (ROWS.view([("x", "f4"), ("y", "f4"), ("z", "f4")]), "vectors are"),
            (ROWS[0], r"has the shape (3,)"),
            (ROWS[None], r"has the shape (1, 4, 3)"),
            (ROWS[:0], r"has the shape (0, 3)"),
            (ROWS[:, :0], r"has the shape (4, 0)"),
            (np.zeros((1, 65_537), np.float32), r"has the shape (1, 65537)"),
        ],
    )
    def test_no_array_of_vectors(self, tmp_path: Path, array: Any, says: str) -> None:
        np.save(tmp_path / "x.npy", array)
        assert says in refused(tmp_path / "x.npy")

    def test_nothing_is_unpickled(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        class Prints:
            def __reduce__(self) -> tuple[Any, ...]:
                return print, ("unpickled",)

        array = np.empty((1, 1), object)
        array[0, 0] = Prints()
        np.save(tmp_path / "x.npy", array, allow_pickle=True)
        assert "Python objects, which are not read" in refused(tmp_path / "x.npy")
        (tmp_path / "y.npy").write_bytes(pickle.dumps(Prints()))
        assert "cannot be read" in refused(tmp_path / "y.npy")
        assert capsys.readouterr().out == ""

    def test_damaged_files(self, tmp_path: Path) -> None:
        file = io.BytesIO()
        np.save(file, ROWS)
        whole = file.getvalue()
        path = tmp_path / "x.npy"
        for data in (b"", b"x", whole[:9], whole[:60], whole[:-1], b"PK\x03\x04" + whole[4:]):
            path.write_bytes(data)
            refused(path)
        for claimed in ("(4000000000, 3)", "(-4, 3)", "(4, -3)", "(2**63, 3)", "(4, 3.0)"):
            header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {claimed}, }}\n".encode()
            path.write_bytes(whole[:8] + struct.pack("<H", len(header)) + header + whole[-48:])
            refused(path)
        header = b"{" + b"'x':" * 100_000
        path.write_bytes(b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header)) + header)
        refused(path)


def parquet(where: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), where)
    return where


def vectors(rows: Any = ROWS) -> Any:
    return pa.array(list(rows), pa.list_(pa.float32(), 3))


class TestParquet:
    @pytest.mark.parametrize(
        "kind",
        [
            pa.list_(pa.float32(), 3),
            pa.list_(pa.float32()),
            pa.list_(pa.float64()),
            pa.large_list(pa.float16()),
        ],
        ids=str,
    )
    def test_lists_of_floats(
        self, tmp_path: Path, kind: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(vector_reading, "_MOST_ROWS", 3)
        rows = [row.astype(np.float16) for row in ROWS]
        table = read(parquet(tmp_path / "x.parquet", path=PATHS, v=pa.array(rows, kind)))
        np.testing.assert_array_equal(table.vectors, ROWS)
        assert table.vectors.dtype == np.float32
        assert (table.paths, table.labels, table.columns) == (PATHS, None, {})

    def test_columns_by_their_names(self, tmp_path: Path) -> None:
        table = read(
            parquet(
                tmp_path / "x.parquet",
                other=vectors(-ROWS),
                Embedding=vectors(),
                image=PATHS,
                category=pa.array(["rose", None, "", "rose"]).dictionary_encode(),
                number=[1, None, 3, 4],
                true=[True, False, None, True],
                long=["x" * 5000, "", "", ""],
                words=[["a"]] * 4,
                blob=[b"x"] * 4,
            )
        )
        np.testing.assert_array_equal(table.vectors, ROWS)
        assert table.paths == PATHS
        assert table.labels == ["rose", None, None, "rose"]
        assert table.columns == {"number": ["1", "", "3", "4"], "true": ["1", "0", "", "1"]}
        assert table.left_out == {"long": "it has a value of over 4,096 letters"}

    @pytest.mark.parametrize(
        ("columns", "says"),
        [
            ({"path": PATHS}, "has no columns of vectors"),
            ({"path": PATHS, "a": vectors(), "b": vectors()}, "has 2 columns of vectors"),
            ({"path": PATHS, "a": [[1, 2]] * 4}, "has no columns of vectors"),
            ({"vector": vectors()}, "has no column path"),
            ({"path": ["a", None, "c", "d"], "vector": vectors()}, "row 1, has no path"),
            ({"path": ["a", "x" * 5000, "c", "d"], "vector": vectors()}, "a path of over 4,096"),
            ({"path": PATHS, "vector": [[1.0], [2.0], [3.0], [4.0, 5.0]]}, "5 values in 4 vectors"),
            ({"path": PATHS, "vector": [[1.0], [2.0, 3], [4.0, 5.0, 6.0], [7.0, 8]]}, "row 0, has"),
            ({"path": PATHS, "vector": [[1.0], None, [3.0], [4.0]]}, "row 1, has 0 values"),
            ({"path": PATHS, "vector": [[1.0], [None], [3.0], [4.0]]}, "row 1, has a vector with"),
            ({"path": PATHS, "vector": [[]] * 3 + [[1.0] * 4]}, "7 values in 4 vectors"),
            ({"path": pa.array([], pa.string()), "vector": vectors([])}, "has no rows"),
            ({"path": ["a"], "vector": [[0.5] * 65_537]}, "up to 65,536"),
        ],
    )
    def test_no_table_of_vectors(self, tmp_path: Path, columns: dict[str, Any], says: str) -> None:
        assert says in refused(parquet(tmp_path / "x.parquet", **columns))

    def test_a_file_that_unpacks_to_far_more_than_it_is(self, tmp_path: Path) -> None:
        many = 200_000
        flat = pa.array(np.ones(many * 64, np.float32))
        rows = pa.FixedSizeListArray.from_arrays(flat, 64)
        path = parquet(tmp_path / "x.parquet", path=["a"] * many, vector=rows)
        assert path.stat().st_size < 40_000
        assert "would unpack to 200,000 vectors of 64 values" in refused(path)

    def test_damaged_files(self, tmp_path: Path) -> None:
        path = parquet(tmp_path / "x.parquet", path=PATHS, vector=vectors())
        whole = path.read_bytes()
        generator = np.random.default_rng(0)
        for data in (b"", b"PAR1", whole[:-1], whole[:40] + whole[60:], b"\x00" * 100):
            path.write_bytes(data)
            refused(path)
        for _ in range(150):  # any outcome but a crash, or an error that says nothing
            changed = bytearray(whole)
            for at in generator.integers(0, len(whole), 3):
                changed[at] = int(generator.integers(256))
            path.write_bytes(changed)
            with contextlib.suppress(UsageError):
                assert read(path).vectors.shape[0] >= 1

    def test_without_pyarrow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = parquet(tmp_path / "x.parquet", path=PATHS, vector=vectors())
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
        with pytest.raises(MissingExtraError, match=r"clr-search\[parquet\]"):
            read(path)


def test_another_suffix(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("path,vector\n")
    assert "does not end in .parquet, .npy." in refused(tmp_path / "x.csv")
