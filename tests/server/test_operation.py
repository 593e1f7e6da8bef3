"""What who runs the service can rely on: HEAD, CORS, gzip, its page, and remedies."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from clr_search.errors import UsageError
from clr_search.index import Index
from clr_search.server import reference
from clr_search.server.routes import Service, create_app
from clr_search.server.settings import Keys, Limits
from tests.server.conftest import serving

KEY = "0123456789abcdef"
SHOP, OTHER = "https://shop.example", "https://other.example"
SMALL = 200_000  # bytes of a body


@pytest.fixture(scope="module")
def open_to_shop(collection: Path) -> Iterator[str]:
    with Index.open(collection) as index:
        service = Service(
            index,
            limits=Limits(body_bytes=SMALL),
            more_hosts=("photos.example",),
            origins=(SHOP,),
            root_path="/pictures",
        )
        with serving(service) as url:
            yield url


@pytest.fixture(scope="module")
def with_key(collection: Path) -> Iterator[str]:
    with Index.open(collection) as index:
        service = Service(index, keys=Keys.of([f"shop: {KEY}"]), origins=(SHOP,))
        with serving(service) as url:
            yield url


# -- HEAD


@pytest.mark.parametrize(
    "path",
    ["/healthz", "/readyz", "/v1/model", "/v1/items/1", "/v1/items/1/thumbnail", "/openapi.json",
     "/docs", "/v1/items/99999"],
)  # fmt: skip
def test_head_is_answered_wherever_get_is(address: str, path: str) -> None:
    with httpx.Client(base_url=address) as client:  # One connection, which a body would confuse.
        for encoding in ("identity", "gzip"):
            headers = {"accept-encoding": encoding}
            head, got = client.head(path, headers=headers), client.get(path, headers=headers)
            assert head.status_code == got.status_code
            assert head.content == b""
            for name in ("content-type", "content-length", "content-encoding"):
                assert head.headers.get(name) == got.headers.get(name)


def test_a_wrong_method_is_told_the_right_ones(http: httpx.Client) -> None:
    assert http.head("/v1/search").status_code == 405
    answer = http.delete("/v1/items/1")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert "/docs" in answer.json()["remedy"]


# -- pages of other origins


def preflight(url: str, origin: str) -> httpx.Response:
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type, x-api-key",
        "sec-fetch-site": "cross-site",
    }
    return httpx.options(f"{url}/v1/search", headers=headers)


def test_a_page_of_an_allowed_origin_may_search_and_read(open_to_shop: str) -> None:
    asked = preflight(open_to_shop, SHOP)
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == SHOP
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert "x-api-key" in asked.headers["access-control-allow-headers"]
    headers = {"origin": SHOP, "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}
    found = httpx.post(f"{open_to_shop}/v1/search", json={"ids": [1]}, headers=headers)
    assert found.status_code == 200
    assert found.headers["access-control-allow-origin"] == SHOP
    assert "x-shape" in found.headers["access-control-expose-headers"]
    assert "origin" in found.headers["vary"]
    wrong = httpx.post(f"{open_to_shop}/v1/search", json={"idz": [1]}, headers=headers)
    assert (wrong.status_code, wrong.headers["access-control-allow-origin"]) == (422, SHOP)


@pytest.mark.parametrize(
    "origin",
    [OTHER, "null", "http://shop.example", "https://shop.example:444", "https://a.shop.example",
     "https://shop.example.evil", "*"],
)  # fmt: skip
def test_no_other_page_is_answered(open_to_shop: str, origin: str) -> None:
    asked = preflight(open_to_shop, origin)
    assert asked.status_code == 403
    assert "access-control-allow-origin" not in asked.headers
    headers = {"origin": origin}
    answer = httpx.post(f"{open_to_shop}/v1/search", json={"ids": [1]}, headers=headers)
    assert answer.status_code == 403
    assert "--allow-origin" in answer.json()["remedy"]
    assert "access-control-allow-origin" not in answer.headers


def test_two_origins_are_none(open_to_shop: str) -> None:
    headers = [("origin", SHOP), ("origin", OTHER)]
    assert httpx.get(f"{open_to_shop}/v1/model", headers=headers).status_code == 403


def test_a_picture_on_an_allowed_page_is_foreign(open_to_shop: str) -> None:
    """It has no `Origin`, as every page can embed it."""
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    answer = httpx.get(f"{open_to_shop}/v1/items/1/thumbnail", headers=headers)
    assert answer.status_code == 403


def test_a_key_is_asked_for_after_the_preflight(with_key: str) -> None:
    assert preflight(with_key, SHOP).status_code == 204
    assert preflight(with_key, OTHER).status_code == 401
    headers = {"origin": SHOP}
    refused = httpx.get(f"{with_key}/v1/model", headers=headers)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, SHOP)
    answer = httpx.get(f"{with_key}/v1/model", headers=headers | {"x-api-key": KEY})
    assert answer.status_code == 200


@pytest.mark.parametrize("origin", ["*", "shop.example", "https://shop.example/path", "https://"])
def test_an_origin_that_is_none_is_refused(collection: Path, origin: str) -> None:
    with Index.open(collection) as index, pytest.raises(UsageError, match="is no origin"):
        create_app(Service(index, origins=(origin,)))


# -- names and paths


@pytest.mark.parametrize("host", ["photos.example", "PHOTOS.example:8000"])
def test_an_allowed_name_is_answered(open_to_shop: str, host: str) -> None:
    assert httpx.get(f"{open_to_shop}/v1/model", headers={"host": host}).status_code == 200


def test_a_foreign_name_is_told_what_to_do(open_to_shop: str) -> None:
    answer = httpx.get(f"{open_to_shop}/v1/model", headers={"host": "nas.local:8000"})
    assert answer.status_code == 421
    assert "--allow-host nas.local" in answer.json()["remedy"]
    for host in ("<script>", "a b", "x" * 300, "\x1b[2J"):
        answer = httpx.get(f"{open_to_shop}/v1/model", headers={"host": host})
        assert answer.status_code in {400, 421}
        assert host not in answer.text


def test_a_person_gets_a_refusal_as_text(open_to_shop: str) -> None:
    headers = {"host": "nas.local", "accept": "text/html,application/xhtml+xml"}
    answer = httpx.get(f"{open_to_shop}/docs", headers=headers)
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith("421 Misdirected Request\n")
    assert "--allow-host nas.local" in answer.text


@pytest.mark.parametrize("path", ["/healthz", "/pictures/healthz"])
def test_a_proxy_may_take_the_root_path_off_or_not(open_to_shop: str, path: str) -> None:
    assert httpx.get(open_to_shop + path).status_code == 200
    assert httpx.get(f"{open_to_shop}/picturesque/healthz").status_code == 404
    document = httpx.get(f"{open_to_shop}/openapi.json").json()
    assert document["servers"] == [{"url": "/pictures"}]


@pytest.mark.parametrize("path", ["/a/../b", "/a b", "/a?b", "/ä", "http://a.example"])
def test_a_root_path_that_is_none_is_refused(collection: Path, path: str) -> None:
    with Index.open(collection) as index, pytest.raises(UsageError, match="is no path"):
        create_app(Service(index, root_path=path))


# -- gzip


def packed(url: str, body: bytes, encoding: str = "gzip") -> httpx.Response:
    headers = {"content-type": "application/json", "content-encoding": encoding}
    return httpx.post(f"{url}/v1/search", content=body, headers=headers)


SEARCH = b'{"ids": [1], "k": 3}'
PACKED = gzip.compress(SEARCH, mtime=0)  # a time in it would give a case another name each second


@pytest.mark.parametrize(
    "body",
    [
        PACKED,
        b"".join(gzip.compress(part, mtime=0) for part in (SEARCH[:7], b"", SEARCH[7:])),
        gzip.compress(SEARCH + b" " * 150_000, mtime=0),
    ],
)
def test_a_body_in_gzip_is_unpacked(address: str, body: bytes) -> None:
    answer = packed(address, body)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["results"]) == 3


def test_a_picture_in_gzip_is_embedded_in_any_parts(address: str, pictures: Path) -> None:
    data = next(pictures.rglob("*.png")).read_bytes()
    plain = httpx.post(f"{address}/v1/embed", files={"images": data}).json()
    headers = {"content-type": "image/png", "content-encoding": "gzip"}
    body = gzip.compress(data)

    def parts() -> Iterator[bytes]:
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    answer = httpx.post(f"{address}/v1/embed", content=parts(), headers=headers)
    np.testing.assert_allclose(answer.json()["embeddings"], plain["embeddings"], atol=1e-6)


@pytest.mark.parametrize("factor", [2, 1000])
def test_what_unpacks_to_too_much_is_refused(open_to_shop: str, factor: int) -> None:
    bomb = gzip.compress(b" " * (factor * SMALL))
    assert len(bomb) < SMALL
    answer = packed(open_to_shop, bomb)
    assert answer.status_code == 413
    assert "200,000 bytes" in answer.json()["detail"]
    assert httpx.get(f"{open_to_shop}/readyz").status_code == 200


def test_many_empty_parts_are_refused(address: str) -> None:
    answer = packed(address, gzip.compress(b"") * 70_000)
    assert (answer.status_code, "parts" in answer.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    "body",
    [b"", SEARCH, PACKED[:-9], PACKED + b"rest", b"\x1f\x8b\x08"],
)
def test_a_damaged_body_is_refused_with_a_remedy(address: str, body: bytes) -> None:
    answer = packed(address, body)
    assert answer.status_code == 422
    assert "content-encoding" in answer.json()["remedy"]


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "gzip, br"])
def test_another_packing_is_refused(address: str, encoding: str) -> None:
    answer = packed(address, PACKED, encoding)
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "gzip, identity"
    assert packed(address, SEARCH, "identity").status_code == 200


def test_long_texts_are_packed_for_who_unpacks_them(address: str) -> None:
    def got(path: str, accepted: str) -> httpx.Response:
        return httpx.get(address + path, headers={"accept-encoding": accepted})

    plain, small = got("/openapi.json", "identity"), got("/openapi.json", "gzip")
    assert "content-encoding" not in plain.headers
    assert small.headers["content-encoding"] == "gzip"
    assert int(small.headers["content-length"]) < len(plain.content) / 2
    assert small.json() == plain.json()
    assert "accept-encoding" in small.headers["vary"]
    assert "content-encoding" not in got("/openapi.json", "gzip;q=0").headers
    assert "content-encoding" not in got("/healthz", "gzip").headers  # too short
    assert "content-encoding" not in got("/v1/items/1/thumbnail", "gzip").headers


# -- the page


class Loading(HTMLParser):
    """Elements of a page that load or run something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag in {"script", "link", "img", "iframe", "object", "form"} or any(
            name.startswith("on") or name in {"src", "style"} for name in names
        ):
            self.found.append(tag)
        if tag == "a":
            self.links.append(names.get("href") or "")


