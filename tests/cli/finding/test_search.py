"""``search``."""

from __future__ import annotations

import csv
import json
import os
import shutil
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import pyarrow.parquet
import pytest
from PIL import Image

from clr_search.cli.finding import search as search_module
from clr_search.index import Match, Matches
from tests.cli.conftest import Run, build


def test_one_query(run: Run, collection: Path, pictures: Path) -> None:
    query = pictures / "red" / "red00.jpg"
    lines = run("search", collection, query, "-k", "3").stdout.splitlines()
    assert len(lines) == 3
    for rank, line in enumerate(lines, start=1):
        number, score, share, percent, label, path = line.split()
        assert percent == "%"
        assert 50 < float(share) <= 100
        assert number == str(rank)
        assert 0.9 < float(score) <= 1
        assert len(score) == 6
        assert label == "red"
        assert Path(path).is_file()
        assert Path(path).resolve() != query
    assert len({line.index("red") for line in lines}) == 1, "aligned"


def test_json_is_one_object_a_query(run: Run, collection: Path, pictures: Path) -> None:
    queries = [pictures / "red" / "red00.jpg", pictures / "blue" / "blue01.png"]
    lines = run("search", collection, *queries, "-k", "2", "--json").stdout.splitlines()
    answers = [json.loads(line) for line in lines]
    assert [answer["query"] for answer in answers] == [str(query) for query in queries]
    for answer, label in zip(answers, ("red", "blue"), strict=True):
        assert [result["rank"] for result in answer["results"]] == [1, 2]
        for result in answer["results"]:
            known = ["id", "label", "missing", "path", "percentile", "rank", "score"]
            assert sorted(result) == known
            assert result["missing"] is False
            assert 50 < result["percentile"] <= 100
            assert result["label"] == label
            assert Path(result["path"]).is_absolute()


def test_several_queries_have_headings(run: Run, collection: Path, pictures: Path) -> None:
    os.chdir(pictures)  # `run` restores the working folder
    result = run("search", collection, "red/red00.jpg", "red/red01.png", "-k", "1")
    first, second = result.stdout.split("\n\n")
    assert first.splitlines()[0] == str(Path("red/red00.jpg"))
    assert second.splitlines()[0] == str(Path("red/red01.png"))


def test_the_query_itself_on_request(run: Run, collection: Path, pictures: Path) -> None:
    query = pictures / "red" / "red00.jpg"
    result = run("search", collection, query, "-k", "1", "--include-self", "--json")
    (found,) = json.loads(result.stdout)["results"]
    assert found["path"] == str(query)
    assert found["score"] == pytest.approx(1, abs=1e-3)


def test_filters_and_steering(run: Run, collection: Path, pictures: Path) -> None:
    red, blue = pictures / "red" / "red00.jpg", pictures / "blue" / "blue00.jpg"

    def labels(*arguments: object) -> set[str]:
        answer = run("search", collection, red, "-k", "5", "--json", *arguments)
        return {result["label"] for result in json.loads(answer.stdout)["results"]}

    assert labels() == {"red"}
    assert labels("--label", "green") == {"green"}
    assert labels("--under", "blue") == {"blue"}
    assert labels("--like", blue, "--unlike", red) == {"blue"}
    assert labels("--crop", "0.2,0.2,0.5,0.5") == {"red"}
    assert len(labels("--diverse")) > 1  # the reds are hardly different


def test_an_unreadable_query_does_not_stop_the_others(
    run: Run, collection: Path, pictures: Path, broken: Path
) -> None:
    good = pictures / "red" / "red00.jpg"
    result = run("search", collection, "broken.jpg", good, "--json", exit_code=1)
    assert json.loads(result.stdout)["query"] == str(good)
    assert result.stderr == (
        "Error: broken.jpg cannot be searched for: not a picture: it starts like no JPEG, PNG, "
        "WebP, GIF, BMP, TIFF, AVIF, HEIC file.\n"
    )


def test_a_missing_query_does_not_stop_the_others(
    run: Run, collection: Path, pictures: Path
) -> None:
    good = pictures / "red" / "red00.jpg"
    result = run("search", collection, "nope.jpg", good, "red flowers", "--json", exit_code=1)
    assert json.loads(result.stdout)["query"] == str(good)
    assert "There is no file nope.jpg." in result.stderr
    assert "Queries are pictures, not words" in result.stderr
    run("search", collection, "nope.jpg", "none.jpg", exit_code=1)


