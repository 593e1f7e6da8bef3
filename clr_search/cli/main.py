"""``clr-search``: the group of all commands, which turns every exception into a message.

Exit codes are 0 for success, 1 for a failure (also of some of several inputs), 2 for wrong use,
and 130 after Ctrl-C.
"""

from __future__ import annotations

import codecs
import difflib
import importlib
import os
import sys
import traceback
from typing import NoReturn

import click

from clr_search.cli import options
from clr_search.errors import ClrSearchError
from clr_search.version import __version__

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

SECTIONS = {
    "Everything at once": {"demo": "showing.demo"},
    "An encoder of your own": {
        "train": "models.train",
        "export": "models.export",
        "study": "models.study",
    },
    "A collection": {
        "build-index": "collections.build",
        "add": "collections.build",
        "remove": "collections.build",
        "repair": "collections.repair",
    },
    "Search": {
        "search": "finding.search",
        "duplicates": "finding.duplicates",
        "cluster": "finding.cluster",
        "map": "finding.map",
        "evaluate": "models.evaluate",
        "app": "showing.app",
        "serve": "showing.serve",
        "export-site": "showing.site",
    },
    "Sorting into classes": {"probe": "models.probe", "classify": "models.classify"},
    "About": {"info": "collections.info", "doctor": "doctor", "completion": "completion"},
}
"""Headings of ``--help``, with the names of their commands and the modules that hold these."""

_MODULES = {name: module for section in SECTIONS.values() for name, module in section.items()}


class Failure(click.ClickException):
    """A failure as the command line prints it: what happened, and below it what to do.

    Its exit code is 1.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy

    def show(self, file: object = None) -> None:
        """Print the message and the remedy on stderr."""
        click.echo(f"Error: {self.message}", err=True)
        if self.remedy:
            click.echo(self.remedy, err=True)


class WrongUse(Failure):
    """A failure by wrong use, which the person can avoid; its exit code is 2."""

    exit_code = 2


class Commands(click.Group):
    """A group whose commands are imported only when they run or are described."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        module = importlib.import_module(f"clr_search.cli.{_MODULES[cmd_name]}")
        commands = (item for item in vars(module).values() if isinstance(item, click.Command))
        return next(command for command in commands if command.name == cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in _MODULES:
            close = difflib.get_close_matches(args[0], _MODULES, n=2)
            hint = f" Did you mean {' or '.join(close)}?" if close else ""
            ctx.fail(f"There is no command {args[0]}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        longest = max(map(len, _MODULES))
        for heading, names in SECTIONS.items():
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                assert command is not None
                text = command.get_short_help_str(formatter.width - longest - 6)
                rows.append((name.ljust(longest), text))
            with formatter.section(heading):
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command, and turn its exceptions into messages with exit codes."""
        _write_any_name()
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(options.INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001  # Nothing above this could explain it.
            _fail(ctx, error)


def _fail(ctx: click.Context, error: Exception) -> NoReturn:
    """Raise the `Failure` that describes an exception, after its traceback with ``--debug``."""
    if options.debugging(ctx):
        traceback.print_exception(error)
    if isinstance(error, ClrSearchError):
        kind = WrongUse if error.exit_code == WrongUse.exit_code else Failure
        raise kind(error.what, error.remedy) from error
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    else:
        text = f"unexpected {type(error).__name__}{f': {text}' if text else ''}"
    again = "" if options.debugging(ctx) else "Run again with --debug for the traceback."
    raise Failure(text, again) from error


def _write_any_name() -> None:
    """Let stdout print file names that are not valid text, or that its encoding cannot express.

    On POSIX, where names are bytes, such a name is printed with the bytes that it has on disk, so
    that the next program of a pipe can open the file.
    """
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        bytes_pass = os.name == "posix" and codecs.lookup(sys.stdout.encoding).name == "utf-8"
        reconfigure(errors="surrogateescape" if bytes_pass else "backslashreplace")


@click.group(
    cls=Commands,
    name="clr-search",
    context_settings=CONTEXT,
    epilog="Help on a command: clr-search COMMAND -h",
)
@options.debug_option()
@click.version_option(
    __version__, "--version", prog_name="clr-search", message="%(prog)s %(version)s"
)
def main() -> None:
    """Turn a folder of images into a search engine.

    Index collections and find pictures by picture: here, from Python, or in the browser. Train an
    encoder on your own pictures without labels (SimCLR), and export it as one ONNX file.

    \b
    Example:
      clr-search demo                  # the whole way, in about two minutes
      clr-search build-index photos --index photos.clr
      clr-search search photos.clr query.jpg
      clr-search train photos --out run --init default
      clr-search export run --out encoder.onnx
    """
