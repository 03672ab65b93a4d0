"""What fit and evaluate show: a bar by tqdm where that is installed, or a line for each epoch.

verbose: "auto" is a bar on a terminal and lines elsewhere; 0 nothing; 1 a bar, or lines where no stderr is open for it;
2 lines.
"""

from __future__ import annotations

import sys
from numbers import Integral
from time import perf_counter
from typing import Any

import numpy as np

from martlet._errors import ArgumentError, DTypeError

# A bar is drawn ten times a second, which eyes can follow and training does not notice.
_BETWEEN = 0.1


def level(verbose: Any, *, alone: int = 2) -> int:
    """0, 1 or 2. alone: what "auto" is where nobody looks at a terminal."""
    if isinstance(verbose, str) and verbose == "auto":
        return 1 if _can_draw() and sys.stderr.isatty() else alone
    if not isinstance(verbose, str | Integral | np.bool_):
        raise DTypeError(f'verbose is {verbose!r} of type {type(verbose).__name__}; wanted "auto", 0, 1 or 2')
    if verbose not in (0, 1, 2):
        raise ArgumentError(f'verbose is {verbose!r}; wanted "auto", 0, 1 or 2')
    return 2 if verbose == 1 and not _can_draw() else int(verbose)


def _can_draw() -> bool:
    return sys.stderr is not None and _bar_class() is not None


def _bar_class() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm


def written(logs: dict[str, float]) -> str:
    """Numbers as a line has them."""
    return " - ".join(f"{name}: {value:.4g}" for name, value in logs.items())


class Progress:
    """One pass over samples: show while it goes on, pause when it is over, end when all is known that is shown of it.

    due: when it next wants to be shown, on the clock of perf_counter.
    """

    def __init__(self, verbose: int, title: str, samples: int) -> None:
        self._verbose, self._title, self._samples = verbose, title, samples
        self._start = perf_counter()
        self._over = self._start
        self._shown = self._done = 0
        self.due = float("inf")
        self._bar: Any = None
        if verbose == 1:
            self._bar = _bar_class()(total=samples, desc=title, unit=" samples", unit_scale=True, leave=True)
            self.due = self._start + _BETWEEN

    def show(self, done: int, logs: dict[str, float]) -> None:
        """Draws the bar."""
        self._bar.set_postfix_str(written(logs), refresh=False)
        self._bar.update(done - self._shown)
        self._shown = done
        self.due = perf_counter() + _BETWEEN

    def pause(self, done: int, logs: dict[str, float]) -> None:
        """After the last batch: what comes from here on, such as validation, is not counted in samples a second."""
        self._over = perf_counter()
        self._done = done
        if self._bar is not None:
            self.show(done, logs)
            self._paused = self._bar._time()

    def end(self, logs: dict[str, float]) -> None:
        """Draws the bar for the last time, or prints the line."""
        if self._bar is not None:
            self._bar.start_t += self._bar._time() - self._paused
            self._bar.set_postfix_str(written(logs))
        elif self._verbose == 2:
            seconds = max(self._over - self._start, 1e-9)
            speed = f"{seconds:.1f} s - {self._done / seconds:.0f} samples/s"
            print(f"{self._title} - {speed} - {written(logs)}", flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
