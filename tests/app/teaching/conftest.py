"""A collection of one's own for each test that labels."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clr_search.app.functions.carried import carried
from clr_search.app.functions.classify import Classifying
from clr_search.app.functions.label import Labelling
from clr_search.app.library.library import Library
from clr_search.app.library.permissions import Permissions
from clr_search.app.library.uploads import Uploads
from clr_search.app.teaching.finishing import Finishing
from clr_search.app.teaching.teacher import Teacher
from clr_search.index import Index
from clr_search.serve import Probe


@dataclass
class School:
    """The functions of the tab, as a browser asks them."""

    path: Path
    library: Library
    teacher: Teacher
    finishing: Finishing
    functions: tuple[object, ...] = ()

    def open(self, permissions: Permissions, probe: Probe | None = None) -> None:
        """Let visitors come who may do this, to an app that was started with this classifier."""
        self.functions = (
            Labelling(self.teacher, self.finishing, permissions),
            Classifying(self.teacher, self.finishing, probe),
        )

    def ask(self, name: str, **args: object) -> Any:
        """The answer of a function, or the words of its failure."""
        function = next(getattr(one, name) for one in self.functions if hasattr(one, name))
        answer = json.loads(carried(function)(args).body)
        return answer["ok"] if "ok" in answer else answer["error"]["what"]

    def labels(self) -> dict[str, str | None]:
        """The labels in the collection, by the names of files."""
        with Index.open(self.path) as index:
            return {item.path.name: item.label for item in index.items(index.ids())}

    def ids(self, label: str) -> list[int]:
        """The ids of pictures whose names begin with a word."""
        with Index.open(self.path) as index:
            return [i.id for i in index.items(index.ids()) if i.path.name.startswith(label)]


@pytest.fixture
def school(collection: Path, tmp_path: Path) -> Iterator[School]:
    """A copy of the 36 test pictures' collection, which may be labelled."""
    path = shutil.copytree(collection, tmp_path / "colours.clr")
    cache = tmp_path / "cache"
    cache.mkdir()
    with Index.open(path) as index:
        library = Library(index, Uploads(cache))
        teacher = Teacher(library, cache)
        made = School(path, library, teacher, Finishing(teacher))
        made.open(Permissions())
        yield made
        library.close()
