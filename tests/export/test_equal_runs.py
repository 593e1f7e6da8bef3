"""Two trainings with the same settings over the same pictures, and their exports, are the same."""

from __future__ import annotations

import json
from pathlib import Path

from clr_search.export.onnx import export_run
from clr_search.train import TrainConfig, train

TIMES = {"seconds", "images_per_second", "data_wait"}
"""Fields of the metrics that a clock gives."""


def test_equal_trainings_and_exports_give_equal_files(pictures: Path, tmp_path: Path) -> None:
    config = TrainConfig(
        width=0.25, image_size=16, head_dim=16, batch_size=8, epochs=1, device="cpu",
        precision="fp32", knn_every=1,
    )  # fmt: skip
    runs = [tmp_path / name / "run" for name in ("one", "other")]
    for run in runs:
        train([pictures], run, config)
        export_run(run, run / "encoder.onnx")
    for name in ("config.json", "weights.safetensors", "encoder.onnx", "golden.json"):
        one, other = ((run / name).read_bytes() for run in runs)
        assert one == other, name
    rows = [
        [
            {key: value for key, value in json.loads(line).items() if key not in TIMES}
            for line in (run / "metrics.jsonl").read_text().splitlines()
        ]
        for run in runs
    ]
    assert rows[0] == rows[1] != []
