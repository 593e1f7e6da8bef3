"""Embeddings as clients of OpenAI's API ask for them: by hand, and with the real client."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from clr_search.index import Index
from clr_search.serve import Encoder
from clr_search.server.routes import Service
from clr_search.server.settings import Keys
from tests.server.conftest import serving
from tests.server.test_service import b64, refused

PNG = "data:image/png;base64,"


@pytest.fixture(scope="module")
def files(pictures: Path) -> list[Path]:
    return sorted(pictures.rglob("*.png"))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture whose base64 is taken out of the JSON before that is parsed."""
    pixels = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    path = tmp_path_factory.mktemp("large") / "large.png"
    Image.fromarray(pixels).save(path)
    return path


def ask(http: httpx.Client, given: Any, **fields: Any) -> httpx.Response:
    return http.post("/v1/embeddings", json={"input": given, "model": "any"} | fields)


def vectors(answer: httpx.Response) -> np.ndarray[Any, np.dtype[np.float32]]:
    assert answer.status_code == 200, answer.text
    return np.array([one["embedding"] for one in answer.json()["data"]], np.float32)


def test_the_answer_is_as_such_clients_read_it(
    http: httpx.Client, files: list[Path], tiny_encoder: Path
) -> None:
    urls = [PNG + b64(path) for path in files[:3]]
    answer = ask(http, urls, user="me", dimensions=16).json()
    assert {name: answer[name] for name in ("object", "model", "usage")} == {
        "object": "list",
        "model": "any",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
    assert [(one["object"], one["index"]) for one in answer["data"]] == [
        ("embedding", number) for number in range(3)
    ]
    expected = Encoder(tiny_encoder).encode(files[:3])
    np.testing.assert_allclose(vectors(ask(http, urls)), expected, atol=1e-5)
    coded = ask(http, urls, encoding_format="base64").json()["data"]
    rows = [np.frombuffer(base64.b64decode(one["embedding"]), "<f4") for one in coded]
    np.testing.assert_allclose(rows, expected, atol=1e-5)


def test_every_form_of_a_picture(
    http: httpx.Client, files: list[Path], large: Path, tiny_encoder: Path
) -> None:
    expected = Encoder(tiny_encoder).encode([large])
    url = PNG + b64(large)
    for one in (
        url,
        url.replace("data:image/png", "DATA:image/png;name=x.png"),
        url.replace("image/png", ""),
        {"image": url},
        {"image": b64(large)},
        {"type": "image", "image": url},
        {"type": "image_url", "image_url": {"url": url, "detail": "auto"}},
        {"image_url": url},
    ):
        for given in (one, [one], [PNG + b64(files[0]), one]):
            np.testing.assert_allclose(vectors(ask(http, given))[-1:], expected, atol=1e-5)
    # Some programs write every slash with a backslash before it.
    body = json.dumps({"input": url, "model": "any"}).replace("/", "\\/")
    answer = http.post("/v1/embeddings", content=body, headers={"content-type": "application/json"})
    np.testing.assert_allclose(vectors(answer), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("https://example.org/a.jpg", "input is a URL, and no URL is ever fetched."),
        (["http://127.0.0.1:{port}/a.jpg"], "input[0] is a URL, and no URL is ever fetched."),
        ([{"image": "file:///etc/passwd"}], "input[0] is no base64."),
        ({"image_url": {"url": "https://example.org/a.jpg"}}, "input is a URL"),
        ("https://example.org/" + "a" * 60_000, "input is a URL"),
        ("a photo of a cat", "input is no picture: it is no data URL with base64."),
        ("cats", "input is no picture"),
        ("", "input is no picture"),
        ("data:image/png,abc", "input is no picture"),
        ("data:image/png;base64", "input is no picture"),
        ("data:" + "x" * 300 + ";base64,aGVsbG8=", "input is no picture"),
        (PNG + "*", "input is no base64."),
        (PNG + "*" * 60_000, "input is no base64."),
        (PNG + "aGVsbG8=", "Picture 1 cannot be used"),
        (PNG, "Picture 1 cannot be used"),
        ([{"type": "text"}], "input[0] is no picture"),
        ([{"image": PNG + "AAAA", "image_url": PNG + "AAAA"}], "input[0] is no picture"),
        ([{"picture": "x"}], "there is no such field"),
        ([1, 2, 3], "input.list.0: Input should be a data URL, or an object with one"),
        ([], "at least 1"),
        ([["x"]], "input.list.0: Input should be a data URL, or an object with one"),
        (None, "input: Input should be a data URL, or an object with one"),
    ],
)
def test_what_is_no_picture_is_refused(http: httpx.Client, given: Any, says: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:  # nothing ever knocks here
        port = str(trap.getsockname()[1])
        filled = json.loads(json.dumps(given).replace("{port}", port))
        answer = ask(http, filled)
        assert says in refused(answer, 422)
        # Where clients of OpenAI's API look for it.
        error = answer.json()["error"]
        assert error["message"].startswith(answer.json()["detail"])
        assert error["type"] == "invalid_request_error"
        trap.settimeout(0.05)
        with pytest.raises(TimeoutError):
            trap.accept()


def test_bounds_are_those_of_the_other_routes(http: httpx.Client, files: list[Path]) -> None:
    url = PNG + b64(files[0])
    assert "more than the 64" in refused(ask(http, [url] * 65), 413)
    assert "dimensions is 8; the vectors of this encoder have 16" in refused(
        ask(http, url, dimensions=8), 422
    )
    refused(ask(http, url, encoding_format="int8"), 422)
    refused(ask(http, url, model="m" * 2000), 422)
    refused(ask(http, url, prompt="x"), 422)
    headers = {"content-type": "image/png"}
    answer = http.post("/v1/embeddings", content=files[0].read_bytes(), headers=headers)
    assert "content type is image/png" in refused(answer, 415)
    refused(http.get("/v1/embeddings"), 405)
    assert "error" not in http.post("/v1/embed", json={"images": ["*"]}).json()
    document = http.get("/openapi.json").json()
    assert document["components"]["schemas"]["EmbeddingsIn"]["examples"]
    assert "/v1/embeddings" in http.get("/docs").text


@pytest.fixture
def client(address: str) -> Iterator[Any]:
    openai = pytest.importorskip("openai", reason="needs the package openai: make third-party")
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("options", [{}, {"encoding_format": "float"}])
def test_the_client_of_openai(
    client: Any, files: list[Path], large: Path, tiny_encoder: Path, options: dict[str, str]
) -> None:
    chosen = [files[0], large]
    urls = [PNG + b64(path) for path in chosen]
    answer = client.embeddings.create(model="clr-search", input=urls, **options)
    rows = [one.embedding for one in answer.data]
    np.testing.assert_allclose(rows, Encoder(tiny_encoder).encode(chosen), atol=1e-5)
    assert (answer.model, answer.usage.total_tokens) == ("clr-search", 2)


def test_the_client_of_openai_shows_a_refusal(client: Any, files: list[Path]) -> None:
    import openai

    with pytest.raises(openai.UnprocessableEntityError, match="no URL is ever fetched"):
        client.embeddings.create(model="clr-search", input="https://example.org/a.jpg")
    with pytest.raises(openai.APIStatusError, match="more than the 64 that a request may hold"):
        client.embeddings.create(model="clr-search", input=[PNG + b64(files[0])] * 65)


def test_the_key_of_the_client_of_openai(collection: Path, files: list[Path]) -> None:
    openai = pytest.importorskip("openai", reason="needs the package openai: make third-party")
    key, url_of = "an-example-of-a-long-key", PNG + b64(files[0])
    with Index.open(collection) as index, serving(Service(index, keys=Keys.of([key]))) as url:
        with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
            assert len(client.embeddings.create(model="m", input=url_of).data) == 1
        with (
            openai.OpenAI(base_url=f"{url}/v1", api_key="wrong", max_retries=0) as client,
            pytest.raises(openai.AuthenticationError, match="no key, or a wrong one"),
        ):
            client.embeddings.create(model="m", input=url_of)
