"""Contact sheets and confusion matrices: what is drawn, where, and within what bounds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clr_search.pictures import (
    Line,
    SheetRow,
    Tile,
    confusion,
    confusion_matrix,
    contact_sheet,
    learning_curve,
    lettering,
    sheet,
)

RED, BLUE = (200, 30, 30), (30, 40, 200)


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (100, 100)) -> Image.Image:
    return Image.new("RGB", size, colour)


def extent(picture: Image.Image, colour: tuple[int, int, int] | str) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of all pixels of a colour."""
    rgb = np.array(Image.new("RGB", (1, 1), colour))[0, 0]
    rows, columns = np.nonzero((np.array(picture) == rgb).all(axis=2))
    assert len(rows), f"nothing is {colour}"
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def has(picture: Image.Image, colour: tuple[int, int, int] | str) -> bool:
    rgb = np.array(Image.new("RGB", (1, 1), colour))[0, 0]
    return bool((np.array(picture) == rgb).all(axis=2).any())


@pytest.mark.parametrize(
    ("size", "shape"), [((100, 100), (160, 160)), ((400, 100), (160, 40)), ((30, 60), (80, 160))]
)
def test_a_picture_keeps_its_proportions(size: tuple[int, int], shape: tuple[int, int]) -> None:
    drawn = contact_sheet([SheetRow(Tile(plain(RED, size)), [])])
    left, top, right, bottom = extent(drawn, RED)
    assert (right - left, bottom - top) == shape


def test_results_stand_right_of_the_query_in_their_order() -> None:
    row = SheetRow(Tile(plain(RED)), [Tile(plain(BLUE)), Tile(plain((30, 200, 30)))])
    drawn = contact_sheet([row], tile=64)
    query, first, second = (extent(drawn, colour) for colour in (RED, BLUE, (30, 200, 30)))
    assert query[2] < first[0]
    assert first[2] < second[0]
    assert query[1] == first[1] == second[1]


def test_many_results_are_set_below_each_other() -> None:
    results = [Tile(plain(BLUE)) for _ in range(7)]
    wide = contact_sheet([SheetRow(Tile(plain(RED)), results)], tile=64)
    tall = contact_sheet([SheetRow(Tile(plain(RED)), results)], tile=64, columns=3)
    assert tall.width < wide.width
    assert tall.height > 2 * wide.height
    left, top, right, _ = extent(tall, BLUE)
    assert right < tall.width
    assert top == extent(tall, RED)[1]
    assert left > extent(tall, RED)[2]


