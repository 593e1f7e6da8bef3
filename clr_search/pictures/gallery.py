"""A gallery is an HTML page of groups of pictures that needs no other file.

It does nothing by itself: a page that is a file cannot change a collection. Where a group has a
command, a button copies it, by the only script of the page.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from pathlib import Path

from clr_search import images
from clr_search.errors import ImageError
from clr_search.pictures.inline import preview

THUMBNAIL = 240
"""Length in pixels of the longer side of a thumbnail."""

_STYLE = """
:root { color-scheme: light dark; --ink: #2a2926; --soft: #6b675e; --line: #dcd8cf;
  --paper: #faf9f7; --mark: #246b65; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7e4dd; --soft: #a6a196; --line: #403e39;
  --paper: #1d1c1a; --mark: #7fbfb8; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1rem; margin: 0 0 .6rem; }
p.lead, h2 span { color: var(--soft); font-weight: normal; }
section { border-top: 1px solid var(--line); padding: 1rem 0; }
ul { display: flex; flex-wrap: wrap; gap: 1rem; list-style: none; margin: 0; padding: 0; }
li { width: 240px; } figure { margin: 0; }
.frame { height: 180px; display: flex; align-items: center; justify-content: center;
  border: 1px solid var(--line); border-radius: 6px; color: var(--soft); }
li.marked .frame { border: 2px solid var(--mark); }
img { max-width: 100%; max-height: 176px; } figcaption { overflow-wrap: anywhere; }
b { color: var(--mark); } small { color: var(--soft); }
code { overflow-wrap: anywhere; user-select: all; } button { font: inherit; }
"""

_COPY = """
document.addEventListener('click', (event) => {
  const code = event.target.closest('button')?.parentElement.querySelector('code');
  if (!code) return;
  getSelection().selectAllChildren(code);
  document.execCommand('copy');
  event.target.textContent = 'Copied';
});
"""
# The selection is copied, because browsers give pages that are files no other clipboard.
_COPY_HASH = b64encode(sha256(_COPY.encode()).digest()).decode()


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of a gallery, with the text below it.

    Attributes
    ----------
    path : Path
        File of the picture; one that cannot be read is shown as an empty frame.
    caption : str
        First line of text, such as the path.
    detail : str
        Second line of text, in small letters.
    mark : str
        Word before the caption that sets the picture off from the others; empty for none.
    """

    path: Path
    caption: str
    detail: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A group of pictures.

    Attributes
    ----------
    heading, beside : str
        Heading of the group, and a few words in a fainter colour beside it.
    pictures : sequence of Shown
        Pictures of the group, in their order.
    command, purpose : str
        A command to be run in a terminal, with a button that copies it, and what for; empty for
        none.
    """

    heading: str
    beside: str
    pictures: Sequence[Shown]
    command: str = ""
    purpose: str = ""


def gallery(title: str, lead: str, sections: Sequence[Section]) -> str:
    """Return an HTML page of groups of pictures, in which thumbnails are embedded.

    Parameters
    ----------
    title, lead : str
        Heading of the page, and the paragraph below it.
    sections : sequence of Section
        Groups of pictures, whose files are read now.

    Returns
    -------
    str
        The page; all given text is escaped.

    Examples
    --------
    >>> html = gallery("Copies", "2 groups", [Section("Group 1", "", [Shown(Path("a.jpg"), "a")])])
    >>> "<h1>Copies</h1>" in html, "cannot be read now" in html
    (True, True)
    """
    with ThreadPoolExecutor(4) as pool:
        thumbnails = [list(pool.map(_thumbnail, [p.path for p in s.pictures])) for s in sections]
    has_commands = any(section.command for section in sections)
    allowed = f"; script-src 'sha256-{_COPY_HASH}'" if has_commands else ""
    script = f"<script>{_COPY}</script>" if has_commands else ""
    blocks = [_section(one, uris) for one, uris in zip(sections, thumbnails, strict=True)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        f"img-src data:; style-src 'unsafe-inline'{allowed}\">"
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>"
        f'<h1>{_text(title)}</h1><p class="lead">{_text(lead)}</p>\n'
        + "\n".join(blocks)
        + f"\n{script}</body></html>\n"
    )


def _section(section: Section, uris: Sequence[str]) -> str:
    """Return the HTML of a group; `uris` are the thumbnails of its pictures."""
    items = "".join(_picture(p, uri) for p, uri in zip(section.pictures, uris, strict=True))
    return (
        f"<section><h2>{_text(section.heading)} <span>{_text(section.beside)}</span></h2>"
        f"<ul>{items}</ul>{_command(section)}</section>"
    )


def _command(section: Section) -> str:
    """Return the HTML of the command of a group; empty if it has none."""
    if not section.command:
        return ""
    return (
        f"<p>{_text(section.purpose)} <code>{_text(section.command)}</code> "
        '<button type="button">Copy command</button></p>'
    )


def _picture(shown: Shown, uri: str) -> str:
    """Return the HTML of a picture; an empty `uri` stands for a file that cannot be read."""
    inside = f'<img src="{uri}" alt="{_text(shown.caption)}">' if uri else "cannot be read now"
    mark = f"<b>{_text(shown.mark)}</b> " if shown.mark else ""
    return (
        f'<li class="{"marked" if shown.mark else ""}"><figure><div class="frame">{inside}</div>'
        f"<figcaption>{mark}{_text(shown.caption)}<br><small>{_text(shown.detail)}</small>"
        "</figcaption></figure></li>"
    )


def _text(value: str) -> str:
    """Return text escaped for HTML; bytes of a file name that are not UTF-8 become ``?``."""
    return escape(value.encode("utf-8", "replace").decode("utf-8"))


def _thumbnail(path: Path) -> str:
    """Return the thumbnail of a file as a `data:` address; empty if it cannot be read."""
    try:
        return preview(images.load(path, at_least=THUMBNAIL).pixels, THUMBNAIL)
    except ImageError:
        return ""
