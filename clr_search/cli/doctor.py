"""``doctor``: check the installed packages, and show what each can do on this machine."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import asdict, dataclass, replace
from importlib import metadata

import click

from clr_search.cli import options, output
from clr_search.cores import usable_cores

EXTRAS = (
    "train",
    "app",
    "mcp",
    "serve",
    "plots",
    "parquet",
    "watch",
    "fast",
    "heif",
    "milvus",
    "ray",
    "stores",
)

_MODULES = {"faiss-cpu": "faiss", "pillow": "PIL", "scikit-learn": "sklearn"}
"""Names of modules that differ from the names of their distributions."""

_ALSO_EXAMINED = ("torch",)
"""Packages of extras that are imported too, because their abilities depend on the machine."""

_PATIENCE = 60.0  # Seconds for the import of one package; PyTorch takes some on a cold disk.


@dataclass(frozen=True, slots=True)
class Dependency:
    """A package that clr-search uses.

    Attributes
    ----------
    name : str
        Name of its distribution.
    extra : str
        The extra that installs it; empty for the base install.
    version : str or None
        Its version, or None where it is not installed.
    problem : str
        Why it cannot be used. It is empty for a usable package, and for a missing one of an extra.
    ability : str
        What it can do on this machine; empty where every machine offers the same.
    """

    name: str
    extra: str
    version: str | None
    problem: str = ""
    ability: str = ""


@options.command("doctor")
@options.json_option()
def doctor(as_json: bool) -> None:
    """Check the installation, and show what this machine offers.

    Exits with 1 where a package of the base install is missing, too old or broken.

    \b
    Example:
      clr-search doctor
      clr-search doctor --json | jq .dependencies
    """
    from concurrent.futures import ThreadPoolExecutor

    output.status("Importing each package …")
    with ThreadPoolExecutor(usable_cores()) as pool:
        dependencies = list(pool.map(_examined, declared()))
    machine = _machine()
    broken = [item for item in dependencies if item.problem]
    healthy = all(item.extra for item in broken)
    if as_json:
        facts: dict[str, object] = {"healthy": healthy, "machine": machine}
        output.echo_json(facts | {"dependencies": [asdict(item) for item in dependencies]})
    else:
        output.echo_heading("Machine")
        output.echo_facts(list(machine.items()))
        _echo(dependencies)
    for item in broken:
        click.echo(f"Error: {item.name}: {item.problem}.", err=True)
    if not healthy:
        click.echo("Install clr-search again, as its README says.", err=True)
        click.get_current_context().exit(1)


def _echo(dependencies: list[Dependency]) -> None:
    """Print a table of packages for the base install and for each extra."""
    columns = [output.Column(), output.Column(style="cyan"), output.Column(style="dim")]
    for extra in ("", *EXTRAS):
        output.echo_heading(f"Extra {extra}" if extra else "Base install")
        missing = f"missing; pip install 'clr-search[{extra}]'"
        rows = [
            [item.name, item.version or "–", item.problem or item.ability]
            if item.version or not extra
            else [item.name, "–", missing]
            for item in dependencies
            if item.extra == extra
        ]
        output.echo_table(columns, rows, indent=2)


def declared() -> list[Dependency]:
    """Return the packages of the base install and of the extras, with their installed versions.

    The names are those in the metadata of clr-search.
    """
    dependencies = []
    for line in metadata.requires("clr-search") or ():
        match = re.match(r"([\w.-]+)(?:\[[^]]*\])?\s*(?:>=([\d.]+))?", line)
        extra = re.search(r"extra == ['\"](\w+)['\"]", line)
        assert match is not None, line
        if extra is None or extra[1] in EXTRAS:
            dependencies.append(_installed(match[1], match[2] or "", extra[1] if extra else ""))
    return dependencies


def _installed(name: str, least: str, extra: str) -> Dependency:
    """Look a package up, and compare its version with the least one needed."""
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Dependency(name, extra, None, "" if extra else "it is not installed")
    old = _numbers(version) < _numbers(least)
    problem = f"version {version} is too old, {least} or newer is needed" if old else ""
    return Dependency(name, extra, version, problem)


def _numbers(version: str) -> list[int]:
    """Return the first three numbers of a version, by which versions are compared."""
    return [int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3]]


def _examined(item: Dependency) -> Dependency:
    """Import a package in another process by the module `examine`, and note the outcome.

    Packages that are not installed, or whose import reveals nothing, are returned as they are.
    """
    import subprocess

    if item.version is None or item.problem:
        return item
    if item.extra and item.name not in _ALSO_EXAMINED:
        return item
    module = _MODULES.get(item.name, item.name)
    command = [sys.executable, "-m", "clr_search.cli.examine", module]
    try:
        process = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return replace(item, problem=f"importing it takes more than {_PATIENCE:.0f} seconds")
    if process.returncode < 0:
        return replace(item, problem=f"importing it crashes (signal {-process.returncode})")
    if process.returncode > 0:
        last = (process.stderr.strip().splitlines() or ["no reason given"])[-1]
        return replace(item, problem=f"it cannot be imported: {last}")
    return replace(item, ability=process.stdout.strip())


def _machine() -> dict[str, str]:
    """Return versions, cores and memory of this machine, for people."""
    import platform

    from clr_search.version import __version__

    return {
        "clr-search": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
        "cores": f"{usable_cores():,}",
        "memory": _memory(),
    }


def _memory() -> str:
    """Return the size of the memory, or an empty text where it is unknown."""
    try:
        return output.size(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf.
        return ""
