"""What the service answers, over a real connection."""

from __future__ import annotations

import base64
import io
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from clr_search.index import Filter, Index
from clr_search.serve import Encoder, Probe
from clr_search.serve.probe import fit_probe, save_probe
from clr_search.server.routes import Service
from tests.server.conftest import serving

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def files(pictures: Path) -> list[Path]:
    return sorted(pictures.rglob("*.*g"))


def b64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    problem = answer.json()
    assert problem["status"] == status
    return str(problem["detail"])


# -- embed


def test_all_ways_to_send_pictures_give_the_vectors_of_the_encoder(
    http: httpx.Client, files: list[Path], tiny_encoder: Path
) -> None:
    encoder = Encoder(tiny_encoder)
    chosen = files[:3]
    expected = encoder.encode(chosen)
    answers = [
        http.post("/v1/embed", json={"images": [b64(path) for path in chosen]}),
        http.post("/v1/embed", files=[("images", path.read_bytes()) for path in chosen]),
    ]
    for answer in answers:
        assert answer.status_code == 200
        body = answer.json()
        assert body["dimension"] == encoder.dimension
        assert body["model"] == encoder.sha256
        np.testing.assert_allclose(body["embeddings"], expected, atol=1e-5)
    for kind in ("image/png", "application/octet-stream", "image/whatever"):
        answer = http.post(
            "/v1/embed", content=chosen[0].read_bytes(), headers={"content-type": kind}
        )
        np.testing.assert_allclose(answer.json()["embeddings"], expected[:1], atol=1e-5)


def test_raw_vectors_are_little_endian_float32(
    http: httpx.Client, files: list[Path], tiny_encoder: Path
) -> None:
    answer = http.post(
        "/v1/embed",
        json={"images": [b64(path) for path in files[:2]]},
        headers={"accept": "application/octet-stream"},
    )
    assert answer.headers["x-shape"] == f"2,{Encoder(tiny_encoder).dimension}"
    assert answer.headers["content-type"] == "application/octet-stream"
    rows = np.frombuffer(answer.content, "<f4").reshape(2, -1)
    np.testing.assert_allclose(rows, Encoder(tiny_encoder).encode(files[:2]), atol=1e-5)


@pytest.mark.parametrize(
    ("request_", "status", "part"),
    [
        ({"json": {"images": []}}, 422, "images"),
        ({"json": {"images": ["no base64!"]}}, 422, "images[0] is no base64"),
        ({"json": {"images": ["data:image/png;base64,AAAA"]}}, 422, "images[0] is no base64"),
        ({"json": {"images": ["AAAA"]}}, 422, "Picture 1 cannot be used"),
        ({"json": {"picture": "AAAA"}}, 422, "picture: there is no such field"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 422, "Invalid JSON"),
        ({"json": {"images": ["AAAA"] * 65}}, 413, "65 pictures are more than the 64"),
        ({"content": b"", "headers": {"content-type": "image/png"}}, 422, "empty"),
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, 415, "text/plain"),
        ({"content": b"x"}, 415, "not given"),
        ({"data": {"images": "text"}, "files": {"other": b"x"}}, 422, "images, and nothing else"),
        (
            {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
            422,
            "cannot be read",
        ),
    ],
)
def test_wrong_requests_to_embed_say_what_is_wrong(
    http: httpx.Client, request_: dict[str, Any], status: int, part: str
) -> None:
    assert part in refused(http.post("/v1/embed", **request_), status)


@pytest.mark.parametrize("count", [65, 100])
def test_too_many_files_in_a_form_are_too_much(http: httpx.Client, count: int) -> None:
    files = [("images", b"x")] * count
    assert "more than the 64" in refused(http.post("/v1/embed", files=files), 413)
    files = [("image", b"x"), *[("like", b"x")] * (count - 1)]
    assert "more than the 64" in refused(http.post("/v1/search", files=files), 413)


def test_one_bad_picture_among_good_ones_is_named(http: httpx.Client, files: list[Path]) -> None:
    body = {"images": [b64(files[0]), base64.b64encode(b"GIF89a nothing").decode()]}
    assert refused(http.post("/v1/embed", json=body), 422).startswith("Picture 2 cannot be used")


