"""How a batch is cut into parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from clr_search.train.data.batches import Batch
from clr_search.train.data.collection import Collection
from clr_search.train.methods import build_method
from clr_search.train.methods.network import cut
from clr_search.train.settings.resolved import ResolvedConfig


@pytest.mark.parametrize("count", [2, 3, 5, 12, 64, 257, 1000])
@pytest.mark.parametrize("most", [None, 2, 3, 16, 64, 300])
def test_parts_are_equal_within_one_and_never_of_a_single_picture(
    count: int, most: int | None
) -> None:
    parts = cut(count, most)
    taken = [number for part in parts for number in range(count)[part]]
    assert taken == list(range(count))
    lengths = [part.stop - part.start for part in parts]
    assert min(lengths) >= 2
    assert max(lengths) - min(lengths) <= 1
    assert most is None or max(lengths) <= max(most, 3)  # 3 are not 2 and 1


def test_what_divides_is_divided() -> None:
    assert cut(256, 64) == [slice(start, start + 64) for start in (0, 64, 128, 192)]
    assert [part.stop - part.start for part in cut(257, 64)] == [51, 51, 52, 51, 52]


@pytest.mark.parametrize("further", [{"method": "instdisc"}, {"local_views": 1, "local_size": 8}])
def test_a_remainder_of_one_picture_is_trained_on(
    collection: Collection, settings: ResolvedConfig, further: dict[str, Any]
) -> None:
    """Batch normalisation can do nothing with a single one."""
    indices = torch.arange(13)
    batch = Batch(
        collection.take(indices),
        collection.aspects[indices],
        collection.labels[indices],
        indices,
        slice(0, 13),
        settings.image_size,
    )
    config = replace(settings, norm="batch", batch_size=13, micro_batch=4, **further)
    method = build_method(config, collection)
    assert method.accumulate(batch, torch.Generator().manual_seed(1)).loss.isfinite()
