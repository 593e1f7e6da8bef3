"""The tiled NT-Xent is the plain one, in value, gradient and accuracy, without its matrix."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from clr_search.train.losses.nt_xent import nt_xent
from clr_search.train.losses.tiled import tiled_nt_xent


def both(
    z1: Tensor, z2: Tensor, temperature: float, tile: int
) -> list[tuple[Tensor, Tensor, list[Tensor]]]:
    """Loss, accuracy and gradients, plain and tiled."""
    results = []
    for side in (None, tile):
        views = [z1.clone().requires_grad_(), z2.clone().requires_grad_()]
        loss, accuracy = nt_xent(*views, temperature, tile=side)
        (3 * loss).backward()
        results.append((loss, accuracy, [view.grad for view in views if view.grad is not None]))
    return results


@pytest.mark.parametrize("tile", [1, 2, 5, 7, 16, 32, 1000])
@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_equals_the_plain_loss_for_tiles_of_any_size(tile: int, temperature: float) -> None:
    torch.manual_seed(tile)
    plain, tiled = both(torch.randn(16, 8), torch.randn(16, 8), temperature, tile)
    torch.testing.assert_close(tiled[0], plain[0])
    assert tiled[1] == plain[1]
    for ours, theirs in zip(tiled[2], plain[2], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_images(count: int) -> None:
    plain, tiled = both(torch.randn(count, 4), torch.randn(count, 4), 0.1, 1)
    torch.testing.assert_close(tiled[0], plain[0])
    for ours, theirs in zip(tiled[2], plain[2], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_equal_similarities_are_taken_in_order() -> None:
    z = torch.ones(6, 3)
    plain, tiled = both(z, z, 0.1, 4)
    assert tiled[1] == plain[1]
    torch.testing.assert_close(tiled[0], plain[0])


def test_gradient_equals_finite_differences() -> None:
    torch.manual_seed(0)
    z = torch.randn(10, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: tiled_nt_xent(x, 0.4, 3)[0], (z,))


def test_the_matrix_is_never_made() -> None:
    """The largest tensor of both passes is a tile, or as large as the input."""
    largest = 0

    class Watching(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            for value in out if isinstance(out, tuple) else (out,):
                if isinstance(value, Tensor):
                    largest = max(largest, value.numel())
            return out

    z = torch.randn(400, 4, requires_grad=True)
    with Watching():
        tiled_nt_xent(z, 0.1, 20)[0].backward()
    assert largest <= 400 * 4