def test_the_same_file_elsewhere_is_named(run: Run, own: Path, pictures: Path) -> None:
    """The path of a query is left out of its results; its content is not."""
    query, here = pictures / "red" / "red00.jpg", Path("mine", "red", "red00.jpg")
    first, second, *_ = run("search", own, query, "-k", "2").stdout.splitlines()
    assert first == f"  the same file is in the collection: {here}"
    assert second.split()[-1] == str(here)
    answer = json.loads(run("search", own, query, "-k", "1", "--json").stdout)
    assert answer["same"] == [str(here.resolve())]
    assert "the same file" not in run("search", own, here).stdout
    for number in range(4):
        shutil.copy(here, f"mine/red/copy{number}.jpg")
    run("build-index", "mine", "--index", own)
    first, *_ = run("search", own, here, "-k", "2").stdout.splitlines()
    assert first.endswith("copy2.jpg and 1 more")


def test_a_query_unlike_itself_does_not_stop_the_others(
    run: Run, collection: Path, pictures: Path
) -> None:
    """Nor does one that is gone when its turn comes, nor an item that is none."""
    first, second, third = sorted((pictures / "red").iterdir())[:3]
    Path("gone.png").write_bytes(second.read_bytes())
    found = search_module._listed

    def listed(queries: tuple[Path, ...], answers: search_module.Answers) -> list[Path]:
        listing = found(queries, answers)
        Path("gone.png").unlink()
        return listing

    asked = ("search", collection, first, second, "gone.png", third, "--item", 9999, "--json")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(search_module, "_listed", listed)
        result = run(*asked, "--unlike", second, exit_code=1)
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["query"] for answer in answers] == [str(first), str(third)]
    unlike, gone, item = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert f"{second} cannot be searched for: what it should be unlike leaves no dir" in unlike
    assert "There is no file gone.png." in gone
    assert "has no item with the id 9999." in item
    alone = run("search", collection, second, "--unlike", second, exit_code=2)
    assert alone.stderr.startswith(unlike.partition(" Search by")[0])


def test_a_broken_like_is_reported_once(
    run: Run, collection: Path, pictures: Path, broken: Path
) -> None:
    queries = sorted((pictures / "red").iterdir())
    result = run("search", collection, *queries, "--like", broken, exit_code=1)
    assert result.stdout == ""
    assert result.stderr.count("Error:") == 1


def test_a_single_unreadable_query(run: Run, collection: Path, broken: Path) -> None:
    result = run("search", collection, "broken.jpg", exit_code=1)
    assert result.stdout == ""
    assert result.stderr.startswith("Error: broken.jpg cannot be searched for: not a picture: ")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nope.jpg",), "Error: There is no file nope.jpg.\nCheck the spelling"),
        (("red flowers",), "Error: There is no file red flowers.\nQueries are pictures, not words"),
        (("red " * 99,), "Queries are pictures, not words"),
        (("folder",), "Error: No images found in folder."),
        (("{red}", "-k", "0"), "Invalid value for '-k': 0 is less than 1."),
        (("{red}", "-k", "many"), "Invalid value for '-k': many is not a whole number."),
        (("{red}", "--crop", "1,2"), "1,2 is not four numbers, such as 0.25,0,0.5,0.5."),
        (("{red}", "--crop", "0,0,2,1"), "Error: The crop 0,0,2,1 is no part of a picture.\nGive"),
        (("{red}", "--like", "nope.jpg"), "'--like': File 'nope.jpg' does not exist."),
        (("{red}", "--label", "redd"), "No pictures of {collection} have the label redd.\nDid you"),
        (("{red}", "--under", "nowhere"), "No pictures of {collection} lie under nowhere.\n"),
        (("{red}", "--contact-sheet", "a.gif"), "a.gif does not end in .png, .jpg, .jpeg, .webp."),
        (("{red}", "--contact-sheet", "old.png"), "Error: old.png exists already.\nChoose another"),
        ((), "Missing argument 'QUERY...'"),
    ],
)
def test_wrong_use(
    run: Run,
    collection: Path,
    pictures: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    complaint: str,
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "old.png").touch()
    places = {"red": pictures / "red" / "red00.jpg", "collection": collection}
    filled = [argument.format(**places) for argument in arguments]
    result = run("search", collection, *filled, exit_code=2)
    assert result.stdout == ""
    assert complaint.format(**places) in result.stderr


