"""docs/cli.md is what the commands say, and every command shows an example."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import click
import pytest

from clr_search.cli import reference
from clr_search.cli.main import main

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
CONTEXT = click.Context(main, info_name="clr-search", **main.context_settings)
COMMANDS = [
    main,
    *filter(None, (main.get_command(CONTEXT, n) for n in main.list_commands(CONTEXT))),
]


def test_the_page_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")  # it must not depend on the terminal
    assert PAGE.read_text(encoding="utf-8") == reference.markdown(), "run: make docs"


def test_no_line_is_wider_than_the_page() -> None:
    blocks = re.findall(r"```text\n(.*?)```", reference.markdown(), flags=re.DOTALL)
    assert len(blocks) == len(COMMANDS)
    assert [line for block in blocks for line in block.splitlines() if len(line) > 88] == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_is_explained(command: click.Command) -> None:
    text = inspect.cleandoc(command.help or "")
    first = text.splitlines()[0]
    assert first.endswith(".")
    assert len(first) <= 58, "one line in a terminal of 80 columns"
    example = text.partition("\b\nExample:\n")[2].splitlines()
    assert example, "needs an example in a block of its own"
    assert all(re.match(r"  (clr-search|eval) ", line) for line in example)
    names = {line.split()[1] for line in example if line.startswith("  clr-search")}
    assert command is main or names <= {command.name}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_option_is_explained(command: click.Command) -> None:
    shown = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    for option in shown:
        text, _, default = (option.help or "").partition("  [default: ")
        assert text.endswith("."), option.name
        assert not default or default.endswith("]"), option.name


@pytest.mark.parametrize(
    "name",
    "build-index add search duplicates cluster map classify evaluate probe train study export "
    "export-site app serve demo".split(),
)
def test_every_command_that_decodes_takes_the_pixel_limit(name: str) -> None:
    from clr_search.images.limits import MAX_PIXELS, PIXELS_VARIABLE

    command = main.get_command(click.Context(main), name)
    assert command is not None
    (option,) = [one for one in command.params if one.name == "max_pixels"]
    assert isinstance(option, click.Option)
    if name != "serve":  # which has a limit of its own for requests
        assert PIXELS_VARIABLE in (option.help or "")
        assert f"[default: {MAX_PIXELS}]" in (option.help or "")