def test_corners_are_round() -> None:
    drawn = contact_sheet([SheetRow(Tile(plain(BLUE)), [Tile(plain(RED))])])
    left, top, right, bottom = extent(drawn, RED)
    for x in (left, right - 1):
        for y in (top, bottom - 1):
            assert drawn.getpixel((x, y)) != RED
    assert drawn.getpixel(((left + right) // 2, top)) == RED


def test_files_are_turned_upright(tmp_path: Path) -> None:
    pixels = np.full((40, 80, 3), RED, np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    drawn = contact_sheet([SheetRow(Tile(tmp_path / "turned.png"), [])])
    left, top, right, bottom = extent(drawn, RED)
    assert (right - left, bottom - top) == (80, 160)


def test_what_cannot_be_drawn_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = spied(monkeypatch)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    results = [Tile(tmp_path / "broken.jpg"), Tile(tmp_path / "gone.jpg"), Tile(plain(BLUE))]
    drawn = contact_sheet([SheetRow(Tile(plain(RED)), results)])
    assert has(drawn, lettering.CARD)
    assert has(drawn, "#1e28c8"), "the good one is there"
    assert "the file does not exist" in " ".join(written)
    assert "not a picture" in " ".join(written)


def spied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All texts that are written from here on."""
    written: list[str] = []
    real = sheet.write

    def write(draw: object, place: object, text: str, size: int, colour: str) -> None:
        written.append(text)
        real(draw, place, text, size, colour)  # type: ignore[arg-type]

    monkeypatch.setattr(sheet, "write", write)
    return written


def test_scores_labels_and_captions_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    written = spied(monkeypatch)
    result = Tile(plain(BLUE), caption="b.jpg", label="rose", score=0.98765)
    contact_sheet([SheetRow(Tile(plain(RED), "a.jpg"), [result])], title="Roses")
    assert {"Roses", "a.jpg", "b.jpg", "rose", "0.988", "score: cosine similarity"} <= set(written)
    assert "same label" not in written


def test_marks_and_their_key_are_drawn_where_labels_are_compared() -> None:
    def marked(*same: bool | None) -> Image.Image:
        tiles = [Tile(plain(BLUE), label="x", score=0.5, same=each) for each in same]
        return contact_sheet([SheetRow(Tile(plain(RED)), tiles)])

    assert not has(marked(None), lettering.GOOD)
    assert not has(marked(None), lettering.BAD)
    good, both = marked(True), marked(True, False)
    assert extent(good, lettering.GOOD)[1] < extent(good, lettering.BAD)[1], "the key, at the foot"
    assert extent(both, lettering.BAD)[1] == pytest.approx(extent(both, lettering.GOOD)[1], abs=3)


def test_rows_beyond_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    written = spied(monkeypatch)
    monkeypatch.setattr(sheet, "MAX_PIXELS", 200_000)
    rows = [SheetRow(Tile(plain(RED)), [Tile(plain(BLUE))]) for _ in range(20)]
    drawn = contact_sheet(rows, tile=64)
    assert drawn.width * drawn.height <= 200_000
    left_out = next(text for text in written if text.endswith("queries not shown"))
    assert 0 < int(left_out.split()[0]) < 20


def test_one_row_is_always_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "MAX_PIXELS", 1)
    drawn = contact_sheet([SheetRow(Tile(plain(RED)), []) for _ in range(2)])
    assert extent(drawn, RED)[3] - extent(drawn, RED)[1] == 160


def test_an_empty_sheet_is_a_picture() -> None:
    assert contact_sheet([]).width > 0
    assert contact_sheet([SheetRow(Tile(plain(RED)), [])], tile=16).height > 0


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=0, max_size=60)


@settings(max_examples=60, deadline=None)
@given(names, st.integers(8, 24), st.integers(40, 200))
def test_a_shortened_text_fits_and_keeps_its_ends(text: str, size: int, width: int) -> None:
    short = lettering.shortened(text, size, width)
    assert lettering.length(short, size) <= width
    clean = " ".join(text.split())
    if short != clean:
        kept = len(short) - len("...")
        start, end = short[: (kept + 1) // 2], short[len(short) - kept // 2 :]
        assert short == f"{start}...{end}"
        assert clean.startswith(start)
        assert clean.endswith(end)


def test_a_text_that_fits_is_left_alone() -> None:
    assert lettering.shortened("rose.jpg", 14, 500) == "rose.jpg"
    assert lettering.shortened("a\nb", 14, 500) == "a b"


def test_wrapped_lines_fit() -> None:
    lines = lettering.wrapped("truncated JPEG: image file is truncated " + "x" * 80, 12, 90)
    assert len(lines) > 3
    assert all(lettering.length(line, 12) <= 90 for line in lines)
    assert " ".join(lines).startswith("truncated JPEG:")


def test_accents_survive_or_give_way_to_their_letter() -> None:
    text, font = lettering._set("café", 14)
    assert text in ("café", "cafe")
    assert all(lettering._has(font, letter) for letter in text)
    assert lettering._set("cafe\u0301", 14)[0] == text, "however it is encoded"


def test_confusions_are_where_they_belong() -> None:
    drawn = confusion_matrix([[10, 0], [10, 0]], ["no", "yes"])
    right, wrong = extent(drawn, confusion.RIGHT[1]), extent(drawn, confusion.WRONG[1])
    assert (right[0], right[2]) == (wrong[0], wrong[2]), "both were taken for the first class"
    assert right[3] < wrong[1] <= right[3] + 2, "the first class is in the first row"
    assert right[3] - right[1] == right[2] - right[0] == 71
    empty = extent(drawn, confusion.WRONG[0])
    assert right[2] < empty[0], "an empty cell has the palest shade"


def test_a_larger_share_is_darker() -> None:
    def luma(value: int) -> float:
        drawn = confusion_matrix([[100 - value, value], [0, 100]], ["a", "b"])
        left, top, _, _ = extent(drawn, confusion.RIGHT[1])  # row and column b
        red, green, blue = drawn.getpixel((left + 3, top - 20))  # the cell above
        assert red > blue
        return 0.299 * red + 0.587 * green + 0.114 * blue

    shades = [luma(value) for value in (1, 10, 30, 60, 90)]
    assert shades == sorted(shades, reverse=True)


@pytest.mark.parametrize("count", [0, 1, 2, 5, 30, 50, 60, 61, 100, 700])
def test_any_number_of_classes_gives_a_picture_of_bounded_size(count: int) -> None:
    matrix = np.eye(count, dtype=int) * 12345
    drawn = confusion_matrix(matrix.tolist(), [f"class {n}" for n in range(count)], title="Title")
    assert max(drawn.size) < 2200
    if count:
        assert has(drawn, confusion.RIGHT[1])


def test_a_class_without_pictures_and_odd_names() -> None:
    confusion_matrix([[0, 0, 0], [1, 2, 0], [0, 0, 1]], ["", "розы", "a" * 200])


@pytest.mark.parametrize(
    ("value", "cell", "written"), [(7, 26, "7"), (1234, 26, "1234"), (123456, 26, "123k")]
)
def test_counts_fit_their_cells(value: int, cell: int, written: str) -> None:
    size, text = confusion._fitting(value, cell)
    assert text == written
    assert lettering.length(text, size) <= cell


def test_a_curve_rises_where_accuracy_does() -> None:
    """The blue line's ends: at the left and low, at the right and high; chance is level."""
    line = Line("probe", [0.2, 0.8], [0.0, 0.0])
    drawn = np.array(
        learning_curve(["1", "all"], [1, 100], [line], {"chance": 0.1}, "Title")
    ).astype(int)
    blue = (drawn[..., 2] - drawn[..., 0]) > 100
    grey = np.abs(drawn - np.array([95, 104, 115])).max(axis=2) < 20  # chance, over the whole plot
    level = int(grey.sum(axis=1).argmax())
    rows, columns = np.nonzero(blue)
    columns -= columns.min()  # from the first marker on; the last one is 790 pixels to the right
    left, right = rows[columns < 15].mean(), rows[(columns > 780) & (columns < 805)].mean()
    # The axis ends at 0.9: 420 pixels of it.
    assert level - left == pytest.approx(420 * (0.2 - 0.1) / 0.9, abs=12)
    assert level - right == pytest.approx(420 * (0.8 - 0.1) / 0.9, abs=12)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.5)), min_size=1, max_size=9),
    st.floats(0, 1),
)
@settings(max_examples=10, deadline=None)
def test_any_curve_is_drawn(steps: list[tuple[float, float]], chance: float) -> None:
    means, deviations = zip(*steps, strict=True)
    lines = [Line("probe", means, deviations), Line("kNN", means[::-1], deviations)]
    counts = [float(2**n) for n in range(len(steps))]
    drawn = learning_curve(
        ["99,999"] * len(steps), counts, lines, {"chance": chance, "majority": 0.6}, "розы" * 9
    )
    assert drawn.mode == "RGB"
    assert drawn.width > 900


