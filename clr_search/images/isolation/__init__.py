"""Decoding in worker processes, for pictures of strangers.

`images.structure` refuses files whose headers ask for more than their pixels need. What headers
cannot tell, and the holes that decoders may have, stay in a process that has no more memory and
time than a picture of as many pixels may take, and is replaced when it dies.
"""

from __future__ import annotations

from clr_search.images.isolation.limits import DecodingLimits
from clr_search.images.isolation.messages import LargePictureError
from clr_search.images.isolation.pool import DecodingWorkers

__all__ = ["DecodingLimits", "DecodingWorkers", "LargePictureError"]
