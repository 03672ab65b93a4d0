"""What fit returns: the numbers of each epoch, and a picture of them.

The picture needs matplotlib, which nothing else here does.
"""

from __future__ import annotations

import os
import weakref
from typing import Any

from martlet import _arguments, _forks
from martlet._errors import ArgumentError, FileError
from martlet.nn._callback import Callback


class History(Callback):
    """history holds a list for each name ("loss", "accuracy", "val_loss", ...) with a number for each epoch; epoch the
    epochs' numbers, from 0; params what fit was asked for."""

    _model: weakref.ref[Any] | None = None

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self._epochs: dict[str, list[int]] = {}

    @property
    def model(self) -> Any:
        """The model that was trained, while there is one: it has its history, so its history does not keep it."""
        return None if self._model is None else self._model()

    @model.setter
    def model(self, model: Any) -> None:
        self._model = None if model is None else weakref.ref(model)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
            # A callback may add a number in some epochs alone.
            self._epochs.setdefault(name, []).append(epoch)

    def plot(self, path: Any = None) -> Any:
        """Draws loss and metrics over the epochs, training and validation together; returns the figure.

        path: a file to write it to, in the format that its suffix says, or as PNG where it has none. Raises FileError
        where the system refuses it, and ArgumentError for a suffix that matplotlib does not know.
        """
        target = None if path is None else os.fsdecode(_arguments.file_name(path))
        with _forks.held_off:  # matplotlib imports parts of itself while it draws
            return self._drawn(target)

    def _drawn(self, target: str | None) -> Any:
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError("History.plot needs matplotlib: pip install matplotlib, or in a clone of Martlet "
                              "pip install './bindings/python[nn]'") from error  # fmt: skip
        names = [name for name in self.history if not name.startswith("val_")]
        figure = Figure(figsize=(5 * max(len(names), 1), 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        for column, name in enumerate(names):
            axes = figure.add_subplot(1, len(names), column + 1)
            for key, label in ((name, "training"), (f"val_{name}", "validation")):
                if key in self.history:
                    # An epoch of training is known by its end.
                    axes.plot(
                        [epoch + 1 for epoch in self._epochs.get(key, self.epoch)],
                        self.history[key],
                        marker=".",
                        label=label,
                    )
            axes.set_xlabel("epoch")
            axes.set_title(name)
            axes.grid(alpha=0.3)
            axes.legend()
        if target is not None:
            _write(figure, target)
        return figure


def _write(figure: Any, path: str) -> None:
    suffix = os.path.splitext(path)[1].removeprefix(".").lower() or "png"
    known = figure.canvas.get_supported_filetypes()
    if suffix not in known:
        raise ArgumentError(f"path is {path!r}; wanted no suffix or one of {', '.join(known)}")
    try:
        with open(path, "wb") as file:  # matplotlib itself would add a suffix
            figure.savefig(file, format=suffix)
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}") from error
