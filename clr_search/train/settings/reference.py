"""``python -m clr_search.train.settings.reference`` prints docs/settings.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from clr_search.train.settings.augmentation import Augmentation
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.declaration import Group, Setting, settings_of
from clr_search.train.settings.presets import PRESETS

_INTRODUCTION = """\
# The settings of training

This page is made from the declarations in
[`clr_search/train/settings`](../clr_search/train/settings/config.py) by `make docs`; a test keeps
the two together.

In Python the settings are fields of `TrainConfig`, and those of the last table fields of its
`augmentation`; on the command line they are options of [`clr-search train`](cli.md#train). A
setting without an option is for Python alone. The settings of a run, with all defaults chosen, are
in its `config.json`. "§", "Table", "Fig." and "B.9" refer to SimCLR
([arXiv 2002.05709](https://arxiv.org/abs/2002.05709)). A setting that is out of its range stops the
command with exit code 2, and a message that names the range."""

_HEADINGS = "| setting | option | default | values | what it does |\n|---|---|---|---|---|"


def markdown() -> str:
    """The page, ending with a newline."""
    declared = settings_of(TrainConfig)
    parts = [_INTRODUCTION]
    for group in get_args(Group):
        parts += [f"## {group}", _table(one for one in declared if one.group == group)]
    parts += ["## Augmentation", _table(settings_of(Augmentation)), "## Presets", _presets()]
    return "\n\n".join(parts) + "\n"


def _table(declared: Iterable[Setting]) -> str:
    rows = (
        f"| `{one.name}` | {f'`{one.option}`' if one.option else ''} | {one.shown_default} | "
        f"{_values(one)} | {f'{one.meaning} {one.details}'.strip()} |"
        for one in declared
    )
    return "\n".join([_HEADINGS, *rows])


def _values(declared: Setting) -> str:
    """The choices, or the bounds, of a setting in words."""
    if declared.kind is bool:
        return "True, False"
    if declared.choices:
        return ", ".join(f"{c:g}" if isinstance(c, float) else str(c) for c in declared.choices)
    if declared.bounds is None:
        return ""
    least, most = declared.bounds
    form = ",d" if declared.kind is int else "g"
    return f"{least:{form}} to {f'`{most}`' if isinstance(most, str) else f'{most:{form}}'}"


def _presets() -> str:
    lines = [
        "`--preset NAME` starts from settings that belong together; options that are given beside "
        "it replace them.",
        "",
        "| preset | meant for | source of its settings | what it reaches |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{n}` | {p.purpose} | {p.source} | {p.expected} |" for n, p in PRESETS.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown(), end="")
