"""``completion``."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from click.shell_completion import ShellComplete

from clr_search.cli.main import main
from tests.cli.conftest import Run


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_says_how_to_install_it(run: Run, shell: str) -> None:
    text = run("completion", shell).stdout
    assert "_CLR_SEARCH_COMPLETE" in text
    head = text.splitlines()[:3]
    assert any(line.startswith("# To install, put this line into ") for line in head)
    assert any(f"clr-search completion {shell}" in line for line in head)
    if shell == "zsh":
        assert head[0] == "#compdef clr-search"


def test_the_shell_is_found_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert run("completion").stdout == run("completion", "fish").stdout
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    result = run("completion", exit_code=2)
    assert "Error: Which shell? Give one of: bash, zsh, fish.\n" in result.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_accepts_the_script(run: Run) -> None:
    script = run("completion", "bash").stdout
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_commands_and_options_are_completed() -> None:
    complete = ShellComplete(main, {}, "clr-search", "_CLR_SEARCH_COMPLETE")
    names = [item.value for item in complete.get_completions([], "se")]
    assert names == ["search", "serve"]
    options = [item.value for item in complete.get_completions(["search"], "--")]
    assert "--contact-sheet" in options
    assert "--debug" not in options
