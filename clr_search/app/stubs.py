"""Gradio without the writing of its type stubs, which takes a third of its import.

As it is imported, Gradio parses the source of each of its components, and writes a stub beside it
where that has changed (``gradio.component_meta.create_or_modify_pyi``): for editors of code, into a
folder of the installation, which a program that runs has no business to write to.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from clr_search.errors import require

_MODULE, _FUNCTION = "gradio.component_meta", "create_or_modify_pyi"


class _Finder:
    """A finder of one module, which takes the function out of it once it has run."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where the module is, with a loader that is followed by ours."""
        if name != _MODULE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            execute = loader.exec_module

            def executed(module: ModuleType) -> None:
                execute(module)
                if hasattr(module, _FUNCTION):
                    setattr(module, _FUNCTION, lambda *_: None)

            loader.exec_module = executed
        return spec


def require_gradio() -> None:
    """Import Gradio, without its stubs where this process has not imported it yet.

    Raises
    ------
    MissingExtraError
        If it is not installed.

    Examples
    --------
    >>> require_gradio()
    """
    if _MODULE not in sys.modules and _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
    require("gradio", "app")
