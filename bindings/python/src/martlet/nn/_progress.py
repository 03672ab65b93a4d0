"""What fit and evaluate show: a bar on a terminal, or a line for each epoch.

verbose: "auto" is a bar on a terminal and lines elsewhere; 0 nothing; 1 a bar, or lines where no stderr is open for it;
2 lines. A bar is one row of the terminal while it moves, and where that is narrow the bar gives way before the numbers.
At its end it is a line that has all of them, in as many rows as they need.
"""

from __future__ import annotations

import os
import sys
from numbers import Integral
from time import perf_counter
from typing import Any
from unicodedata import combining, east_asian_width

import numpy as np

from martlet._errors import ArgumentError, DTypeError

# A bar is drawn ten times a second, which eyes can follow and training does not notice.
_BETWEEN = 0.1
_WIDTH, _NARROWEST = 20, 4


def level(verbose: Any, *, alone: int = 2) -> int:
    """0, 1 or 2. alone: what "auto" is where nobody looks at a terminal."""
    if isinstance(verbose, str) and verbose == "auto":
        return 1 if _can_draw() and getattr(sys.stderr, "isatty", bool)() else alone
    if not isinstance(verbose, str | Integral | np.bool_):
        raise DTypeError(f'verbose is {verbose!r} of type {type(verbose).__name__}; wanted "auto", 0, 1 or 2')
    if verbose not in (0, 1, 2):
        raise ArgumentError(f'verbose is {verbose!r}; wanted "auto", 0, 1 or 2')
    return 2 if verbose == 1 and not _can_draw() else int(verbose)


def _can_draw() -> bool:
    # A program's own stream may have write and flush alone.
    return sys.stderr is not None and not getattr(sys.stderr, "closed", False)


def written(logs: dict[str, float]) -> str:
    """Numbers as a line has them."""
    return " - ".join(f"{name}: {value:.4g}" for name, value in logs.items())


class Progress:
    """One pass over samples: show while it goes on, pause when it is over, end when all is known that is shown of it.

    samples: how many there are; None where that is not known. due: when it next wants to be shown, on the clock of
    perf_counter.
    """

    def __init__(self, verbose: int, title: str, samples: int | None) -> None:
        self._verbose, self._title, self._samples = verbose, title, samples
        self._start = perf_counter()
        self._seconds = 0.0
        self._done = 0
        self.due = float("inf")
        self._row: _Row | None = None
        if verbose == 1:
            self._row = _Row(sys.stderr)
            self.show(0, {})

    def show(self, done: int, logs: dict[str, float]) -> None:
        """Draws the bar."""
        self.pause(done, logs)
        self.due = perf_counter() + _BETWEEN

    def pause(self, done: int, logs: dict[str, float]) -> None:
        """After the last batch: what comes from here on, such as validation, is not counted in samples a second."""
        self._done, self._seconds = done, perf_counter() - self._start
        if self._row is not None:
            self._row.draw(self._moving(logs, self._row))

    def end(self, logs: dict[str, float]) -> None:
        """Draws the bar for the last time, or prints the line."""
        if self._row is not None:
            whole = [self._count(), *self._speed()]
            self._row.end(self._with_bar(whole, logs, self._row) or self._line(whole, logs))
        elif self._verbose == 2:
            print(self._line(self._speed(), logs), flush=True)

    def close(self) -> None:
        """Leaves the bar as it is, where it has not ended."""
        if self._row is not None:
            self._row.end()

    # ---- what stands in a line ----

    def _count(self) -> str:
        return f"{self._done}" if self._samples is None else f"{self._done}/{self._samples}"

    def _speed(self) -> list[str]:
        return [f"{self._seconds:.1f} s", f"{self._done / max(self._seconds, 1e-9):.0f} samples/s"]

    def _line(self, parts: list[str], logs: dict[str, float]) -> str:
        return " - ".join([self._title, *parts, *([written(logs)] if logs else [])])

    def _moving(self, logs: dict[str, float], row: _Row) -> str:
        """What fits into a row: the numbers stay longest."""
        parts = [self._count()]
        if self._done and self._samples is not None:
            parts.append(f"{self._seconds * (self._samples / self._done - 1):.0f} s left")
        line = self._with_bar(parts, logs, row) or self._line(parts, logs)
        while _columns(line) > row.columns and parts:
            parts.pop()
            line = self._line(parts, logs)
        while _columns(line) > row.columns:
            line = line[:-1]
        return line

    def _with_bar(self, parts: list[str], logs: dict[str, float], row: _Row) -> str | None:
        """All of it with as much of a bar as fits into the row; None where that is too little for one."""
        if self._samples is None:
            return None
        share = self._done / self._samples
        before, after = f"{self._title} {100 * share:3.0f}%|", "| " + self._line(parts, logs)[len(self._title) + 3 :]
        width = min(_WIDTH, row.columns - _columns(before + after))
        return before + row.bar(share, int(width)) + after if width >= _NARROWEST else None


class _Row:
    """The last row of a stream, which is written over until it ends."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._drawn = 0
        self._has_ended = False
        try:
            "█▉".encode(stream.encoding)
            self._full, self._parts = "█", "▏▎▍▌▋▊▉"
        except (AttributeError, TypeError, LookupError, UnicodeError):
            self._full, self._parts = "#", ""

    @property
    def columns(self) -> float:
        """How many there are; without limit where the stream is no terminal."""
        try:
            # Not the last one: a cursor after it may stand in the next row.
            return (os.get_terminal_size(self._stream.fileno()).columns or 80) - 1
        except (AttributeError, OSError, ValueError):
            return float("inf")

    def bar(self, share: float, width: int) -> str:
        """A bar of so many columns."""
        steps = len(self._parts) + 1
        full, part = divmod(int(share * width * steps), steps)
        return (self._full * full + (self._parts[part - 1] if part else "")).ljust(width)

    def draw(self, line: str) -> None:
        """Puts the line in the place of the one before."""
        width = _columns(line)
        self._stream.write("\r" + line + " " * (self._drawn - width))
        self._stream.flush()
        self._drawn = width

    def end(self, line: str | None = None) -> None:
        """The same for the last time, or leaves the row as it is; ending twice is nothing."""
        if not self._has_ended:
            self._has_ended = True
            if line is not None:
                self.draw(line)
            self._stream.write("\n")
            self._stream.flush()


def _columns(text: str) -> int:
    """The columns of a terminal that a text takes."""
    return sum(0 if combining(one) else 2 if east_asian_width(one) in "WF" else 1 for one in text)