def test_pictures_with_too_many_pixels_are_refused_by_their_header(http: httpx.Client) -> None:
    bomb = io.BytesIO()
    Image.new("1", (12_000, 10_000)).save(bomb, "PNG")
    answer = http.post("/v1/embed", content=bomb.getvalue(), headers={"content-type": "image/png"})
    assert "12,000 × 10,000 pixels are more than the limit" in refused(answer, 422)


# -- search


def test_search_by_a_picture_gives_what_the_index_gives(
    http: httpx.Client, files: list[Path], collection: Path
) -> None:
    with Index.open(collection) as index:
        found = index.search(files[4].read_bytes(), 6).with_missing()
        expected = [match.summary() for match in found]
    by_json = http.post("/v1/search", json={"image": b64(files[4]), "k": 6}).json()
    by_form = http.post(
        "/v1/search", files={"image": files[4].read_bytes()}, data={"k": "6"}
    ).json()
    for answer in (by_json, by_form):
        assert [r["path"] for r in answer["results"]] == [r["path"] for r in expected]
        for found, wanted in zip(answer["results"], expected, strict=True):
            assert found.keys() == wanted.keys()
            assert found["score"] == pytest.approx(wanted["score"], abs=2e-3)  # stored as float16


def test_a_picture_of_the_collection_is_found(http: httpx.Client, files: list[Path]) -> None:
    """What is sent is a content, which has no path that could be left out."""
    asked = {"image": b64(files[4]), "k": 3}
    best = http.post("/v1/search", json=asked).json()["results"][0]
    assert best["path"] == str(files[4])
    assert best["score"] == pytest.approx(1, abs=1e-3)


def test_items_and_vectors_as_queries(
    http: httpx.Client, collection: Path, files: list[Path]
) -> None:
    with Index.open(collection) as index:
        ids, rows = index.vectors()
        one, two = int(ids[3]), int(ids[7])
        of_item = index.search(one, 5)
        mean = index.search_vector(rows[3] + rows[7], 5, exclude=[one, two])
        by_vector = index.search_vector(rows[3], 5)
        rocchio = index.search(one, 5, like=[index.item(two).path], unlike=[files[20]])

    def found(**asked: Any) -> list[int]:
        answer = http.post("/v1/search", json={"k": 5} | asked)
        assert answer.status_code == 200, answer.text
        return [result["id"] for result in answer.json()["results"]]

    assert found(ids=[one]) == of_item.ids.tolist()
    assert found(ids=[one, two]) == mean.ids.tolist()
    assert found(vector=rows[3].tolist()) == by_vector.ids.tolist()
    assert found(ids=[one], like=[two], unlike=[b64(files[20])]) == rocchio.ids.tolist()


def test_filters_are_those_of_the_index(http: httpx.Client, collection: Path) -> None:
    with Index.open(collection) as index:
        label = index.labels()[0]
        one = index.ids()[5]
        expected = index.search(one, 4, where=Filter(label=label, glob="*1*"))
    asked = {"ids": [one], "k": 4, "filter": {"label": label, "glob": "*1*"}}
    results = http.post("/v1/search", json=asked).json()["results"]
    assert [r["id"] for r in results] == expected.ids.tolist()
    assert {r["label"] for r in results} == {label}
    form = {"ids": json.dumps([one]), "k": "4", "filter": json.dumps(asked["filter"])}
    assert http.post("/v1/search", data=form, files={}).status_code == 415  # urlencoded
    parts = {name: (None, value) for name, value in form.items()}
    assert http.post("/v1/search", files=parts).json()["results"] == results


def test_results_that_are_not_like_enough_are_left_out(http: httpx.Client) -> None:
    asked = {"ids": [1], "k": 36}
    every = http.post("/v1/search", json=asked).json()["results"]
    some = http.post("/v1/search", json={**asked, "min_percentile": 80}).json()["results"]
    assert some == [r for r in every if r["percentile"] >= 80]
    assert 0 < len(some) < len(every)
    assert http.post("/v1/search", json={**asked, "min_score": 1}).json() == {"results": []}
    assert http.post("/v1/search", json={**asked, "min_score": 2}).status_code == 422


