"""``completion``: print a script by which the shell completes commands, options and paths."""

from __future__ import annotations

import os
from pathlib import Path

import click

from clr_search.cli import options

# Where each shell loads the script from, and the line that does it.
_INSTALL = {
    "bash": ("~/.bashrc", 'eval "$(clr-search completion bash)"'),
    "zsh": ("~/.zshrc, after compinit", 'eval "$(clr-search completion zsh)"'),
    "fish": (
        "a shell, once",
        "clr-search completion fish > ~/.config/fish/completions/clr-search.fish",
    ),
}


@options.command("completion")
@click.argument("shell", type=click.Choice(list(_INSTALL)), required=False)
def completion(shell: str | None) -> None:
    """Print the script that lets the shell complete commands.

    SHELL is taken from the environment where it is not given. The script begins with how to install
    it.

    \b
    Example:
      eval "$(clr-search completion bash)"      # put this line into ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    if shell is None:
        shell = Path(os.environ.get("SHELL", "")).name
        if shell not in _INSTALL:
            raise click.UsageError(f"Which shell? Give one of: {', '.join(_INSTALL)}.")
    kind = get_completion_class(shell)
    assert kind is not None, "click knows these shells"
    root = click.get_current_context().find_root().command
    script = kind(root, {}, "clr-search", "_CLR_SEARCH_COMPLETE").source().strip("\n")
    startup_file, line = _INSTALL[shell]
    note = f"# To install, put this line into {startup_file}:\n#   {line}"
    # Where the script is a file of its own, zsh requires "#compdef" in its first line.
    first, _, rest = script.partition("\n")
    first = f"{first}\n{note}" if first.startswith("#compdef") else f"{note}\n{first}"
    click.echo(f"{first}\n{rest}")
