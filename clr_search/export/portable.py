"""Portable encoders resize by matrix products, instead of by the operator `Resize`.

Some runtimes read a graph without the antialiasing of `Resize`; the module `resize` says more.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clr_search.contract.golden import golden_picture, golden_size_for, tolerance_of
from clr_search.contract.model_file import Card
from clr_search.contract.runtime import open_session, vectors
from clr_search.errors import ClrSearchError
from clr_search.export.graph import with_card, with_resize
from clr_search.export.sample import parity_pictures
from clr_search.progress import Reporter

if TYPE_CHECKING:
    import onnx


def made_portable(
    model: onnx.ModelProto, card: Card, source: Path, reporter: Reporter
) -> tuple[onnx.ModelProto, Card]:
    """Replace the operator `Resize` of an encoder by matrix products.

    The golden vector on the new card is the one that the graph gave before, so that readers of the
    file check the change, too.

    Parameters
    ----------
    model : ModelProto
        A model with the operator `Resize`, of any precision.
    card : Card
        Card of the model.
    source : Path
        File of the model, for messages.
    reporter : Reporter
        Receives a message with the largest difference of the vectors.

    Returns
    -------
    ModelProto, Card
        The portable encoder and its card.

    Raises
    ------
    ClrSearchError
        If numbers of the vectors differ by more than `contract.golden.tolerance_of` allows.
    """
    changed = with_resize(model, card.image_size, "MatMul")
    golden_size = golden_size_for(card.image_size)
    before = open_session(with_card(model, card))
    golden = vectors(before, golden_picture(golden_size)[None])[0]
    card = replace(card, resize="MatMul", golden_size=golden_size, golden=tuple(golden.tolist()))
    after = open_session(with_card(changed, card))
    pictures = [golden_picture(golden_size)[None], *parity_pictures()]
    off = max(float(np.abs(vectors(before, p) - vectors(after, p)).max()) for p in pictures)
    if not off <= tolerance_of(card):
        raise ClrSearchError(
            f"Made portable, {source} gives vectors that are off by {off:.2e} "
            f"(allowed {tolerance_of(card):.0e}), so nothing was written.",
            "Export the run that it came from with --portable.",
        )
    reporter.message(f"The vectors differ by {off:.1e} at most from those of {source}.")
    return changed, card
