"""Parameters and their averages, which an optimizer with an ema_decay keeps: exchanged, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from martlet._errors import OrderError
from martlet._owner import Gate, gated


class Averaging:
    """What optimizers over tensors and over arrays have for it."""

    _martlet_gate: Gate
    # Exchanges parameters for their averages; a method of each.
    _martlet_exchange: Callable[[], None]
    # Whether parameters are their averages.
    _martlet_is_swapped = False

    @gated
    def swap_averages(self) -> None:
        """Exchanges each parameter that has an ema_decay for its average, in place. A second call is the way back,
        before which there is no step and no state to be saved (OrderError). Between two types each is rounded."""
        self._martlet_exchange()
        self._martlet_is_swapped = not self._martlet_is_swapped

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within this context parameters are their averages, to be evaluated or used: swap_averages() around it."""
        self.swap_averages()
        try:
            yield
        finally:
            self.swap_averages()

    def _martlet_refuse_averages(self, what: str) -> None:
        if self._martlet_is_swapped:
            raise OrderError(f"the parameters are their averages; call swap_averages() before {what}")
