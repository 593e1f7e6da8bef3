"""Addresses: what they state, what is refused, and that they stand where a path may."""

from __future__ import annotations

from pathlib import Path

import pytest

from clr_search.errors import UsageError
from clr_search.index.catalog.milvus.address import Address, AddressPath, is_address, place_of


@pytest.mark.parametrize(
    ("text", "uri", "rest"),
    [
        ("milvus://host/photos", "http://host:19530", ("photos", "", "", "strong")),
        ("milvus://10.0.0.7:9/a1", "http://10.0.0.7:9", ("a1", "", "", "strong")),
        (
            "milvus+tls://h.example/db/photos",
            "https://h.example:19530",
            ("photos", "db", "", "strong"),
        ),
        ("milvus://[::1]:19530/p?tenant=a.b", "http://[::1]:19530", ("p", "", "a.b", "strong")),
        ("milvus:/h/p?consistency=Bounded", "http://h:19530", ("p", "", "", "bounded")),
        ("milvus+file:/data/all.db/p", "/data/all.db", ("p", "", "", "strong")),
    ],
)
def test_an_address_states_where_and_how(text: str, uri: str, rest: tuple[str, ...]) -> None:
    address = Address.read(text)
    assert address.uri == uri
    assert (address.collection, address.database, address.tenant, address.consistency) == rest
    assert Address.read(str(address)) == address
    assert Address.read(str(Path(str(address)))) == address, "also with the slash that Path takes"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("milvus://root:secret@host/photos", "holds no password"),
        ("milvus://host/photos;drop", "no name of a collection"),
        ("milvus://host/1photos", "no name of a collection"),
        ("milvus://host", "no name of a collection"),
        ("milvus://ho st/photos", "no host"),
        ("milvus://host/photos?tenant=a' or 1", "no name of a tenant"),
        ("milvus://host/photos?consistency=none", "no consistency 'none'"),
        ("milvus://host/photos?token=secret", "no option 'token'"),
        ("milvus+file:/data/photos", "ends in .db"),
        ("https://host/photos", "no address"),
    ],
)
def test_what_is_no_address_is_refused_without_repeating_secrets(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Address.read(text)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_places_of_replicas_are_those_of_addresses_alone() -> None:
    one = Address.read("milvus://host/photos")
    assert one.key == Address.read("milvus://host/photos?consistency=bounded").key
    others = ["milvus://host/photos?tenant=a", "milvus://host/db/photos", "milvus://other/photos"]
    assert len({one.key, *(Address.read(text).key for text in others)}) == 4


def test_an_address_stands_where_a_path_may() -> None:
    path = AddressPath("milvus://host:19530/photos")
    assert isinstance(path, Path)
    assert str(path) == f"{path.resolve()}" == f"{path.absolute()}" == "milvus://host:19530/photos"
    assert is_address(path)
    assert is_address(Path(path))
    assert place_of("milvus_photos.clr") is None
    assert place_of(Path("milvus+file:/a/b.db/c")) == AddressPath("milvus+file:/a/b.db/c")
    assert not AddressPath("milvus+file:/nowhere/b.db/c").exists()
