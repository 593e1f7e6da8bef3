"""LARS, and the choice of an optimizer by the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn

from clr_search.train.network.zoo import of_tokens
from clr_search.train.settings.resolved import ResolvedConfig

SHARE = "share"
"""Key of a group of parameters: its learning rate, as a share of that of the step."""


class LARS(torch.optim.Optimizer):
    """Layer-wise adaptive rate scaling (arXiv 1708.03888), as SimCLR uses it.

    For each tensor w with gradient g and velocity v::

        g' = g + weight_decay · w
        local = trust · ‖w‖ / ‖g'‖          (1 where either norm is 0)
        v ← momentum · v + lr · local · g'
        w ← w − v

    Parameters
    ----------
    parameters : iterable of tensors or of groups
        The parameters. A group with ``adapt=False`` has a local rate of 1.
    lr : float
        Learning rate.
    momentum : float
        Momentum.
    weight_decay : float
        λ of the paper.
    trust : float
        The trust coefficient, η of the paper.
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
        """Take one step; the formula is in the docstring of the class."""
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
            weight_norm = torch.linalg.vector_norm(weight)
            gradient_norm = torch.linalg.vector_norm(gradient)
            local = torch.where(
                (weight_norm > 0) & (gradient_norm > 0),
                group["trust"] * weight_norm / gradient_norm,
                torch.ones_like(weight_norm),
            )
            gradient.mul_(local)
        state = self.state[weight]
        if "velocity" not in state:
            state["velocity"] = torch.zeros_like(weight)
        velocity: Tensor = state["velocity"]
        velocity.mul_(group["momentum"]).add_(gradient, alpha=group["lr"])
        weight.sub_(velocity)


def build_optimizer(module: nn.Module, config: ResolvedConfig) -> torch.optim.Optimizer:
    """Build the optimizer that the settings name.

    Normalisation layers and biases have no weight decay, and no local rate in LARS, as in the
    paper's code. These are the tensors of fewer than two dimensions. Tokens and positions of
    transformers have none either. The encoder takes `config.encoder_rate` of the learning rate.

    Parameters
    ----------
    module : nn.Module
        Its parameters that require a gradient are optimised.
    config : ResolvedConfig
        Settings.
    """
    kinds: dict[tuple[bool, bool], list[Tensor]] = {}  # by: at a rate apart, without decay
    for name, tensor in module.named_parameters():
        if tensor.requires_grad:
            apart = config.encoder_rate != 1 and name.startswith("encoder.")
            plain = tensor.ndim < 2 or of_tokens(name)
            kinds.setdefault((apart, plain), []).append(tensor)
    groups: list[dict[str, Any]] = [
        {
            "params": kinds[apart, plain],
            "weight_decay": 0.0 if plain else config.weight_decay,
            SHARE: config.encoder_rate if apart else 1.0,
        }
        for apart, plain in sorted(kinds)
    ]
    device_type = torch.device(config.device).type
    if config.optimizer == "lars":
        for group, (_, plain) in zip(groups, sorted(kinds), strict=True):
            group["adapt"] = not plain
        return LARS(groups, lr=config.learning_rate, momentum=0.9)
    if config.optimizer == "sgd":
        # On a processor, fused steps bring nothing for SGD.
        return torch.optim.SGD(
            groups, lr=config.learning_rate, momentum=0.9, fused=device_type == "cuda"
        )
    fused = device_type in ("cuda", "cpu")
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=fused)