def test_extreme_bounds_of_a_filter_are_answered(http: httpx.Client) -> None:
    widest = {"after": "0001-01-01T00:00:00", "max_side": 2**63, "max_bytes": 10**25}
    answer = http.post("/v1/search", json={"ids": [1], "filter": widest, "k": 3})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["results"]) == 3
    for none in ({"before": "0001-01-01T00:00:00"}, {"min_bytes": 2**63}, {"under": "a\0b"}):
        refused(http.post("/v1/search", json={"ids": [1], "filter": none}), 422)


@pytest.mark.parametrize("moment", ["2024", 2024, 0.5, "1e9", True, "May"])
def test_a_number_is_no_date(http: httpx.Client, moment: object) -> None:
    """It was taken for seconds since 1970, so that a filter by a year let everything through."""
    for name in ("after", "before"):
        answer = http.post("/v1/search", json={"ids": [1], "filter": {name: moment}})
        refused(answer, 422)
        assert f"filter.{name}: Input should be a date such as" in answer.json()["detail"]


def test_by_a_part_of_a_picture(http: httpx.Client, files: list[Path], collection: Path) -> None:
    crop = (0.25, 0.0, 0.5, 0.5)
    with Index.open(collection) as index:
        expected = index.search(files[4].read_bytes(), 5, crop=crop)
    asked = {"image": b64(files[4]), "k": 5, "crop": list(crop)}
    results = http.post("/v1/search", json=asked).json()["results"]
    assert [r["id"] for r in results] == expected.ids.tolist()


@pytest.mark.parametrize("name", ["like", "unlike"])
def test_the_part_is_of_the_query_only_even_where_the_same_picture_comes_again(
    http: httpx.Client, files: list[Path], collection: Path, name: str
) -> None:
    crop = (0.25, 0.0, 0.5, 0.5)
    content = files[4].read_bytes()
    with Index.open(collection) as index:
        expected = index.search(content, 8, crop=crop, **{name: [content]})
    asked = {"image": b64(files[4]), name: [b64(files[4])], "k": 8, "crop": list(crop)}
    results = http.post("/v1/search", json=asked).json()["results"]
    assert [r["id"] for r in results] == expected.ids.tolist()
    scores = [r["score"] for r in results]
    assert scores == pytest.approx(expected.scores.tolist(), abs=2e-3)


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ({}, "none is given"),
        ({"ids": [1], "vector": [1.0]}, "not by vector and ids at once"),
        ({"ids": []}, "ids"),
        ({"ids": [10**7]}, "not, or no longer, in the collection"),
        ({"ids": [1], "like": [10**7]}, "not, or no longer"),
        ({"ids": [-1]}, "ids.0"),
        ({"vector": [1.0, 2.0]}, "shape (2,); this collection needs (16,)"),
        ({"ids": [1], "k": 0}, "k:"),
        ({"ids": [1], "k": 1001}, "k is 1,001; the most is 1,000"),
        ({"ids": [1], "diverse": 2}, "diverse"),
        ({"ids": [1], "crop": [0, 0, 1, 1]}, "crop is of image"),
        ({"ids": [1], "filter": {"label": "nowhere"}}, "nowhere"),
        ({"ids": [1], "filter": {"colour": "red"}}, "filter.colour"),
        ({"ids": [1], "unknown": 1}, "unknown"),
        ({"image": "AAAA"}, "Picture 1 cannot be used"),
    ],
)
def test_wrong_searches_say_what_is_wrong(
    http: httpx.Client, asked: dict[str, Any], part: str
) -> None:
    assert part in refused(http.post("/v1/search", json=asked), 422)


