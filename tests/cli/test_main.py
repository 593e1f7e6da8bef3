"""What becomes of failures, and how the group behaves."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import click
import pytest

from clr_search import __version__
from clr_search.cli import main as cli
from clr_search.cli.finding import search
from clr_search.errors import ClrSearchError, UsageError
from tests.cli.conftest import Run


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"clr-search {__version__}\n"


def test_help_lists_every_command_uncut(run: Run) -> None:
    text = run("-h").stdout
    for section in cli.SECTIONS.values():
        for name in section:
            assert f"\n  {name} " in text
    assert "..." not in text.split("Everything at once:")[1]
    assert run("--help").stdout == text


def test_an_unknown_command_is_met_with_the_nearest(run: Run) -> None:
    result = run("duplicate", exit_code=2)
    assert result.stdout == ""
    assert "Error: There is no command duplicate. Did you mean duplicates?\n" in result.stderr
    assert "Did you mean" not in run("xyzzy", exit_code=2).stderr


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, collection: Path, pictures: Path, run: Run):  # type: ignore[no-untyped-def]
    """Run a search that fails with an error of our choice."""

    def fail(error: BaseException, *options: str, exit_code: int, first: tuple[str, ...] = ()):  # type: ignore[no-untyped-def]
        def raise_it(*_: object) -> None:
            raise error

        monkeypatch.setattr(search, "_answer", raise_it)
        query = pictures / "red" / "red00.jpg"
        return run(*first, "search", collection, query, *options, exit_code=exit_code)

    return fail


def test_a_failure_says_what_happened_and_what_to_do(failing) -> None:  # type: ignore[no-untyped-def]
    result = failing(ClrSearchError("The disk is full.", "Make room."), exit_code=1)
    assert (result.stdout, result.stderr) == ("", "Error: The disk is full.\nMake room.\n")
    result = failing(UsageError("There is no x."), exit_code=2)
    assert result.stderr == "Error: There is no x.\n"


def test_a_bug_is_one_line_and_a_hint(failing) -> None:  # type: ignore[no-untyped-def]
    result = failing(KeyError("a\nb"), exit_code=1)
    assert result.stderr == (
        "Error: unexpected KeyError: 'a\\nb'\nRun again with --debug for the traceback.\n"
    )
    result = failing(RuntimeError(), exit_code=1)
    assert result.stderr.startswith("Error: unexpected RuntimeError\n")


def test_a_failing_system_call_names_its_file(failing) -> None:  # type: ignore[no-untyped-def]
    result = failing(PermissionError(13, "Permission denied", "/x/y"), exit_code=1)
    assert result.stderr.startswith("Error: Permission denied: /x/y\n")


@pytest.mark.parametrize("where", ["before", "after"])
def test_debug_shows_the_traceback(failing, where: str) -> None:  # type: ignore[no-untyped-def]
    first, options = (("--debug",), ()) if where == "before" else ((), ("--debug",))
    result = failing(KeyError("x"), *options, first=first, exit_code=1)
    assert "Traceback (most recent call last)" in result.stderr
    assert "in raise_it" in result.stderr
    assert result.stderr.endswith("Error: unexpected KeyError: 'x'\n")


def test_ctrl_c_ends_with_130(failing) -> None:  # type: ignore[no-untyped-def]
    result = failing(KeyboardInterrupt(), exit_code=130)
    assert (result.stdout, result.stderr) == ("", "Interrupted.\n")


def test_warnings_of_libraries_are_kept_quiet(
    monkeypatch: pytest.MonkeyPatch, run: Run, collection: Path, pictures: Path
) -> None:
    heard = []

    def warn(*_: object) -> list[object]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.warn("Corrupt EXIF data", UserWarning, stacklevel=1)
        heard.append(len(caught))
        return []

    monkeypatch.setattr(search, "_answer", warn)
    query = pictures / "red" / "red00.jpg"
    run("search", collection, query)
    run("search", collection, query, "--debug")
    assert heard == [0, 1]


def test_every_command_is_of_our_class(run: Run) -> None:
    context = click.Context(cli.main, **cli.main.context_settings)
    for name in cli.main.list_commands(context):
        command = cli.main.get_command(context, name)
        assert command is not None
        assert "--debug" in [option for p in command.get_params(context) for option in p.opts]
    assert cli.main.get_command(context, "xyzzy") is None


@pytest.mark.parametrize(
    ("name", "entry"), [item for section in cli.SECTIONS.values() for item in section.items()]
)
def test_the_list_says_of_a_command_what_its_own_help_says(name: str, entry: cli.Entry) -> None:
    command = cli.main.get_command(click.Context(cli.main), name)
    assert command is not None
    assert command.get_short_help_str(500) == entry.summary


def test_the_list_of_commands_imports_none_of_them() -> None:
    code = "import sys\nfrom clr_search.cli.main import main\ntry:\n    main(['--help'])\n"
    code += "finally:\n    print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stderr.split() if name.startswith("clr_search.cli.")}
    assert loaded == {"clr_search.cli.main", "clr_search.cli.options"}
