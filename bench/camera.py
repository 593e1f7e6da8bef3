"""Photos straight from cameras: the embedding pipeline against the plain graph.

    python -m bench.camera camera_samples/photos --encoder encoder.onnx

The pipeline decodes JPEG at a reduced scale and shrinks with Pillow; the graph takes the full
pixels. Prints the cosine between the two vectors of each photo: median, 5 % quantile, least.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnxruntime

from bench.machine import machine
from clr_search import images
from clr_search.contract.model_file import EMBEDDING, IMAGES
from clr_search.errors import ImageError
from clr_search.files.finding.find import find_images
from clr_search.serve.encoder import Encoder
from clr_search.serve.pipeline import Embedded, embed_files


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--encoder", type=Path, required=True)
    arguments = parser.parse_args()
    encoder = Encoder(arguments.encoder)
    session = onnxruntime.InferenceSession(arguments.encoder, providers=["CPUExecutionProvider"])
    files = [file.path for file in find_images([arguments.photos])]
    cosines, skipped, worst = [], 0, ("", 2.0)
    for batch in embed_files(encoder, files, batch_size=8):
        for result in batch:
            if not isinstance(result, Embedded):
                skipped += 1
                continue
            try:
                pixels = images.load(result.path).pixels
            except ImageError:
                raise SystemExit(f"{result.path}: only the pipeline could read it") from None
            plain = session.run([EMBEDDING], {IMAGES: pixels[None]})[0][0]
            cosines.append(float(plain @ result.vector))
            worst = min(worst, (result.path.name, cosines[-1]), key=lambda pair: pair[1])
    low = np.quantile(cosines, 0.05)
    print(machine(), "\n")
    print(f"{len(cosines)} photos compared, {skipped} files skipped")
    median = np.median(cosines)
    print(f"cosine: median {median:.5f}, 5 % quantile {low:.5f}, least {worst[1]:.5f} ({worst[0]})")


if __name__ == "__main__":
    main()
