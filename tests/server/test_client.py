"""The client: what it sends, and what it makes of answers."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clr_search
from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import Filter, Index, Query
from clr_search.serve import Encoder, Probe
from clr_search.server.client import Client, ServiceError
from clr_search.server.routes import Service
from clr_search.server.settings import Limits
from tests.server.conftest import serving


@pytest.fixture
def client(address: str) -> Client:
    return Client(address)


def test_it_is_a_name_of_the_package() -> None:
    assert clr_search.Client is Client


def test_every_kind_of_picture(client: Client, pictures: Path, tiny_encoder: Path) -> None:
    path = next(pictures.rglob("*.png"))
    image = Image.open(path).convert("RGB")
    expected = Encoder(tiny_encoder).encode(path)[0]
    for picture in (path, str(path), path.read_bytes(), image, np.asarray(image)):
        rows = client.embed(picture)
        assert rows.dtype == np.float32
        np.testing.assert_allclose(rows, expected[None], atol=1e-5)


@pytest.mark.parametrize("mode", ["turned", "RGBA", "LA", "I;16", "F", "CMYK", "YCbCr", "LAB", "P"])
def test_an_image_in_memory_gives_the_vector_of_the_encoder(
    client: Client, tiny_encoder: Path, mode: str
) -> None:
    noise = np.random.default_rng(7).integers(0, 256, (30, 44, 4), np.uint8)
    noise[:, 22:, 3] = 0  # a half that is transparent, and lies over white
    image = Image.fromarray(noise)
    if mode == "turned":
        image = image.convert("RGB")
        image.getexif()[274] = 6
    elif mode == "I;16":
        image = Image.fromarray(noise[..., 0].astype(np.uint16) * 200)
    elif mode == "F":
        image = Image.fromarray(noise[..., 0].astype(np.float32) / 255)
    elif mode == "LAB":
        image = Image.frombytes("LAB", (44, 30), noise[..., :3].tobytes())
    else:
        image = (image if mode in ("RGBA", "LA") else image.convert("RGB")).convert(mode)
    expected = Encoder(tiny_encoder).encode(image)
    np.testing.assert_allclose(client.embed(image), expected, atol=1e-5)


def test_an_image_that_cannot_be_loaded_says_so(client: Client, pictures: Path) -> None:
    data = next(pictures.rglob("*.png")).read_bytes()
    with pytest.raises(ClrSearchError, match="The picture cannot be sent: "):
        client.embed(Image.open(io.BytesIO(data[: len(data) // 2])))


def test_many_pictures_go_in_several_requests(client: Client, tiny_encoder: Path) -> None:
    many = np.random.default_rng(3).integers(0, 256, (150, 20, 20, 3), np.uint8)
    np.testing.assert_allclose(
        client.embed(iter(many)), Encoder(tiny_encoder).encode(many), atol=1e-5
    )
    assert client.embed([]).shape == (0, 16)


@pytest.mark.parametrize(("side", "body"), [(50, 20_000), (1, 2_000)])
def test_a_request_is_not_larger_than_the_service_takes(
    collection: Path, tiny_encoder: Path, side: int, body: int
) -> None:
    """Twelve pictures of 7.5 kB, or of a pixel, where what is around them counts."""
    many = np.random.default_rng(4).integers(0, 256, (12, side, side, 3), np.uint8)
    large = np.random.default_rng(5).integers(0, 256, (90, 90, 3), np.uint8)
    with Index.open(collection) as index:
        service = Service(index, limits=Limits(body_bytes=body))
        with serving(service) as url, Client(url) as client:
            expected = Encoder(tiny_encoder).encode(many)
            np.testing.assert_allclose(client.embed(many), expected, atol=1e-5)
            with pytest.raises(ServiceError, match="The body is larger than") as refusal:
                client.embed([*many, large])
    assert refusal.value.status == 413


def test_a_search_gives_the_matches_of_the_index(
    client: Client, collection: Path, pictures: Path
) -> None:
    path = next(pictures.rglob("*.png"))
    where = {"label": "red", "after": datetime(2020, 1, 1), "min_side": 10}
    with Index.open(collection) as index:
        plain = index.search(path.read_bytes(), 5)
        other = index.item(3).path
        conditions = Filter(**where)
        content = path.read_bytes()
        filtered = index.search(content, 5, where=conditions, unlike=[other], diverse=0.3)
    assert client.search(path, k=5).paths == plain.paths
    assert client.search(ids=[plain[0].id], k=1) == client.search(ids=np.array([plain[0].id]), k=1)
    found = client.search(path, k=5, where=where, unlike=[other], diverse=0.3)
    assert found.ids.tolist() == filtered.ids.tolist()


def test_a_query_is_sent_as_it_would_be_asked_here(
    client: Client, collection: Path, pictures: Path
) -> None:
    """A field that is added to the query reaches the service without a change of the client."""
    path = next(pictures.rglob("*.png"))
    query = Query(picture=path, k=30, like=(4, path), include_self=True, min_percentile=50.0)
    with Index.open(collection) as index:
        here = index.search(query)
    there = client.search(query)
    assert there.ids.tolist() == here.ids.tolist()
    assert 0 < len(there) < 30
    assert len(client.search(query.refined(min_score=1.0, include_self=False))) == 0
    with pytest.raises(UsageError, match="least percentile"):
        client.search(path, min_percentile=101)


def test_ids_may_be_numbers_of_numpy(client: Client) -> None:
    ids = np.array([3, 4, 5, 6])
    where = {"ids": list(ids), "min_side": ids[0]}
    found = client.search(ids=ids[:1], like=[ids[1]], unlike=[ids[2]], where=where)
    plain = {"ids": [3, 4, 5, 6], "min_side": 3}
    assert found == client.search(ids=[3], like=[4], unlike=[5], where=plain)
    assert client.item(ids[0])["id"] == 3


def test_classes_items_thumbnails(client: Client, probe: Path, pictures: Path) -> None:
    path = next(pictures.rglob("*.png"))
    best = client.classify([path, path], k=1)
    assert len(best) == 2
    assert best[0][0][0] == Probe(probe).predict(path)[0]
    white = np.full((40, 40, 3), 255, np.uint8)
    assert client.known([path, white]) == [True, False]
    assert client.item(1)["id"] == 1
    assert client.thumbnail(1, 32).startswith(b"\xff\xd8\xff")
    assert client.ready()


def test_refusals_keep_their_reason_and_remedy(client: Client) -> None:
    with pytest.raises(ServiceError, match="no item 9999") as refusal:
        client.item(9999)
    assert refusal.value.status == 404
    with pytest.raises(ServiceError, match="Picture 1 cannot be used"):
        client.embed(b"no picture")
    with pytest.raises(UsageError, match="cannot be read: no such file"):
        client.embed("missing.jpg")


def test_where_nobody_listens() -> None:
    with Client("http://127.0.0.1:9") as nobody:
        assert not nobody.ready()
        with pytest.raises(ServiceError, match="cannot be reached") as error:
            nobody.model()
    assert error.value.status == 0
    assert "clr-search serve" in error.value.remedy


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_proxy_is_not_asked_for_this_machine(
    address: str, monkeypatch: pytest.MonkeyPatch, variable: str, name: str
) -> None:
    for unset in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(unset, raising=False)
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with Client(address.replace("127.0.0.1", name), timeout=10) as client:
        assert client.ready()


def test_a_proxy_that_is_in_the_way_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with Client("http://photos.example:8000") as client:
        with pytest.raises(ServiceError, match="cannot be reached") as error:
            client.model()
        assert "NO_PROXY=photos.example" in error.value.remedy
        monkeypatch.setenv("no_proxy", "photos.example")
        with pytest.raises(ServiceError) as error:
            client.model()
        assert "clr-search serve" in error.value.remedy


def test_an_item_is_a_query_as_in_the_index(client: Client, collection: Path) -> None:
    with Index.open(collection) as index:
        here = index.search(3, 5)
    assert client.search(3, k=5).ids.tolist() == here.ids.tolist()
    assert client.search(np.int64(3), k=5).ids.tolist() == here.ids.tolist()
