"""Names that are no text, which file systems have and JSON has not."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import httpx
import pytest

from clr_search.index import Index
from clr_search.server.routes import Service
from tests.server.conftest import serving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names are text elsewhere")


@pytest.fixture(scope="module")
def url(pictures: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> object:
    folder = tmp_path_factory.mktemp("names")
    for name, source in ((b"r\xf6t", "red"), (b"blau", "blue")):
        shutil.copytree(pictures / source, folder / "p" / os.fsdecode(name))
    with Index.create(folder / "p.clr", tiny_encoder) as index:
        index.update([folder / "p"])
        with serving(Service(index)) as url:
            yield url


def asked(url: str, label: bytes, *, form: bool) -> httpx.Response:
    if form:
        parts = {"ids": (None, b"[1]"), "filter": (None, b'{"label": "%s"}' % label)}
        return httpx.post(f"{url}/v1/search", files=parts)
    body = b'{"ids": [1], "k": 40, "filter": {"label": "%s"}}' % label
    return httpx.post(
        f"{url}/v1/search", content=body, headers={"content-type": "application/json"}
    )


@pytest.mark.parametrize("form", [False, True])
@pytest.mark.parametrize(
    "label", [rb"r\udcf6t", b"r\xf6t", b"r\xed\xb3\xb6t", rb"\ud800", rb"\udfff"]
)
def test_a_label_that_is_no_text_is_refused_with_what_to_do(
    url: str, label: bytes, *, form: bool
) -> None:
    answer = asked(url, label, form=form)
    assert answer.status_code == 422
    if form and not label.startswith((b"r\\", b"\\")):
        return  # the parser of forms has replaced the bytes: no picture has such a label
    assert "where ? stands for any letter" in answer.json()["remedy"]


def test_the_remedy_works(url: str) -> None:
    everything = httpx.post(f"{url}/v1/search", json={"ids": [1], "k": 40}).json()["results"]
    red = {one["id"] for one in everything if one["label"] == "r\udcf6t"}
    assert len(red) >= 11
    for conditions in ({"glob": "r?t/*"}, {"ids": sorted(red)}, {"where": "path GLOB 'r?t/*'"}):
        asked = {"ids": [1], "k": 40, "filter": conditions}
        answer = httpx.post(f"{url}/v1/search", json=asked)
        assert {one["id"] for one in answer.json()["results"]} == red, conditions