def test_the_page_describes_every_route_and_loads_nothing(
    with_key: str, http: httpx.Client
) -> None:
    answer = httpx.get(f"{with_key}/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    page = Loading()
    page.feed(answer.text)
    assert page.found == []
    assert page.links == ["openapi.json"]
    for path in http.get("/openapi.json").json()["paths"]:
        assert path in answer.text
    for field in ("min_percentile", "unlike", "Authorization: Bearer KEY"):
        assert field in answer.text


def test_the_page_may_be_opened_by_a_link(open_to_shop: str) -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate",
            "sec-fetch-dest": "document"}  # fmt: skip
    assert httpx.get(f"{open_to_shop}/docs", headers=link).status_code == 200
    assert httpx.get(f"{open_to_shop}/v1/model", headers=link).status_code == 403


def test_every_text_of_the_page_is_escaped() -> None:
    evil = "<script>alert(1)</script>"
    schema: dict[str, Any] = {"description": evil, "properties": {evil: {"description": evil}}}
    document = {
        "components": {"schemas": dict.fromkeys(("SearchIn", "FilterIn", "ImagesIn"), schema)},
        "paths": {f"/{evil}": {"get": {"description": evil}}},
    }
    assert "<script" not in reference.page(document)


# -- remedies


def form(**fields: str | bytes) -> dict[str, Any]:
    """A form whose bytes are files."""
    return {
        "files": [
            (name, (None, value) if isinstance(value, str) else (name, io.BytesIO(value)))
            for name, value in fields.items()
        ]
    }


