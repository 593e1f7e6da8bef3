"""The command reference: ``python -m clr_search.cli.reference`` prints docs/cli.md.

The page consists of the help of every command, in the order of ``clr-search --help``.
"""

from __future__ import annotations

import click

from clr_search.cli.main import SECTIONS, main

WIDTH = 88
"""Width of the help texts in columns; it is fixed so that the page is the same everywhere."""

_INTRODUCTION = """\
# The command line

This page is made from the commands' own help by `make docs`; a test keeps the two together.

Results go to stdout, progress and messages to stderr. `--json` prints JSON Lines: one object a
line. Exit codes: 0 all went well; 1 something failed, or some of several inputs did; 2 wrong use;
130 interrupted by Ctrl-C (but 0 for `app`, which runs until then)."""


def markdown() -> str:
    """Return the whole page as Markdown; it ends with a newline."""
    names = main.context_settings["help_option_names"]
    root = click.Context(
        main, info_name="clr-search", terminal_width=WIDTH, help_option_names=names
    )
    blocks = [_INTRODUCTION, _block(main, root)]
    for heading, names in SECTIONS.items():
        blocks.append(f"## {heading}")
        for name in names:
            command = main.get_command(root, name)
            assert command is not None
            context = click.Context(command, info_name=name, parent=root, terminal_width=WIDTH)
            blocks += [f"### {name}", _block(command, context)]
    return "\n\n".join(blocks) + "\n"


def _block(command: click.Command, context: click.Context) -> str:
    """Return the help of a command as a code block."""
    lines = (line.rstrip() for line in command.get_help(context).splitlines())
    return "```text\n" + "\n".join(lines) + "\n```"


if __name__ == "__main__":
    print(markdown(), end="")
