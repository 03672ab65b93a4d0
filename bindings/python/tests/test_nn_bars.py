"""Bars as a terminal shows them: what a program writes to a pseudo-terminal, on a screen that is made here."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from conftest import SOURCE
from martlet import _ffi
from martlet.nn import _progress


class Screen:
    """What a terminal of so many columns shows of what was written to it: its rows."""

    def __init__(self, columns: int, written: str) -> None:
        self.rows, column = [""], 0
        for one in written:
            if one == "\r":
                column = 0
            elif one == "\n":
                self.rows.append("")
            else:
                if column == columns:
                    self.rows.append("")
                    column = 0
                row = self.rows[-1].ljust(column)
                self.rows[-1] = row[:column] + one + row[column + 1 :]
                column += 1
        self.rows = [row.rstrip() for row in self.rows]


def on_a_terminal(columns: int, code: str) -> list[str]:
    """The rows of a terminal in which this was run, with a model that is compiled, and data."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "MARTLET_LIBRARY": str(_ffi.library_path), "PYTHONIOENCODING": "utf-8"}
    environment["PYTHONPATH"] = str(SOURCE)
    code = f"""
import time
import numpy as np
from martlet import nn
x, y = np.random.default_rng(1).standard_normal((100, 20)), np.arange(100) % 10
model = nn.Sequential([nn.Dense(10, input_shape=(20,))], seed=1)
model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
{code}"""
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=slave, stderr=slave) as process:
        os.close(slave)
        written = b""
        with contextlib.suppress(OSError):  # what a terminal says at its end
            while part := os.read(master, 65536):
                written += part
    os.close(master)
    assert process.returncode == 0, written.decode()
    return Screen(columns, written.decode()).rows


NUMBERS = r"loss: \d\S* - accuracy: \d\S*"


def test_bars_of_short_epochs_stand_below_each_other() -> None:
    rows = on_a_terminal(200, "model.fit(x, y, epochs=3)\nprint('next')\nmodel.evaluate(x, y)\nprint('last')")
    titles = ["Epoch 1/3", "Epoch 2/3", "Epoch 3/3", "next", "evaluate", "last", ""]
    for title, row in zip(titles, rows, strict=True):
        bar = rf"{title} 100%\|█{{20}}\| 100/100 - \d+\.\d s - \d+ samples/s - {NUMBERS}"
        assert re.fullmatch(title if title in ("next", "last", "") else bar, row)


STOPPED = """
def stop(logs):
    raise SystemExit(0)
model.fit(x, y, validation_data=(x, y), callbacks=[nn.LambdaCallback(on_test_begin=stop)])
"""


@pytest.mark.parametrize(
    ("columns", "bar"),
    [(80, r" 100%\|█{4,}\| 100/100 - 0 s left"), (66, " - 100/100 - 0 s left"), (55, " - 100/100"), (42, "")],
)
def test_a_bar_gives_way_before_the_numbers(columns: int, bar: str) -> None:
    row, rest = on_a_terminal(columns, STOPPED)
    assert re.fullmatch(f"Epoch 1/1{bar} - {NUMBERS}", row) and not rest


def test_a_line_that_ends_has_all_numbers() -> None:
    *rows, rest = on_a_terminal(80, "model.fit(x, y, validation_data=(x, y))")
    assert len(rows) == 2 and not rest
    speed, validation = r"\S+ s - \d+ samples/s", NUMBERS.replace("loss", "val_loss").replace("acc", "val_acc")
    wanted = f"Epoch 1/1 - 100/100 - {speed} - {NUMBERS} - {validation}"
    assert re.fullmatch(wanted.replace(" ", ""), "".join(rows).replace(" ", ""))  # a row may end with one


@pytest.mark.parametrize("columns", range(1, 130, 3))
def test_a_moving_bar_is_one_row(columns: int) -> None:
    progress = _progress.Progress(0, "Epoch 10/10", 60_000)
    progress.pause(1234, {})

    class Row(_progress._Row):
        @property
        def columns(self) -> float:
            return columns

    line = progress._moving({"loss": 0.123456, "正答率": 0.5, "e\u0301": 1.0}, Row(sys.stderr))
    assert sum(2 if one in "正答率" else one != "\u0301" for one in line) <= columns
    assert columns < 60 or line.endswith("loss: 0.1235 - 正答率: 0.5 - e\u0301: 1")


def test_a_stream_that_can_be_written_to_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    class Stream:
        def write(self, text: str) -> None:
            written.append(text)

        def flush(self) -> None:
            pass

    monkeypatch.setattr(sys, "stderr", Stream())
    assert (_progress.level("auto"), _progress.level(1)) == (2, 1)
    progress = _progress.Progress(1, "title", 100)
    progress.show(50, {"loss": 1.0})
    progress.end({"loss": 1.0})
    assert "title  50%|" in written[1] and written[-1] == "\n"


def test_a_bar_where_letters_are_ascii(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with open(tmp_path / "err", "w", encoding="ascii") as file:
        monkeypatch.setattr(sys, "stderr", file)
        progress = _progress.Progress(1, "title", 100)
        progress.show(50, {"loss": 1.0})
        progress.close()
    assert (tmp_path / "err").read_bytes().split(b"\r")[-1].startswith(b"title  50%|##########          | 50/100 - ")
