"""What the tests of the map and of groups share."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clr_search.app.functions.groups import Groups
from clr_search.app.functions.map import Mapping
from clr_search.app.library.asked import Asked
from clr_search.app.library.library import Library
from clr_search.app.library.uploads import Uploads
from clr_search.app.overview.overview import Overview
from clr_search.index import Index


@pytest.fixture(scope="module")
def overview(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Overview]:
    """What is made of the 36 test pictures, once it is ready."""
    folder = tmp_path_factory.mktemp("overview")
    with Index.open(collection) as index:
        library = Library(index, Uploads(folder))
        overview = Overview(library, folder)
        for _ in range(1000):
            mapped = Mapping(overview).chart(Asked({}))["ready"]
            if mapped and Groups(overview).groups(Asked({"groups": 3}))["ready"]:
                break
            time.sleep(0.02)
        yield overview
        library.close()
