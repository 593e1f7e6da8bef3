"""Running sums over the steps of an epoch, and the time spent waiting for its batches."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

from clr_search.train.checkpoint import Progress
from clr_search.train.data.batches import Batch
from clr_search.train.losses.objective import Objective


class Tally:
    """The sums over the finished steps of the current epoch.

    Parameters
    ----------
    progress : Progress
        Where the epoch stands; a resumed one has sums already.
    device : torch.device
        Where the sums of loss and accuracy are kept, so that adding does not wait for the device.

    Attributes
    ----------
    loss, accuracy : Tensor
        Scalars on the device: sums over the steps.
    waited : float
        Seconds spent waiting for batches.
    """

    def __init__(self, progress: Progress, device: torch.device) -> None:
        self.loss = torch.tensor(progress.loss_sum, device=device)
        self.accuracy = torch.tensor(progress.accuracy_sum, device=device)
        self.waited = progress.waited
        self._began = time.monotonic() - progress.seconds

    @property
    def seconds(self) -> float:
        """Seconds spent on the epoch so far."""
        return time.monotonic() - self._began

    def add(self, objective: Objective) -> None:
        """Add the loss and the accuracy of a step."""
        self.loss += objective.loss
        self.accuracy += objective.accuracy

    def timed(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield the batches, and add the time of waiting for each to `waited`."""
        while True:
            began = time.monotonic()
            batch = next(batches, None)
            self.waited += time.monotonic() - began
            if batch is None:
                return
            yield batch
