"""Optimizers, and what they leave out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn

from clr_search.train.settings.resolved import ResolvedConfig


class LARS(torch.optim.Optimizer):
    """Layer-wise adaptive rate scaling (arXiv 1708.03888), as SimCLR uses it.

    For each tensor w with gradient g: g' = g + weight_decay · w; the local rate is
    trust · ‖w‖ / ‖g'‖ (1 where either norm is 0); v ← momentum · v + lr · local · g'; w ← w − v.

    Parameters
    ----------
    parameters : iterable of tensors or of groups
        A group with ``adapt=False`` takes plain momentum steps without the local rate.
    lr, momentum, weight_decay, trust : float
        Rate, 0.9, λ and η of the paper.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust: float = 0.001,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "trust": trust,
            "adapt": True,
        }
        super().__init__(parameters, defaults)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step; see the class."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, weight.grad, group)
        return loss

    def _update(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        gradient = gradient.add(weight, alpha=group["weight_decay"])
        if group["adapt"]:
            size, slope = torch.linalg.vector_norm(weight), torch.linalg.vector_norm(gradient)
            local = torch.where(
                (size > 0) & (slope > 0), group["trust"] * size / slope, torch.ones_like(size)
            )
            gradient.mul_(local)
        state = self.state[weight]
        if "velocity" not in state:
            state["velocity"] = torch.zeros_like(weight)
        velocity: Tensor = state["velocity"]
        velocity.mul_(group["momentum"]).add_(gradient, alpha=group["lr"])
        weight.sub_(velocity)


def build_optimizer(module: nn.Module, config: ResolvedConfig) -> torch.optim.Optimizer:
    """The optimizer of a run.

    Batch normalisation and biases are excluded from weight decay and from LARS' adaptation, as in
    the paper's code: every tensor of fewer than two dimensions is one of those.
    """
    tensors = [tensor for tensor in module.parameters() if tensor.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [t for t in tensors if t.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [t for t in tensors if t.ndim < 2], "weight_decay": 0.0},
    ]
    where = torch.device(config.device).type
    if config.optimizer == "lars":
        groups[1]["adapt"] = False
        return LARS(groups, lr=config.learning_rate, momentum=0.9)
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, fused=where == "cuda")
    # On a processor SGD would gain nothing.
    fused = where in ("cuda", "cpu")
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=fused)