WRONG = [
    ("search", {"json": {}}, "image"),
    ("search", {"json": {"ids": [1], "vector": [1.0]}}, "image"),
    ("search", {"json": {"imgae": "AAAA"}}, "Do you mean image?"),
    ("search", {"json": {"ids": [1], "filter": {"lable": "a"}}}, "Do you mean label?"),
    ("search", {"json": {"ids": [1], "k": 0}}, "/docs"),
    ("search", {"json": {"ids": [1], "k": 10**6}}, "1 to 1,000"),
    ("search", {"json": {"ids": ["a"]}}, "/docs"),
    ("search", {"json": {"ids": [10**9]}}, "answers to a search"),
    ("search", {"json": {"vector": [1.0, 2.0]}}, ""),
    ("search", {"json": {"vector": [0.0] * 16}}, ""),
    ("search", {"json": {"ids": [1], "crop": [0, 0, 1, 1]}}, "crop"),
    ("search", {"json": {"ids": [1], "filter": {"label": "no such label"}}}, ""),
    ("search", {"json": {"image": "query.jpg"}}, "curl -F image=@query.jpg"),
    ("search", {"json": {"image": "data:image/png;base64,AAAA"}}, "before the comma"),
    ("search", {"json": {"image": "AAAA"}}, "JPEG"),
    ("search", {"content": b"{", "headers": {"content-type": "application/json"}}, "/docs"),
    ("search", form(image="query.jpg"), "with the @"),
    ("search", form(picture=b"a"), "image (or file)"),
    ("search", form(image=b"a", file=b"a"), "file stands for image"),
    ("search", form(ids="1 2"), "a list, as in [1, 2]"),
    ("search", form(ids="[1]", filter="rose"), '{"label": "rose"}'),
    ("embed", form(images="a.jpg"), "-F images=@a.jpg"),
    ("embed", form(pictures=b"a"), "-F images=@a.jpg"),
    ("embed", form(images=b"a"), "JPEG"),
    ("embed", {"json": {"image": ["AAAA"]}}, "Do you mean images?"),
    ("embed", {"json": {"images": []}}, "/docs"),
    ("embed", {"content": b"", "headers": {"content-type": "image/jpeg"}}, "--data-binary"),
    ("embed", {"content": b"a", "headers": {"content-type": "multipart/form-data"}}, "curl"),
    ("classify?k=0", form(images=b"a"), "/docs"),
]


@pytest.mark.parametrize(("route", "request_", "remedy"), WRONG)
def test_every_422_says_what_is_wrong_and_what_is_accepted(
    http: httpx.Client, route: str, request_: dict[str, Any], remedy: str
) -> None:
    answer = http.post(f"/v1/{route}", **request_)
    assert answer.status_code == 422, answer.text
    told = answer.json()
    assert told["detail"]
    assert told["remedy"]
    assert remedy in told["remedy"]


@pytest.mark.parametrize("field", ["image", "file"])
def test_file_stands_for_image(http: httpx.Client, pictures: Path, field: str) -> None:
    data = next(pictures.rglob("*.png")).read_bytes()
    found = http.post("/v1/search", **form(**{field: data, "k": "2"}))
    assert found.status_code == 200, found.text
    assert len(found.json()["results"]) == 2
    for several in (field, f"{field}s"):
        assert http.post("/v1/embed", files=[(several, data), (several, data)]).status_code == 200


def test_the_examples_of_the_page_name_routes_that_exist(http: httpx.Client) -> None:
    text = http.get("/docs").text
    for url in re.findall(r"curl (?:http://127.0.0.1:8000)([^ <]+)", text):
        assert http.get(url).status_code in {200, 404}