def test_a_vector_without_direction_is_refused(http: httpx.Client, tiny_encoder: Path) -> None:
    length = Encoder(tiny_encoder).dimension
    answer = http.post("/v1/search", json={"vector": [0.0] * length})
    assert "vector" in refused(answer, 422)
    body = f'{{"vector": [{",".join(["NaN"] * length)}]}}'
    headers = {"content-type": "application/json"}
    refused(http.post("/v1/search", content=body, headers=headers), 422)


def test_the_length_of_a_vector_does_not_matter(http: httpx.Client, tiny_encoder: Path) -> None:
    direction = np.random.default_rng(1).normal(size=Encoder(tiny_encoder).dimension)
    found = [
        http.post("/v1/search", json={"vector": (scale * direction).tolist()}).json()["results"]
        for scale in (1.0, 1e-300, 1e300)
    ]
    assert [r["id"] for r in found[0]] == [r["id"] for r in found[1]] == [r["id"] for r in found[2]]


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"k": (None, "many")}, "k:"),
        ({"vector": (None, "[1,")}, "vector is no JSON"),
        ({"vector": (None, "[" * 100_000)}, "vector is no JSON"),
        ({"k": b"file"}, "k must be text"),
    ],
)
def test_wrong_forms_say_what_is_wrong(
    http: httpx.Client, fields: dict[str, Any], part: str
) -> None:
    assert part in refused(http.post("/v1/search", files=fields), 422)


def test_a_field_given_twice_is_refused(http: httpx.Client) -> None:
    fields = [("k", (None, "1")), ("k", (None, "2"))]
    assert "k is given twice" in refused(http.post("/v1/search", files=fields), 422)


# -- classify, items, model


def test_classes_are_those_of_the_probe(http: httpx.Client, files: list[Path], probe: Path) -> None:
    classifier = Probe(probe)
    chosen = [files[0], files[15], files[30]]
    expected, novelty = classifier.examine(chosen)
    assert novelty is not None
    answer = http.post("/v1/classify?k=2", files=[("images", path.read_bytes()) for path in chosen])
    results = answer.json()["results"]
    assert [len(result["predictions"]) for result in results] == [2, 2, 2]
    assert [result["novelty"] for result in results] == pytest.approx(novelty, abs=1e-2)
    assert [result["known"] for result in results] == (novelty <= 1).tolist()
    for result, row in zip(results, expected, strict=True):
        best = result["predictions"][0]
        assert best["label"] == classifier.classes[int(row.argmax())]
        assert best["probability"] == pytest.approx(float(row.max()), abs=1e-4)


def test_how_many_strangers_are_caught_is_told(
    http: httpx.Client, files: list[Path], probe: Path
) -> None:
    answer = http.post("/v1/classify", files=[("images", files[0].read_bytes())]).json()
    card = Probe(probe).card
    assert card.novelty_caught is not None
    assert (answer["refused"], answer["caught"]) == (card.novelty_refused, card.novelty_caught)


def test_a_picture_of_no_class_is_not_known(http: httpx.Client) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), "white").save(buffer, "PNG")
    answer = http.post("/v1/classify", files=[("images", buffer.getvalue())]).json()["results"][0]
    assert answer["known"] is False
    assert answer["novelty"] > 1
    assert sum(one["probability"] for one in answer["predictions"]) == pytest.approx(1, abs=1e-4)


def test_a_probe_of_before_cannot_tell(
    collection: Path, pictures: Path, tmp_path: Path, tiny_encoder: Path
) -> None:
    with Index.open(collection) as index:
        held = index.embeddings()
        fitted = replace(fit_probe(held.vectors, held.labels), novelty=None)
        old = Probe(save_probe(fitted, tiny_encoder, tmp_path / "old.onnx"))
        data = next(pictures.rglob("*.png")).read_bytes()
        with serving(Service(index, old)) as url:
            answer = httpx.post(f"{url}/v1/classify", files=[("images", data)]).json()
    assert answer["refused"] is answer["caught"] is None
    result = answer["results"][0]
    assert result["known"] is result["novelty"] is None
    assert len(result["predictions"]) == 3


