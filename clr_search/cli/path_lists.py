"""Arguments that take paths, and lists of paths: ``-`` for stdin, ``@FILE`` for a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from clr_search.cli.options import Decorator, PlacePath
from clr_search.errors import UsageError
from clr_search.files.stores.address import ObjectPath, is_address, located


class Listed(click.Path):
    """A path, or a list of paths: ``-`` for those on stdin, ``@FILE`` for those in a file.

    An address of an object store is a path, too; whether it exists shows when it is read.

    A file or folder whose name begins with ``@`` is taken as such.
    """

    def __init__(self, *, exists: bool) -> None:
        super().__init__(exists=exists, readable=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, or the name of the list as it is; `expand` reads it."""
        if is_list(str(value)):
            return Path(value)
        if is_address(str(value)):
            return _address(str(value), ctx, param)
        if not self.exists and str(value).startswith("milvus"):
            return PlacePath(path_type=Path).convert(value, param, ctx)
        return super().convert(value, param, ctx)


class Place(click.Path):
    """A folder, or a prefix of an object store."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, or the address."""
        if is_address(str(value)):
            return _address(str(value), ctx, param)
        return super().convert(value, param, ctx)


def is_list(name: str) -> bool:
    """Whether an argument names a list of paths, and no file.

    Examples
    --------
    >>> is_list("-"), is_list("@paths.txt"), is_list("a.jpg")
    (True, True, False)
    """
    return name == "-" or (name.startswith("@") and len(name) > 1 and not os.path.lexists(name))


def expand(
    ctx: click.Context, parameter: click.Parameter, value: tuple[Path, ...]
) -> tuple[Path, ...]:
    """Replace, as a callback, the lists among paths by the paths in them.

    There is one path a line, or paths end in null characters, as ``find -print0`` writes them.
    """
    paths: list[Path] = []
    for path in value:
        if not is_list(str(path)):
            paths.append(path)
            continue
        named = [_address(name, ctx, parameter) for name in _names_in(str(path), ctx, parameter)]
        if isinstance(parameter.type, Listed) and parameter.type.exists:
            for one in named:
                if not isinstance(one, ObjectPath) and not os.path.exists(one):  # noqa: PTH110 -- `Path.exists` may raise
                    raise click.BadParameter(
                        f"There is no file or folder {one}, which {path} names.", ctx, parameter
                    )
        paths += named
    if value and not paths:
        raise click.BadParameter(f"{value[0]} names no path.", ctx, parameter)
    return tuple(paths)


def _address(name: str, ctx: click.Context | None, parameter: click.Parameter | None) -> Path:
    """Return a path, or the address of an object; refuses one without a bucket."""
    try:
        return located(name)
    except UsageError as error:
        raise click.BadParameter(str(error), ctx, parameter) from error


def _names_in(source: str, ctx: click.Context, parameter: click.Parameter) -> list[str]:
    """Return the paths in a list."""
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source[1:]).read_bytes()
    except OSError as error:
        raise click.BadParameter(
            f"{source} cannot be read: {error.strerror}.", ctx, parameter
        ) from error
    return listed(data)


def listed(data: bytes) -> list[str]:
    r"""Return the paths in the content of a list: a line each, or each with a null after it.

    Examples
    --------
    >>> listed(b"a.jpg\r\nb.jpg\n"), listed(b"a\n.jpg\0b.jpg\0")
    (['a.jpg', 'b.jpg'], ['a\n.jpg', 'b.jpg'])
    """
    names = data.split(b"\0") if b"\0" in data else data.replace(b"\r\n", b"\n").split(b"\n")
    return [os.fsdecode(name) for name in names if name]


def paths_argument(
    name: str, metavar: str | None = None, *, required: bool = False, exists: bool = True
) -> Decorator[Any]:
    """Return an argument of any number of paths, of which each may be a list: see `Listed`."""
    return click.argument(
        name,
        metavar=metavar,
        nargs=-1,
        required=required,
        type=Listed(exists=exists),
        callback=expand,
    )