def test_nothing_to_be_found(run: Run, tiny_encoder: Path, pictures: Path, tmp_path: Path) -> None:
    query = pictures / "red" / "red00.jpg"
    collection = build(query, tiny_encoder, tmp_path / "one.clr")
    assert run("search", collection, query).stdout == "  (nothing else is in the collection)\n"
    assert json.loads(run("search", collection, query, "--json").stdout)["results"] == []


def test_no_collection(run: Run, pictures: Path, tmp_path: Path) -> None:
    query = pictures / "red" / "red00.jpg"
    assert (
        "There is no collection none.clr." in run("search", "none.clr", query, exit_code=2).stderr
    )
    (tmp_path / "folder").mkdir()
    result = run("search", "folder", query, exit_code=2)
    assert "folder is not a collection: it holds no catalog.sqlite." in result.stderr


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.webp", "WEBP")]
)
def test_a_contact_sheet(
    run: Run, collection: Path, pictures: Path, tmp_path: Path, name: str, kind: str
) -> None:
    queries = sorted((pictures / "red").iterdir())[:2]
    result = run("search", collection, *queries, "-k", "4", "--contact-sheet", name)
    assert result.stderr == f"Contact sheet: {name}\n"
    with Image.open(tmp_path / name) as sheet:
        assert sheet.format == kind
        assert sheet.width > 5 * 160
    run("search", collection, *queries, "--contact-sheet", name, "--force")