def test_an_item_and_its_thumbnail(http: httpx.Client, collection: Path) -> None:
    with Index.open(collection) as index:
        item = index.item(index.ids()[2])
    answer = http.get(f"/v1/items/{item.id}").json()
    assert answer["path"] == str(item.path)
    assert answer["sha256"] == item.sha256
    assert (answer["width"], answer["height"], answer["label"]) == (
        item.width,
        item.height,
        item.label,
    )
    thumbnail = http.get(f"/v1/items/{item.id}/thumbnail?side=24")
    assert thumbnail.headers["content-type"] == "image/jpeg"
    picture = Image.open(io.BytesIO(thumbnail.content))
    assert max(picture.size) == 24
    assert "exif" not in picture.info
    for path in ("/v1/items/99999", "/v1/items/99999/thumbnail"):
        assert "no item 99999" in refused(http.get(path), 404)
    refused(http.get(f"/v1/items/{item.id}/thumbnail?side=5000"), 422)
    refused(http.get("/v1/items/..%2f..%2fetc%2fpasswd/thumbnail"), 404)
    refused(http.get("/v1/items/x"), 422)


def test_the_model_and_the_limits(http: httpx.Client, tiny_encoder: Path) -> None:
    encoder = Encoder(tiny_encoder)
    answer = http.get("/v1/model").json()
    assert answer["sha256"] == encoder.sha256
    assert (answer["dimension"], answer["image_size"]) == (encoder.dimension, encoder.image_size)
    assert answer["items"] == 36
    assert len(answer["classes"]) == 3
    assert answer["limits"]["images"] == 64


def test_health_and_metrics(http: httpx.Client) -> None:
    assert http.get("/healthz").json() == {"status": "alive"}
    assert http.get("/readyz").json() == {"status": "ready"}
    http.get("/v1/items/99999")
    text = http.get("/metrics").text
    assert 'clr_search_requests_total{route="/v1/items/{number}",status="404"}' in text
    assert "clr_search_items 36.0" in text
    assert "clr_search_pending_images 0.0" in text


def test_what_is_not_there_and_wrong_methods(http: httpx.Client) -> None:
    refused(http.get("/v2/embed"), 404)
    refused(http.get("/v1/embed"), 405)
    refused(http.get("/redoc"), 404)


def test_browsers_are_told_to_keep_and_run_nothing(http: httpx.Client) -> None:
    for path in ("/healthz", "/v1/items/99999", "/openapi.json"):
        headers = http.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers or "uvicorn" in headers["server"]


def test_the_description_names_every_route_and_refusal(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    assert {"/v1/embed", "/v1/search", "/v1/classify", "/v1/items/{number}"} <= set(
        document["paths"]
    )
    search = document["paths"]["/v1/search"]["post"]
    assert set(search["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    assert set(search["responses"]["503"]["content"]) == {PROBLEM}
    assert document["components"]["schemas"]["SearchIn"]["examples"]


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_names_that_are_no_valid_text_keep_their_escapes(
    tmp_path: Path, tiny_encoder: Path
) -> None:
    photo = tmp_path / os.fsdecode(b"\xff.png")
    Image.new("RGB", (9, 9), "red").save(photo)
    with Index.create(tmp_path / "c.clr", tiny_encoder) as index:
        index.add([photo])
        number = index.ids()[0]
        with serving(Service(index)) as url:
            assert httpx.get(f"{url}/v1/items/{number}").json()["path"] == str(photo)
            asked = {"ids": [number], "include_self": True}
            answer = httpx.post(f"{url}/v1/search", json=asked)
            assert answer.json()["results"][0]["path"] == str(photo)


def test_file_stands_for_image_in_json_too(http: httpx.Client, files: list[Path]) -> None:
    picture = b64(files[4])
    expected = http.post("/v1/search", json={"image": picture, "k": 3}).json()
    assert http.post("/v1/search", json={"file": picture, "k": 3}).json() == expected
    both = {"image": picture, "file": picture}
    assert "file" in refused(http.post("/v1/search", json=both), 422)
    for route in ("embed", "classify"):
        expected = http.post(f"/v1/{route}", json={"images": [picture]}).json()
        assert http.post(f"/v1/{route}", json={"files": [picture]}).json() == expected
