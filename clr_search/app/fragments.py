"""The HTML of the page: pure functions of what is shown, which escape every text from outside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from clr_search.app.visit import Answer, Hit, Subject

PASTE_AND_DROP = """
() => {
  const give = (event, files) => {
    const file = Array.from(files ?? []).find((file) => file.type.startsWith('image/'));
    const fields = Array.from(document.querySelectorAll('.clr-upload'));
    const field = fields.find((field) => field.offsetParent !== null);
    const input = field?.querySelector('input[type=file]');
    if (!file || !input) return;
    event.preventDefault();
    const data = new DataTransfer();
    data.items.add(file);
    input.files = data.files;
    input.dispatchEvent(new Event('change', {bubbles: true}));
  };
  document.addEventListener('paste', (event) => give(event, event.clipboardData?.files));
  document.addEventListener('dragover', (event) => event.preventDefault());
  document.addEventListener('drop', (event) => {
    if (event.defaultPrevented) return;  // the upload field has taken it
    event.preventDefault();  // otherwise the browser leaves the page to show the file
    give(event, event.dataTransfer?.files);
  });
}
"""
"""JavaScript of the page: a picture pasted or dropped anywhere goes to the visible field."""

PICK_ON_CLICK = """
element.addEventListener('click', (event) => {
  const chosen = event.target.closest('[data-index]');
  if (!chosen) return;
  chosen.setAttribute('aria-busy', 'true');
  setTimeout(() => chosen.removeAttribute('aria-busy'), 3000);
  trigger('pick', {index: Number(chosen.dataset.index)});
});
"""
"""JavaScript of lists to choose from: it sends the position in the list, and nothing else."""

PICK_AND_RETURN = (
    PICK_ON_CLICK
    + """
watch('value', () => {
  const top = document.getElementById('clr-query');
  if (top && element.getBoundingClientRect().top < 0) top.scrollIntoView({block: 'start'});
});
"""
)
"""JavaScript of the results: as `PICK_ON_CLICK`, and it scrolls to the top for new results."""

_MARK = (
    '<svg class="clr-mark" viewBox="0 0 40 40" aria-hidden="true">'
    + "".join(
        f'<rect x="{x}" y="{y}" width="17" height="17" rx="5"/>' for y in (1, 22) for x in (1, 22)
    )
    + "</svg>"
)

NOT_THERE, UNREADABLE = "file not found", "file cannot be read"
"""What a tile says instead of a picture."""


def header(name: str, count: int) -> str:
    """Return the title of the page: name and size of the collection."""
    return (
        f'<div class="clr-header">{_MARK}'
        f"<div><h1>{escape(name)}</h1>"
        f"<p>{images_count(count)}, searchable by picture</p></div></div>"
    )


def grid(hits: Sequence[Hit], what: str) -> str:
    """Return a grid of tiles to choose from.

    Parameters
    ----------
    hits : sequence of Hit
        The pictures in order.
    what : str
        Name of the list for screen readers, such as ``"Neighbours"``.
    """
    if not hits:
        return '<p class="clr-empty">Nothing here matches these filters.</p>'
    tiles = "".join(_tile(index, hit) for index, hit in enumerate(hits))
    return f'<ul class="clr-grid" role="list" aria-label="{escape(what)}">{tiles}</ul>'


def reason(hit: Hit) -> str:
    """Return why a picture has no tile."""
    return NOT_THERE if hit.missing else UNREADABLE


def picture(hit: Hit) -> str:
    """Return the tile of a picture, or the reason why there is none."""
    if not hit.picture:
        return f'<span class="clr-missing">{reason(hit)}</span>'
    return f'<img src="{hit.picture}" alt="" decoding="async">'


def _tile(index: int, hit: Hit) -> str:
    """Return the tile of a picture, as a button that names its position."""
    spoken = [hit.name]
    if hit.score is not None:
        spoken.append(f"similarity {hit.score:.3f}")
    if hit.label:
        spoken.append(hit.label)
    if not hit.picture:
        spoken.append(reason(hit))
    score = "" if hit.score is None else _score(hit.score)
    label = f'<span class="clr-label">{escape(hit.label)}</span>' if hit.label else ""
    return (
        f'<li><button type="button" class="clr-tile" data-index="{index}" '
        f'title="{escape(hit.relative)}" '
        f'aria-label="{escape(", ".join(spoken))}: search from this picture">{picture(hit)}'
        f'<span class="clr-caption"><span class="clr-name">{escape(hit.name)}</span>'
        f'<span class="clr-facts">{score}{label}</span></span></button></li>'
    )


def _score(score: float) -> str:
    """Return a score with a bar of its size."""
    width = max(0.0, min(score, 1.0)) * 100
    return (
        f'<span class="clr-score"><span class="clr-meter"><span style="width:{width:.1f}%"></span>'
        f"</span>{score:.3f}</span>"
    )


def invitation(text: tuple[str, str]) -> str:
    """Return what the page shows while there is no query: an invitation and an explanation."""
    return (
        f'<div class="clr-query clr-query-empty"><p><b>{escape(text[0])}</b> '
        f"{escape(text[1])}</p></div>"
    )


def query_card(title: str, detail: str, picture: str) -> str:
    """Return the picture of the query, a `data:` address, with its name and a line below."""
    return (
        '<figure class="clr-query">'
        f'<img src="{picture}" alt="Query: {escape(title)}">'
        f"<figcaption><b>{escape(title)}</b><span>{escape(detail)}</span></figcaption></figure>"
    )


def trail(queries: Sequence[Subject]) -> str:
    """Return buttons for the pictures searched from, the oldest first; empty for a single one."""
    if len(queries) < 2:
        return ""
    steps = []
    last = len(queries) - 1
    for index, query in enumerate(queries):
        if last - index > 7:  # The width of the column fits eight.
            continue
        current = ' aria-current="step"' if index == last else ""
        steps.append(
            f'<li><button type="button" data-index="{index}"{current} '
            f'title="{escape(query.title)}" aria-label="Return to {escape(query.title)}">'
            f'<img src="{query.tile}" alt=""></button></li>'
        )
    return f'<nav class="clr-trail" aria-label="Your way here"><ol>{"".join(steps)}</ol></nav>'


def status(answer: Answer) -> str:
    """Return a summary of a search: ``12 neighbours among 4,317 images in 38 ms``."""
    count = len(answer.hits)
    noun = "neighbour" if count == 1 else "neighbours"
    text = f"{count} {noun} among {images_count(answer.total)} in {duration(answer.seconds)}"
    return note(f"{text}{not_there(answer.hits)}")


def opening(hits: Sequence[Hit]) -> str:
    """Return the line above the pictures to begin with."""
    return note(f"A few pictures of the collection: choose one to search{not_there(hits) or '.'}")


def not_there(hits: Sequence[Hit]) -> str:
    """Return how many files of these pictures are not there, with a remedy; empty for none.

    Examples
    --------
    >>> not_there([Hit(1, "a.jpg", "a.jpg", None, None, "", missing=True)])[:23]
    '. 1 file is not there: '
    """
    count = sum(hit.missing for hit in hits)
    if not count:
        return ""
    return (
        f". {files_count(count)} {'is' if count == 1 else 'are'} not there: clr-search build-index "
        "or relocate brings the collection up to date."
    )


def note(text: str) -> str:
    """Return a line of text that screen readers announce.

    Examples
    --------
    >>> note("a < b")
    '<p class="clr-note" role="status">a &lt; b</p>'
    """
    return f'<p class="clr-note" role="status">{escape(text)}</p>'


def problem(what: str, remedy: str = "") -> str:
    """Return a failure with its remedy, as a line that screen readers announce at once."""
    rest = f" <span>{escape(remedy)}</span>" if remedy else ""
    return f'<p class="clr-note clr-problem" role="alert"><b>{escape(what)}</b>{rest}</p>'


def verdict(rows: Sequence[tuple[str, float]], remark: str, *, none: bool = False) -> str:
    """Return classes and their probabilities in [0, 1], most probable first, as a table with bars.

    With `none`, the picture is of no class: the title says so, and then names the best class.
    """
    name, share = rows[0]
    title = f"{escape(name)}, {percent(share)}"
    if none:
        title = f"None of these <small>if it were one: {title}</small>"
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td><span class="clr-bar">'
        f'<span style="width:{share * 100:.1f}%"></span></span></td><td>{percent(share)}</td></tr>'
        for name, share in rows
    )
    return (
        f'<section class="clr-card" role="status"><table class="clr-bars">'
        f"<caption>{title}</caption><tbody>{body}</tbody></table>"
        f'<p class="clr-note">{escape(remark)}</p></section>'
    )


def facts(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return a table of names and values; rows with an empty value are left out."""
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in rows
        if value
    )
    return (
        f'<section class="clr-card"><h2>{escape(title)}</h2>'
        f'<table class="clr-facts-table"><tbody>{body}</tbody></table></section>'
    )


