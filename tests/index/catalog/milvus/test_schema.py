"""What a collection on Milvus has to be before anything in it is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clr_search.errors import UsageError
from clr_search.index import Index
from clr_search.index.catalog.milvus import schema
from clr_search.index.catalog.milvus.address import Address
from clr_search.index.catalog.milvus.connection import Connection
from tests.index.catalog.milvus.conftest import Name
from tests.tiny import write_tiny_encoder


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"milvus+file:{tmp_path / 'all.db'}/photos"


def test_a_collection_that_is_not_there_is_not_made_by_opening(
    address: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="There is no collection") as caught:
        Index.open(address)
    assert "build-index IMAGES --index milvus+file:" in caught.value.remedy
    assert not (tmp_path / "all.db").exists()


def test_another_dimension_encoder_version_or_program_is_refused(
    address: str, tmp_path: Path, tiny_encoder: Path
) -> None:
    Index.create(address, tiny_encoder).close()
    with pytest.raises(UsageError, match="have 16 values, not 17"):
        Index.create(address, dimension=17)
    other = write_tiny_encoder(tmp_path / "other.onnx", seed=5)
    with pytest.raises(UsageError, match="belongs to another encoder"):
        Index.create(address, other)
    connection = Connection(Address.read(address))
    connection.set_properties("photos", {schema.SCHEMA_VERSION: "99"})
    with pytest.raises(UsageError, match="schema version 99; this release reads 1"):
        Index.open(address)
    foreign = connection.new_schema()
    foreign.add_field("id", connection.types.INT64, is_primary=True)
    foreign.add_field("v", connection.types.FLOAT_VECTOR, dim=4)
    connection.create("theirs", foreign, "v", {})
    with pytest.raises(UsageError, match="is a collection of another program"):
        Index.create(address.replace("photos", "theirs"), dimension=4)
    connection.close()


def test_tenants_share_a_collection_and_nothing_else(address: str, tiny_encoder: Path) -> None:
    rows = np.eye(16, dtype=np.float32)
    for tenant in ("anna", "ben"):
        with Index.create(f"{address}?tenant={tenant}", dimension=16) as index:
            index.add_vectors(
                rows[: 4 + len(tenant)], [f"/{n}.jpg" for n in range(4 + len(tenant))]
            )
            index.label({index.id_at("/1.jpg"): f"of {tenant}"})
    with (
        Index.open(f"{address}?tenant=anna", writable=True) as anna,
        Index.open(f"{address}?tenant=ben") as ben,
    ):
        assert (len(anna), len(ben)) == (8, 7)
        assert not set(anna.ids()) & set(ben.ids())
        assert len(anna.search_vector(rows[0], 100)) == 8
        assert anna.search_vector(rows[1], 1, label="of anna")[0].score == pytest.approx(1)
        with pytest.raises(UsageError, match="have the label of ben"):
            anna.ids(label="of ben")
        anna.remove(["/"])
        assert (len(anna), len(ben), len(ben.search_vector(rows[0], 100))) == (0, 7, 7)
    with pytest.raises(UsageError, match="is shared by tenants"):
        Index.open(address)
    Index.create(address.replace("photos", "mine"), dimension=16).close()
    with pytest.raises(UsageError, match="is not shared by tenants"):
        Index.open(f"{address.replace('photos', 'mine')}?tenant=anna")


def test_the_rows_of_a_tenant_are_and_stay_in_the_partition_of_its_key(address: str) -> None:
    """On milvus-lite, which has partition keys as Milvus has from version 2.4 on."""
    rows = np.eye(16, dtype=np.float32)
    for tenant, count in (("anna", 4), ("ben", 6)):  # whose names give different partitions
        with Index.create(f"{address}?tenant={tenant}", dimension=16) as index:
            index.add_vectors(rows[:count], [f"/{n}.jpg" for n in range(count)])
            index.label(dict.fromkeys(index.ids()[1:], "seen"))  # written once more
            index.remove([index.item(index.ids()[0]).path])
    connection = Connection(Address.read(f"{address}?tenant=anna"))
    try:
        fields = connection.describe("photos")["fields"]
        assert [field["name"] for field in fields if field.get("is_partition_key")] == ["tenant"]
        client = connection._client
        holds = [
            [
                row["tenant"]
                for row in client.query("photos", "id >= 0", ["tenant"], partition_names=[part])
            ]
            for part in client.list_partitions("photos")
        ]
    finally:
        connection.close()
    assert sorted(filter(None, holds)) == [["anna"] * 3, ["ben"] * 5]


def test_a_making_that_was_cut_short_goes_on(address: str) -> None:
    connection = Connection(Address.read(address))
    schema.make(connection, 4)
    connection.close()
    with pytest.raises(UsageError, match="was cut short"):
        Index.open(address)
    with Index.create(address, dimension=4) as index:
        assert len(index) == 0


def test_an_index_that_a_kill_has_left_out_is_made(place: Name) -> None:
    """Killed after a collection was made, or its index dropped, and before the next was made."""
    address, rows = place("halved"), np.eye(16, dtype=np.float32)
    with Index.create(address, dimension=16) as index:
        index.add_vectors(rows, [f"/{n}.jpg" for n in range(16)])
    connection = Connection(Address.read(address))
    name = connection.address.collection
    for collection, field in ((name, schema.VECTOR), (schema.beside(name), schema.ANCHOR)):
        connection._client.release_collection(collection)
        connection._client.drop_index(collection, field)
    connection.close()
    with Index.open(address) as index:
        assert index.search_vector(rows[3], 1)[0].path == Path("/3.jpg").absolute()
        assert len(index) == 16
