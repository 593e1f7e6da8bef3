"""``build-index``, ``add`` and ``remove``."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clr_search.contract.shipped import shipped_encoder
from tests.cli.conftest import Run
from tests.images.isolation.hostile import do, obedient
from tests.images.written import tiff
from tests.tiny import write_tiny_encoder


def test_building_reports_what_was_done(run: Run, own: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "red" / "red00.jpg").unlink()
    shutil.copy(mine / "blue" / "blue00.jpg", mine / "green" / "green00.jpg")
    os.utime(mine / "green" / "green00.jpg", (1, 1))
    shutil.copy(mine / "blue" / "blue01.png", mine / "new.png")
    (mine / "broken.jpg").write_bytes(b"no picture at all")
    lines = run("build-index", "mine", "--index", "own.clr").stdout.splitlines()
    assert lines[0] == "own.clr: 36 images"
    assert lines[1] == "  files   1 added, 1 changed, 0 moved, 1 removed, 34 unchanged, 1 skipped"
    assert lines[2].startswith("  search  exact")
    assert lines[3].startswith("  time    ")
    assert lines[3].endswith(" images/s")
    assert lines[4] == "Skipped 1 path:"
    assert lines[5].startswith(f"  mine{os.sep}broken.jpg  not a picture: ")


def test_building_again_changes_nothing_and_claims_no_rate(run: Run, own: Path) -> None:
    result = json.loads(run("build-index", "mine", "--index", own, "--json").stdout)
    assert result.pop("seconds") > 0
    assert result.pop("latency_ms") > 0
    assert result == {
        "collection": str(own),
        "images": 36,
        "added": 0,
        "changed": 0,
        "moved": 0,
        "removed": 0,
        "unchanged": 36,
        "skipped": [],
        "noted": [],
        "passed_over": {},
        "left_out": [],
        "structure": "exact",
        "recall": None,
        "images_per_second": None,
    }


def test_results_go_to_stdout_and_progress_to_stderr(
    run: Run, pictures: Path, tiny_encoder: Path
) -> None:
    result = run("build-index", pictures, "--index", "a.clr", "--encoder", tiny_encoder, "--json")
    assert json.loads(result.stdout)["added"] == 36
    assert result.stderr.startswith("Embedding: 36/36 images")


def test_skipped_files_are_listed_in_full_where_asked(run: Run, own: Path, tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / "mine" / f"broken{number:02d}.jpg").touch()
    short = run("build-index", "mine", "--index", own).stdout.splitlines()
    assert short[-1] == "  … and 2 more; --verbose lists all."
    long = run("build-index", "mine", "--index", own, "-v").stdout.splitlines()
    assert long[-1].split() == [f"mine{os.sep}broken11.jpg", "the", "file", "is", "empty"]
    listed = json.loads(run("build-index", "mine", "--index", own, "--json").stdout)["skipped"]
    assert len(listed) == 12
    assert listed[0] == {
        "path": str(tmp_path / "mine" / "broken00.jpg"),
        "reason": "the file is empty",
    }


def test_isolated_a_picture_that_kills_its_decoder_is_skipped(
    run: Run, own: Path, tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    obedient(monkeypatch)
    hostile = tmp_path / "mine" / "hostile.jpg"
    hostile.write_bytes(do("crash"))
    skipped = {
        "path": str(hostile),
        "reason": "the process that decoded it died (SIGSEGV)",
    }
    built = run("build-index", "mine", "--index", own, "--isolate", "--json")
    assert json.loads(built.stdout)["skipped"] == [skipped]
    shutil.copytree("mine", "more")
    added = json.loads(run("add", own, "more", "--isolate", "--json").stdout)
    assert [entry["reason"] for entry in added["skipped"]] == [skipped["reason"]]
    next(tmp_path.glob("more/red/*.png")).write_bytes(do("exit"))
    rebuild = ("build-index", "--index", own, "--rebuild", "--encoder", tiny_encoder)
    again = json.loads(run(*rebuild, "--isolate", "--json").stdout)
    assert [entry["reason"] for entry in again["skipped"]] == [
        "the process that decoded it died (exit code 3)"
    ]


def test_what_was_read_with_loss_is_counted_and_named(run: Run, own: Path, tmp_path: Path) -> None:
    whole = tmp_path / "mine" / "blue" / "blue00.jpg"
    (tmp_path / "mine" / "cut.jpg").write_bytes(whole.read_bytes()[:-2])
    bands = np.zeros((9, 9, 4), np.uint8)
    (tmp_path / "mine" / "near.tif").write_bytes(tiff(bands))
    first = run("build-index", "mine", "--index", own).stdout.splitlines()
    assert first[-2:] == [
        "Read with loss: 1 file; --verbose lists them.",
        "Read with a note on what is shown: 1 file; --verbose lists them.",
    ]
    run("remove", own, "mine/cut.jpg", "mine/near.tif")
    lines = run("add", own, "mine", "-v").stdout.splitlines()
    assert lines[-4:] == [
        "Read with loss: 1 file",
        f"  mine{os.sep}cut.jpg  read, its end is missing, but no row",
        "Read with a note on what is shown: 1 file",
        f"  mine{os.sep}near.tif  read, band 4 is not shown",
    ]
    run("remove", own, "mine/cut.jpg", "mine/near.tif")
    noted = json.loads(run("build-index", "mine", "--index", own, "--json").stdout)["noted"]
    assert [entry["note"] for entry in noted] == [
        "read, its end is missing, but no row",
        "read, band 4 is not shown",
    ]


def test_what_was_read_with_loss_is_kept_by_content(
    run: Run, own: Path, tmp_path: Path, tiny_encoder: Path
) -> None:
    """It stays where files move, is that of copies, and goes with what was cut."""

    def noted() -> dict[str, str]:
        listed = json.loads(run("info", own, "--json").stdout)["noted"]
        return {Path(one["path"]).name: one["note"] for one in listed}

    whole = (tmp_path / "mine" / "blue" / "blue00.jpg").read_bytes()
    cut = tmp_path / "mine" / "cut.jpg"
    cut.write_bytes(whole[:-2])
    note = "read, its end is missing, but no row"
    assert noted() == {}
    run("build-index", "mine", "--index", own)
    assert noted() == {"cut.jpg": note}
    told = run("info", own).stdout.splitlines()
    assert "Read with loss: 1 file; --verbose lists them." in told
    told = run("info", own, "-v").stdout.splitlines()
    assert f"  mine{os.sep}cut.jpg  {note}" in told
    cut.rename(tmp_path / "mine" / "moved.jpg")
    (tmp_path / "mine" / "copy.jpg").write_bytes(whole[:-2])
    run("build-index", "mine", "--index", own)
    assert noted() == {"copy.jpg": note, "moved.jpg": note}
    anew = ("--rebuild", "--encoder", tiny_encoder, "-v")
    rebuilt = run("build-index", "--index", own, *anew).stdout
    assert "Read with loss: 2 files" in rebuilt
    assert f"  mine{os.sep}copy.jpg   {note}" in rebuilt
    assert noted() == {"copy.jpg": note, "moved.jpg": note}
    (tmp_path / "mine" / "moved.jpg").write_bytes(whole)
    (tmp_path / "mine" / "copy.jpg").unlink()
    run("build-index", "mine", "--index", own)
    assert noted() == {}


def test_the_pixel_limit_is_an_option(
    run: Run, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLR_SEARCH_MAX_PIXELS", raising=False)
    Image.new("RGB", (300, 200)).save(tmp_path / "mine" / "large.png")
    lines = run("build-index", "mine", "--index", own, "--max-pixels", "59999").stdout.splitlines()
    assert lines[-2].endswith("300 × 200 pixels are more than the limit of 59,999")
    assert lines[-1] == "Larger pictures are read with --max-pixels."
    assert "CLR_SEARCH_MAX_PIXELS" not in os.environ
    assert json.loads(run("build-index", "mine", "--index", own, "--json").stdout)["added"] == 1


def test_what_is_not_looked_at_is_told(
    run: Run, own: Path, tmp_path: Path, lock: Callable[[Path], None]
) -> None:
    (tmp_path / "mine" / "shut").mkdir()
    lock(tmp_path / "mine" / "shut")
    (tmp_path / "mine" / "phone.jxl").touch()
    (tmp_path / "mine" / "camera.cr2").touch()
    lines = run("build-index", "mine", "--index", own).stdout.splitlines()
    folder = ("mine/shut", "the folder cannot be listed: permission denied")
    told = "2 files passed over: JPEG XL and camera raw are not read; convert them to JPEG first."
    assert lines[-3:] == ["Skipped 1 path:", f"  {folder[0]}  {folder[1]}", told]
    result = json.loads(run("build-index", "mine", "--index", own, "--json").stdout)
    assert result["skipped"] == [{"path": str(tmp_path / folder[0]), "reason": folder[1]}]
    assert result["passed_over"] == {"JPEG XL": 1, "camera raw": 1}


def test_a_new_collection_gets_the_encoder_that_ships(
    run: Run, pictures: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    run("build-index", pictures, "--index", "new.clr")
    facts = json.loads(run("info", "new.clr", "--json").stdout)
    assert facts["encoder_name"] == "default"
    shipped = json.loads(run("info", "default", "--check", "--json").stdout)
    assert facts["encoder_sha256"] == shipped["sha256"]
    assert (tmp_path / "new.clr" / "encoder.onnx").read_bytes() == shipped_encoder().read_bytes()
    run("build-index", pictures, "--index", "own.clr", "--encoder", tiny_encoder)
    run("build-index", pictures, "--index", "own.clr")
    assert json.loads(run("info", "own.clr", "--json").stdout)["encoder_name"] == "tiny"


def test_no_images_leave_no_collection_behind(run: Run, tiny_encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run(
        "build-index", "empty", "--index", "new.clr", "--encoder", tiny_encoder, exit_code=2
    )
    assert result.stderr == (
        "Error: No images found in empty.\n"
        "Files ending in .apng .avif .bmp .gif .heic .heif .hif .jfif .jif .jpe .jpeg .jpg .jps "
        ".mpo .png .tif .tiff .webp are taken for images.\n"
    )
    assert not (tmp_path / "new.clr").exists()


def test_a_folder_that_is_not_there(run: Run, tiny_encoder: Path) -> None:
    result = run("build-index", "nowhere", "--index", "a.clr", exit_code=2)
    assert "'nowhere' does not exist." in result.stderr
    result = run("build-index", "--index", "a.clr", "--encoder", tiny_encoder, exit_code=2)
    assert "Missing argument 'IMAGES...'" in result.stderr


def test_another_encoder_is_refused_and_rebuild_takes_it(
    run: Run, own: Path, tmp_path: Path
) -> None:
    other = write_tiny_encoder(tmp_path / "other.onnx", seed=1)
    arguments = ("build-index", "mine", "--index", "own.clr", "--encoder", "other.onnx")
    result = run(*arguments, exit_code=2)
    assert result.stderr.startswith(
        "Error: own.clr belongs to another encoder than other.onnx: to tiny, SHA-256 "
    )
    assert "build-index --rebuild" in result.stderr
    shutil.copy(tmp_path / "mine" / "red" / "red00.jpg", tmp_path / "mine" / "red" / "new.jpg")
    lines = run(*arguments, "--rebuild", "--json").stdout.splitlines()
    rebuilt, updated = map(json.loads, lines)
    assert (rebuilt["changed"], updated["added"], updated["unchanged"]) == (36, 1, 36)
    run("build-index", "--index", "own.clr", "--rebuild", "--encoder", other)
    info = json.loads(run("info", "own.clr", "--json", "--check").stdout)
    assert (info["count"], info["encoder_name"]) == (37, "tiny")


def test_rebuild_needs_an_encoder(run: Run, own: Path) -> None:
    result = run("build-index", "--index", own, "--rebuild", exit_code=2)
    assert "Error: --rebuild needs --encoder, the encoder to change to.\n" in result.stderr


def test_a_truncated_encoder_is_refused(run: Run, pictures: Path, tiny_encoder: Path) -> None:
    Path("cut.onnx").write_bytes(tiny_encoder.read_bytes()[:-100])
    result = run("build-index", pictures, "--index", "a.clr", "--encoder", "cut.onnx", exit_code=2)
    assert result.stderr == (
        "Error: cut.onnx is not a whole ONNX file: it is truncated, or something else.\n"
        "Copy or export it again.\n"
    )


@pytest.mark.parametrize("option", ["--batch-size", "--workers"])
def test_counts_start_at_one(run: Run, own: Path, option: str) -> None:
    result = run("build-index", "mine", "--index", own, option, "0", exit_code=2)
    assert f"Invalid value for '{option}': 0 is less than 1." in result.stderr


def test_adding_and_removing(run: Run, own: Path, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "mine" / "red", tmp_path / "more")
    (tmp_path / "mine" / "blue" / "blue00.jpg").unlink()
    added = json.loads(run("add", own, "more", "--json").stdout)
    assert (added["added"], added["removed"], added["images"]) == (12, 0, 48)
    result = run("remove", "own.clr", "more", "mine/green/green00.jpg")
    assert result.stdout == "Removed 13 images from own.clr; 35 left.\n"
    removed = json.loads(run("remove", "own.clr", "mine/blue/blue00.jpg", "--json").stdout)
    assert removed == {"collection": "own.clr", "removed": 1, "images": 34}
    assert (tmp_path / "more" / "red00.jpg").exists()


def test_removing_what_is_not_there(run: Run, own: Path) -> None:
    result = run("remove", own, "elsewhere.jpg", exit_code=2)
    assert result.stderr.startswith(f"Error: elsewhere.jpg is not in {own}.\n")


def test_adding_to_no_collection(run: Run, pictures: Path) -> None:
    result = run("add", "none.clr", pictures, exit_code=2)
    assert result.stderr == (
        "Error: There is no collection none.clr.\n"
        "Make one with: clr-search build-index IMAGES --index COLLECTION\n"
    )


def test_a_device_that_is_not_there_is_told_of_before_a_collection_is_made(
    run: Run, pictures: Path, tmp_path: Path
) -> None:
    new = ("build-index", pictures, "--index", "new.clr", "--device")
    assert "must be auto, cpu, cuda" in run(*new, "tpu", exit_code=2).stderr
    told = run(*new, "cuda", exit_code=2).stderr
    assert "has no CUDA" in told
    assert "onnxruntime-gpu" in told
    assert not (tmp_path / "new.clr").exists()


def test_adding_asks_for_a_device(run: Run, own: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.png"
    Image.new("RGB", (50, 40), "orange").save(more)
    assert "has no CUDA" in run("add", own, more, "--device", "cuda", exit_code=2).stderr
    run("add", own, more, "--device", "cpu")


@pytest.mark.parametrize("value", ["97", "1", "0", "-0.5", "nan", "much"])
def test_a_recall_that_is_no_share_leaves_no_collection_behind(
    run: Run, pictures: Path, tmp_path: Path, value: str
) -> None:
    result = run("build-index", pictures, "--index", "new.clr", "--recall", value, exit_code=2)
    assert f"Invalid value for '--recall': {value} is no number between 0 and 1" in result.stderr
    assert not (tmp_path / "new.clr").exists()


def test_a_memory_that_cannot_be_met_is_refused_and_not_kept(
    run: Run, own: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine" / "blue" / "blue00.jpg").unlink()
    result = run("build-index", "mine", "--index", own, "--memory", "10", exit_code=2)
    assert "No search structure over 36 items fits into 10 bytes." in result.stderr
    assert json.loads(run("build-index", "mine", "--index", own, "--json").stdout)["removed"] == 1


def test_a_collection_may_outgrow_its_memory(
    run: Run, own: Path, pictures: Path, tmp_path: Path
) -> None:
    run("build-index", "mine", "--index", own, "--memory", "2500")
    shutil.copytree(pictures / "red", tmp_path / "mine" / "more")
    grown = run("build-index", "mine", "--index", own)
    assert "12 added" in grown.stdout
    assert "No search structure over 48 items fits into 2,500 bytes." in grown.stderr
    assert "--memory none" in grown.stderr
    assert "fits into" not in run("build-index", "mine", "--index", own, "--memory", "none").stderr
    assert "fits into" not in run("build-index", "mine", "--index", own).stderr


def test_collections_share_the_file_of_an_encoder(
    run: Run, pictures: Path, tiny_encoder: Path
) -> None:
    encoder = Path("e.onnx")
    encoder.write_bytes(tiny_encoder.read_bytes())
    arguments = [pictures / "red", "--encoder", encoder, "--share-encoder"]
    run("build-index", *arguments, "--index", "one.clr")
    run("build-index", *arguments, "--index", "two.clr")
    assert encoder.stat().st_nlink == 3
    run("search", "two.clr", pictures / "blue" / "blue00.jpg")


def test_a_batch_beyond_all_bounds_is_refused_before_anything_is_made(
    run: Run, pictures: Path, tmp_path: Path
) -> None:
    size = ("--batch-size", 10**20)
    result = run("build-index", pictures, "--index", "new.clr", *size, exit_code=2)
    assert "is more than 2147483647." in result.stderr
    assert not (tmp_path / "new.clr").exists()