def listing(
    title: str, columns: tuple[str, str], rows: Sequence[tuple[str, str]], more: int
) -> str:
    """Return a table of two columns, such as skipped files and reasons.

    `more` is the number of rows that are not in it, which is shown below.
    """
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(f"<tr><td>{escape(a)}</td><td>{escape(b)}</td></tr>" for a, b in rows)
    rest = f'<p class="clr-more">and {more:,} more</p>' if more else ""
    return (
        f'<section class="clr-card"><h2>{escape(title)}</h2>'
        f'<table class="clr-facts-table"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
        f"{rest}</section>"
    )


def columns(left: str, right: str, below: str) -> str:
    """Return cards in two columns, with one below across both; a narrow screen has one column."""
    wide = f'<div class="clr-wide">{below}</div>' if below else ""
    return (
        f'<div class="clr-about"><div class="clr-stack">{left}</div>'
        f'<div class="clr-stack">{right}</div>{wide}</div>'
    )


def images_count(count: int) -> str:
    """Return a number of images for people.

    Examples
    --------
    >>> images_count(1), images_count(4317)
    ('1 image', '4,317 images')
    """
    return f"{count:,} image" + ("" if count == 1 else "s")


def files_count(count: int) -> str:
    """Return a number of files for people.

    Examples
    --------
    >>> files_count(1), files_count(7)
    ('1 file', '7 files')
    """
    return f"{count:,} file" + ("" if count == 1 else "s")


def duration(seconds: float) -> str:
    """Return a number of seconds for people, with one to three digits.

    Examples
    --------
    >>> duration(0.0004), duration(0.038), duration(2.1)
    ('0.4 ms', '38 ms', '2.1 s')
    """
    milliseconds = seconds * 1000
    if milliseconds < 1:
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{seconds:.1f} s"


def percent(share: float) -> str:
    """Return a fraction in [0, 1] as a percentage; 0 % and 100 % are always exact.

    Examples
    --------
    >>> percent(0.93), percent(0.999), percent(1.0)
    ('93 %', '> 99 %', '100 %')
    """
    if 0 < share < 0.01:
        return "< 1 %"
    if 0.99 < share < 1:
        return "> 99 %"
    return f"{share * 100:.0f} %"


def size(count: int) -> str:
    """Return a number of bytes with its unit, in powers of 1000.

    Examples
    --------
    >>> size(812), size(6_400_000)
    ('812 B', '6.4 MB')
    """
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} GB"
