from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from clr_search.errors import UsageError
from clr_search.files.stores.address import ObjectPath, is_address, located


@pytest.mark.parametrize(
    "address", ["s3://bucket", "gs://bucket/a b/ü 100%.jpg", "az://box/#?&=+/1.jpg"]
)
def test_an_address_is_kept_letter_by_letter_through_all_that_paths_go_through(address):
    path = located(address)
    assert str(path) == os.fspath(path) == path.as_posix() == address
    assert str(located(path)) == str(pickle.loads(pickle.dumps(path))) == address
    assert {path: 1}[located(address)] == 1
    assert path.is_absolute()
    assert str(path.resolve()) == str(path.absolute()) == address
    assert str((path / "x" / "y.png").parent) == f"{address}/x"


def test_parts_of_an_address():
    path = ObjectPath("s3://bucket/a/b.JPG")
    assert (path.scheme, path.bucket, path.key, path.name) == ("s3", "bucket", "a/b.JPG", "b.JPG")
    assert ObjectPath("s3://bucket").key == ""
    assert str(path.relative_to(ObjectPath("s3://bucket"))) == "a/b.JPG"


@pytest.mark.parametrize("text", ["s3:/bucket/a", "/s3://a", "S3://b/a", "http://b/a", "s3"])
def test_other_texts_are_paths_of_files(text):
    assert not is_address(text)
    assert type(located(text)) is type(Path(text))


@pytest.mark.parametrize(
    "text",
    ["s3://", "s3:///a", "gs://AKIA:hunter2@bucket/a", "s3://-x/a", "az://ü/a", "s3://a?b/c"],
)
def test_an_address_without_a_bucket_is_refused_and_not_repeated(text):
    with pytest.raises(UsageError, match="names no bucket") as caught:
        located(text)
    assert "hunter2" not in str(caught.value)
