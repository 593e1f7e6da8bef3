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
from typing import Any, NamedTuple, NoReturn

import click

from clr_search import terminal
from clr_search.cli import options
from clr_search.cores import limit_libraries
from clr_search.errors import ClrSearchError
from clr_search.files.disk import remedy_of
from clr_search.version import __version__

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Entry(NamedTuple):
    """A command in the list of all.

    Attributes
    ----------
    module : str
        The module below `clr_search.cli` that holds it.
    summary : str
        The first line of its help, so that the list of commands imports none of them.
    """

    module: str
    summary: str


SECTIONS = {
    "Everything at once": {
        "demo": Entry("showing.demo", "Go the whole way, from a folder of images to the app."),
    },
    "An encoder of your own": {
        "train": Entry("models.train", "Train an encoder on images without labels, by SimCLR."),
        "export": Entry("models.export", "Export the encoder of a run as one ONNX file."),
        "import-encoder": Entry(
            "models.import_encoder", "Import a network of any maker as an encoder."
        ),
        "study": Entry("models.study", "Repeat the experiments of the SimCLR paper."),
    },
    "A collection": {
        "build-index": Entry(
            "collections.build", "Index folders of images, or bring an index up to date."
        ),
        "add": Entry("collections.change", "Add files and folders to a collection."),
        "remove": Entry(
            "collections.change", "Remove files, and all below folders, from a collection."
        ),
        "copy": Entry("collections.copy", "Copy a collection to another folder, or to Milvus."),
        "relocate": Entry(
            "collections.relocate", "Tell a collection that a folder of pictures has moved."
        ),
        "label": Entry("collections.label", "Label the pictures of a collection by a CSV file."),
        "repair": Entry(
            "collections.repair", "Check a collection, and save what can be read of it."
        ),
    },
    "Search": {
        "search": Entry("finding.search", "Find the pictures of a collection most like a picture."),
        "duplicates": Entry(
            "finding.duplicates", "Find copies: the same file, or nearly the same picture."
        ),
        "cluster": Entry(
            "finding.cluster", "Show what is in a collection: groups of similar pictures."
        ),
        "map": Entry("finding.map", "Draw a map of a collection: similar pictures side by side."),
        "evaluate": Entry(
            "models.evaluate", "Measure how well a collection finds, or compare two."
        ),
        "app": Entry("showing.app", "Search a collection in the browser."),
        "serve": Entry("showing.serve", "Serve a collection to other programs over HTTP."),
        "export-site": Entry(
            "showing.site", "Write a page that searches a collection in the browser."
        ),
        "export-vectors": Entry(
            "finding.export_vectors", "Write the vectors of a collection for other programs."
        ),
    },
    "Sorting into classes": {
        "probe": Entry("models.probe", "Fit a classifier on pictures with classes, and write it."),
        "classify": Entry("models.classify", "Classify pictures, or all pictures in folders."),
    },
    "About": {
        "info": Entry("collections.info", "Describe a run, an encoder or probe, or a collection."),
        "doctor": Entry("doctor", "Check the installation, and show what this machine offers."),
        "completion": Entry(
            "completion", "Print the script that lets the shell complete commands."
        ),
    },
}
"""Headings of ``--help``, and below each its commands."""

_COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


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

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command, while nothing that others have named reaches the terminal as it is.

        Streams that are closed are opened on nothing, so that the command does its work all the
        same, as for a service or a program without a window.
        """
        limit_libraries()  # before a command imports any of them
        terminal.present()
        with terminal.escaping():
            try:
                return super().main(*args, **kwargs)
            except OSError as error:  # of printing help, before there is a command
                if not kwargs.get("standalone_mode", True):
                    raise
                failure = _of_system(error, "")
                failure.show()
                sys.exit(failure.exit_code)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"clr_search.cli.{_COMMANDS[cmd_name].module}")
        commands = (item for item in vars(module).values() if isinstance(item, click.Command))
        return next(command for command in commands if command.name == cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in _COMMANDS:
            close = difflib.get_close_matches(args[0], _COMMANDS, n=2)
            hint = f" Did you mean {' or '.join(close)}?" if close else ""
            ctx.fail(f"There is no command {args[0]}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        longest = max(map(len, _COMMANDS))
        width = formatter.width - longest - 6
        for heading, entries in SECTIONS.items():
            rows = [
                (name.ljust(longest), _cut(entry.summary, width)) for name, entry in entries.items()
            ]
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


def _cut(summary: str, width: int) -> str:
    """Return a summary as click shows it where there is so much room."""
    return click.Command(None, help=summary).get_short_help_str(width)


def _fail(ctx: click.Context, error: Exception) -> NoReturn:
    """Raise the `Failure` that describes an exception, after its traceback with ``--debug``."""
    if options.debugging(ctx):
        traceback.print_exception(error)
    if isinstance(error, ClrSearchError):
        kind = WrongUse if error.exit_code == WrongUse.exit_code else Failure
        raise kind(error.what, error.remedy) from error
    again = "" if options.debugging(ctx) else "Run again with --debug for the traceback."
    if isinstance(error, OSError) and error.strerror:
        raise _of_system(error, again) from error
    text = " ".join(str(error).split())
    text = f"unexpected {type(error).__name__}{f': {text}' if text else ''}"
    raise Failure(text, again) from error


def _of_system(error: OSError, otherwise: str) -> Failure:
    """Return the `Failure` for an error of the system; `otherwise` where no remedy is known."""
    text = f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
    return Failure(text, remedy_of(error) or otherwise)


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