def test_no_name_around_a_plot_is_cut() -> None:
    """A margin of paper is left at every edge, however long the names are."""
    names = ["W" * 60, "a longer name of a class than there is room for", "c"]
    wide = Line("W" * 40, [0, 1], [0, 0])
    for drawn in (
        confusion_matrix([[99_999, 1, 0], [0, 1, 1], [0, 0, 1]], names, title="Title " * 12),
        learning_curve(["1", "all"], [1, 9], [wide], {"chance": 0.1}, "W" * 99),
    ):
        pixels = np.array(drawn)
        frame = pixels.copy()
        frame[10:-10, 10:-10] = 255
        assert (frame == 255).all()
        assert (pixels != 255).any()


def test_a_dollar_in_a_name_begins_no_formula() -> None:
    confusion_matrix([[1, 0], [0, 1]], ["$x", "a $\\frac$ b"], title="$5 and $6 \\nope$")


def test_plots_leave_no_trace_in_the_process() -> None:
    """No pyplot, which keeps every figure, and no settings of others changed."""
    code = (
        "import sys, matplotlib\n"
        "before = matplotlib.rcParams.copy()\n"
        "from clr_search.pictures import confusion_matrix\n"
        "confusion_matrix([[1, 0], [0, 1]], ['a', 'b'])\n"
        "assert matplotlib.rcParams.copy() == before\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