def test_open_shows_the_sheet(
    run: Run, collection: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(click, "launch", lambda path: shown.append(path) or 0)
    query = pictures / "red" / "red00.jpg"
    run("search", collection, query, "--open")
    with Image.open(shown[0]) as sheet:
        assert sheet.format == "PNG"
    run("search", collection, query, "--open", "--contact-sheet", "mine.png")
    assert shown[1] == "mine.png"
    monkeypatch.setattr(click, "launch", lambda path: 3)
    result = run("search", collection, query, "--open")
    assert result.stderr.endswith("No program to show it was found; open it by hand.\n")


def test_an_item_as_query(run: Run, collection: Path, pictures: Path) -> None:
    query = pictures / "red" / "red00.jpg"
    by_path = json.loads(run("search", collection, query, "-k", "3", "--json").stdout)
    itself = json.loads(
        run("search", collection, query, "-k", "1", "--include-self", "--json").stdout
    )["results"][0]["id"]
    by_item = json.loads(run("search", collection, "--item", itself, "-k", "3", "--json").stdout)
    assert by_item == {"query": itself, "same": [], "results": by_path["results"]}
    run("search", collection, "--item", itself, "-k", "3", "--out", "one.jsonl")
    assert json.loads(Path("one.jsonl").read_text("utf-8")) == by_item
    result = run("search", collection, "--item", "9999", exit_code=2)
    assert "has no item with the id 9999." in result.stderr
    result = run("search", collection, exit_code=2)
    assert "a picture, a folder, or --item ID" in result.stderr


def test_filters(run: Run, collection: Path, pictures: Path) -> None:
    query = pictures / "red" / "red00.jpg"

    def found(*words: object) -> set[str]:
        answer = json.loads(run("search", collection, query, "-k", "99", "--json", *words).stdout)
        return {Path(result["path"]).name for result in answer["results"]}

    assert found("--glob", "blue0?.jpg") == {f"blue{n:02d}.jpg" for n in range(0, 10, 2)}
    assert len(found("--before", "2999-01-01")) == 35
    assert found("--min-side", 30, "--max-side", 99, "--under", "green") == {
        f"green{n:02d}.{'png' if n % 2 else 'jpg'}" for n in range(12)
    }
    assert len(found("--ids", "1, 2,3,9999")) in (2, 3)
    (Path.cwd() / "ids.txt").write_text("1\n2\n")
    assert found("--ids", "@ids.txt") <= found("--ids", "1,2,3")
    assert found("--after", "0001-01-01", "--max-side", 2**63) == found("--max-side", 10**6)
    for words in (("--after", "2999-01-01"), ("--min-side", 2**63)):
        result = run("search", collection, query, *words, exit_code=2)
        assert "pass the filter." in result.stderr
    for words, complaint in (
        (("--ids", "one"), "ids are whole numbers"),
        (("--ids", "@nowhere"), "nowhere cannot be read"),
        (("--after", "yesterday"), "does not match the formats"),
    ):
        assert complaint in run("search", collection, query, *words, exit_code=2).stderr


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_folder_of_queries_into_a_file(
    run: Run, collection: Path, pictures: Path, tmp_path: Path, ending: str
) -> None:
    printed = run("search", collection, pictures / "red", "-k", "2", "--json").stdout
    expected = [json.loads(line) for line in printed.splitlines()]
    assert len(expected) == 12
    name = f"results.{ending}"
    result = run("search", collection, pictures / "red", "-k", "2", "--out", name)
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1] == f"{name}: 12 answers"
    flat = [{"query": answer["query"], **row} for answer in expected for row in answer["results"]]
    if ending == "jsonl":
        lines = (tmp_path / name).read_text("utf-8").splitlines()
        assert [json.loads(line) for line in lines] == expected
    elif ending == "csv":
        with (tmp_path / name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows == [{key: str(value) for key, value in row.items()} for row in flat]
    else:
        table = pyarrow.parquet.read_table(tmp_path / name).to_pylist()
        for row, wanted in zip(table, flat, strict=True):
            for column in ("query", "rank", "path", "label", "id"):
                assert row[column] == wanted[column]
            assert row["score"] == pytest.approx(wanted["score"], rel=1e-6)
    again = ("search", collection, pictures / "red", "--out", name)
    assert f"{name} exists already." in run(*again, exit_code=2).stderr
    run(*again, "--force")
    both = run(*again, "-k", "2", "--force", "--json")
    assert both.stdout == printed, "into the file, and to stdout"
    assert both.stderr == f"{name}: 12 answers\n"
    assert list(tmp_path.glob(".results*")) == []


def test_matches_are_kept_for_a_sheet_only(
    run: Run, collection: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million answers into a file need no memory."""
    made_so_far: list[weakref.ref[Matches]] = []
    most: list[int] = []
    make = Matches.__init__

    def noting(self: Matches, matches: Sequence[Match], *, same: Sequence[Path] = ()) -> None:
        make(self, matches, same=same)
        made_so_far.append(weakref.ref(self))
        most.append(sum(one() is not None for one in made_so_far))

    monkeypatch.setattr(Matches, "__init__", noting)
    run("search", collection, pictures, "--out", "results.csv")
    assert len(most) >= 36
    assert max(most) < 5


def test_a_file_of_no_known_kind_is_refused(run: Run, collection: Path, pictures: Path) -> None:
    words = ("search", collection, pictures / "red", "--out", "results.xls")
    assert "does not end in .csv, .jsonl, .parquet." in run(*words, exit_code=2).stderr


def test_a_folder_of_queries_that_cannot_be_listed(
    run: Run, collection: Path, pictures: Path, tmp_path: Path, lock: Callable[[Path], None]
) -> None:
    shutil.copytree(pictures, tmp_path / "mine")
    lock(tmp_path / "mine" / "red")
    result = run("search", collection, "mine", "--json", exit_code=1)
    assert len(result.stdout.splitlines()) == 24
    assert result.stderr == (
        "Error: mine/red is left out: the folder cannot be listed: permission denied.\n"
    )


def test_nothing_is_like_the_query(run: Run, collection: Path, pictures: Path) -> None:
    """Said in words, an empty answer for programs, and no failure."""
    query = pictures / "red" / "red00.jpg"
    for limit in (("--min-score", "1"), ("--min-percentile", "100")):
        result = run("search", collection, query, *limit)
        assert result.stdout == "  (nothing in the collection is so like it)\n"
        answer = json.loads(run("search", collection, query, *limit, "--json").stdout)
        assert answer == {"query": str(query), "same": [], "results": []}
    few = run("search", collection, query, "-k", "36", "--min-percentile", "80").stdout
    shares = [float(line.split()[2]) for line in few.splitlines()]
    assert 0 < len(shares) < 35
    assert min(shares) >= 80
    assert (
        "not in the range"
        in run("search", collection, query, "--min-percentile", "101", exit_code=2).stderr
    )
