"""One step of an optimiser, guarded: what is not finite is skipped and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from mmkit.errors import MmkitError

__all__ = ["GuardedOptimiser", "autocast"]

_MOST_SKIPPED = 50


class GuardedOptimiser:
    """AdamW that never takes a step whose loss or gradient is not finite.

    Args:
        network: what is trained: its parameters that require gradients.
        rate: the highest learning rate.
        decay: weight decay of matrices and kernels; vectors and scalars have none.
        clip: the longest gradient.
        share: of the rate, for a parameter of this name.

    Attributes:
        inner: the optimiser itself.
        skipped: steps that were not taken.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        rate: float,
        decay: float = 0.05,
        clip: float = 1.0,
        betas: tuple[float, float] = (0.9, 0.98),
        share: Callable[[str], float] = lambda name: 1.0,
    ) -> None:
        members: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, value in network.named_parameters():
            if value.requires_grad:
                members.setdefault((share(name), decay if value.ndim > 1 else 0.0), []).append(value)
        groups = [{"params": some, "weight_decay": own, "share": part} for (part, own), some in members.items()]
        self._trained = [value for some in members.values() for value in some]
        self.inner = torch.optim.AdamW(groups, lr=rate, betas=betas, fused=self._trained[0].is_cuda)
        self._rate, self._clip = rate, clip
        self.skipped = 0
        self._in_a_row = 0

    def step(self, loss: Tensor, *, factor: float = 1.0) -> bool:
        """Go one step down the loss at ``factor`` times the rate; False where it was skipped.

        Raises:
            MmkitError: fifty steps in a row were not finite, so the run has diverged.
        """
        self.inner.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._trained, self._clip)
        if not bool(torch.isfinite(loss.detach()) & torch.isfinite(norm)):
            self.inner.zero_grad(set_to_none=True)
            self.skipped += 1
            self._in_a_row += 1
            if self._in_a_row >= _MOST_SKIPPED:
                raise MmkitError(
                    f"{_MOST_SKIPPED} steps in a row were not finite",
                    mend="lower the learning rate; what was kept last is still good",
                )
            return False
        self._in_a_row = 0
        for group in self.inner.param_groups:
            group["lr"] = self._rate * group["share"] * factor
        self.inner.step()
        return True


@contextmanager
def autocast(device: torch.device) -> Iterator[None]:
    """bfloat16 where the device is a GPU; float32 elsewhere."""
    chosen = torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
    with chosen:
        yield
