"""python -m martlet gallery: every algorithm is in it, swept alike, and each goes down."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from martlet import _algorithms, optim
from martlet.__main__ import main
from martlet.gallery import sweeps, table
from martlet.gallery.surfaces import SURFACES


@pytest.mark.parametrize("name", SURFACES)
def test_gradients_are_those_of_the_values(name: str) -> None:
    surface, near = SURFACES[name], 1e-6
    assert surface.value(*surface.minimum) == pytest.approx(0, abs=1e-30)
    for x, y in (surface.start, (0.3, -0.7), (-1.1, 0.4)):
        along_x = (surface.value(x + near, y) - surface.value(x - near, y)) / (2 * near)
        along_y = (surface.value(x, y + near) - surface.value(x, y - near)) / (2 * near)
        np.testing.assert_allclose(surface.gradient(x, y), (along_x, along_y), rtol=1e-6, atol=1e-6)


def test_every_algorithm_is_swept_alike_and_goes_down() -> None:
    kinds = [getattr(optim, name) for name in optim.__all__ if name != "Optimizer"]
    found = sweeps.contenders()
    assert set(found) == {_algorithms.of(kind._algorithm).name for kind in kinds} | {"momentum"}
    surface = SURFACES["rosenbrock"]
    for contender in found.values():
        runs = sweeps.sweep(contender, surface, steps=50)
        assert [run.rate for run in runs] == (list(sweeps.RATES) if contender.takes_vectors else [])
        if runs:
            assert sweeps.best(runs).loss < surface.value(*surface.start), contender.name


def test_it_prints_and_writes_the_same_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["gallery", "--only", "beale,adam,lion", "--output", str(tmp_path / "new")]
    assert main(command) == 0
    shown = capsys.readouterr().out
    written = (tmp_path / "new" / "gallery.csv").read_text()
    assert [line.split()[0] for line in shown.splitlines()] == ["algorithm", "adam", "lion", "wrote"]
    assert len(written.splitlines()) == 1 + 2 * len(sweeps.RATES)
    assert main(command) == 0
    assert capsys.readouterr().out == shown
    assert (tmp_path / "new" / "gallery.csv").read_text() == written


def test_what_takes_matrices_alone_is_said_not_to_apply() -> None:
    assert table.rows({"one": {"beale": []}})[1] == ("one", table.DOES_NOT_APPLY, "")


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--only", "adma"], "--only: there is no 'adma'; wanted a problem"), (["--output", "/dev/null/x"], "--output: ")],
)
def test_bad_options_are_named(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["gallery", *(["--only", "beale,sgd"] if options[0] == "--output" else []), *options])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
