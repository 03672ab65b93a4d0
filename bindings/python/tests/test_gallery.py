"""python -m martlet gallery: every algorithm is in it, swept alike, and each goes down."""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageColor

import martlet.gallery
from martlet import _algorithms
from martlet.__main__ import main
from martlet.gallery import canvas, command, digits, pictures, sweeps, table
from martlet.gallery.contenders import BASELINES, Contender, contenders
from martlet.gallery.problems import FULL, QUICK, Effort, Outcome
from martlet.gallery.surfaces import SURFACES

ROOT = Path(__file__).resolve().parents[3]
FEW = ["--quick", "--only", "beale", "digits_mlp", "adam", "muon,schedule_free_adamw"]


def names() -> set[str]:
    """What the library has."""
    return {_algorithms.of(number).name for number in _algorithms.numbers()} | {"momentum", "hyperball", "normuon"}


@pytest.mark.parametrize("name", SURFACES)
def test_gradients_are_those_of_the_values(name: str) -> None:
    surface, near = SURFACES[name], 1e-6
    assert surface.value(*surface.minimum) == pytest.approx(0, abs=1e-30)
    for x, y in (surface.start, (0.3, -0.7), (-1.1, 0.4)):
        along_x = (surface.value(x + near, y) - surface.value(x - near, y)) / (2 * near)
        along_y = (surface.value(x, y + near) - surface.value(x, y - near)) / (2 * near)
        np.testing.assert_allclose(surface.gradient(x, y), (along_x, along_y), rtol=1e-6, atol=1e-6)


def test_every_algorithm_is_there_after_the_baselines() -> None:
    found = contenders()
    assert set(found) == names()
    assert tuple(found)[:3] == BASELINES
    assert [one.place for one in found.values()] == list(range(len(found)))


@pytest.mark.parametrize("problem", ["rosenbrock", "digits_mlp"])
def test_every_algorithm_goes_down(problem: str) -> None:
    start = SURFACES[problem].value(*SURFACES[problem].start) if problem in SURFACES else 1.1 * math.log(10)
    effort = Effort(range(-7, 0, 3), 0, 50, 1, 1)
    for name, of in sweeps.results((list(contenders()), [problem]), effort).items():
        if sweeps.suits(contenders()[name], sweeps.PROBLEMS[problem]):
            assert sweeps.best(of[problem]).loss < start, name
            assert table.rows({name: of})[1][1] not in (table.DOES_NOT_APPLY, table.DIVERGES)
        else:
            assert table.rows({name: of})[1] == (name, table.DOES_NOT_APPLY, "")


class _Noted:
    """A problem whose loss is least at a rate, and that remembers what it was asked."""

    name = title = "noted"
    first_loss, has_matrices = 1.0, True

    def __init__(self, least: float) -> None:
        self.least, self.asked = least, list[tuple[Any, ...]]()

    def run(self, contender: Contender, rate: float, effort: Effort, trail: list[Any] | None = None) -> Outcome:
        self.asked.append((round(2 * math.log10(rate)), effort))
        return Outcome(abs(math.log10(rate) - self.least))


@pytest.mark.parametrize("effort", [FULL, QUICK])
def test_every_algorithm_gets_the_same_rates_and_steps(effort: Effort) -> None:
    for contender in contenders().values():
        problem = _Noted(-2.0)
        sweeps.sweep(contender, problem, effort)
        assert problem.asked == [(number, effort) for number in effort.grid]


@pytest.mark.parametrize(
    ("least", "least_asked", "most_asked", "edge"), [(-6.5, -14, 2, 0), (-9, -16, 2, -1), (2.0, -10, 5, 0)]
)
def test_the_grid_is_widened_where_its_last_rate_is_best(
    least: float, least_asked: int, most_asked: int, edge: int
) -> None:
    runs = sweeps.sweep(contenders()["sgd"], _Noted(least), FULL)
    assert [run.number for run in runs] == list(range(least_asked, most_asked + 1))
    assert sweeps.edge(runs) == edge
    assert table.rows({"sgd": {"noted": runs}})[1][2].endswith("*") == bool(edge)


def test_a_networks_parameters_are_the_models_own() -> None:
    model, _, _, parameters, gradients = digits._model(digits.NETWORKS["digits_conv"], 0)
    kernel = model.get_weights()[2]
    assert parameters["layer1.weight"].shape == (16, 8, 2, 2)
    np.testing.assert_array_equal(parameters["layer1.weight"], kernel.transpose(3, 2, 0, 1))
    assert sum(array.size for array in gradients.values()) == model.parameters().size
    assert all(np.shares_memory(array, model.parameters()) for array in parameters.values())


def test_no_algorithm_decays_weights() -> None:
    for contender in contenders().values():
        parameters = {"layer.weight": np.zeros((2, 2), np.float32), "layer.bias": np.zeros(2, np.float32)}
        groups = contender.kind(parameters, lr=0.1, **contender.options).param_groups
        assert all(group.get("weight_decay", 0.0) == 0.0 for group in groups), contender.name


def test_what_counts_is_the_trained_point() -> None:
    """Schedule-Free gradient descent by its paper: x is the mean of z, and gradients are taken near it, at y."""
    surface, rate = SURFACES["quadratic"], 0.01
    z = y = np.array(surface.start)
    x = np.zeros(2)
    for step in range(50):
        z = z - rate * np.array(surface.gradient(*y))
        x = x + (z - x) / (step + 1)
        y = 0.1 * z + 0.9 * x
    outcome = surface.run(contenders()["schedule_free_sgd"], rate, FULL._replace(steps=50))
    assert outcome.loss == pytest.approx(surface.value(*x), rel=1e-9)


def test_a_way_ends_at_what_is_counted() -> None:
    for name in ("adam", "schedule_free_sgd"):
        surface, trail = SURFACES["beale"], list[Any]()
        outcome = surface.run(contenders()[name], 0.01, FULL, trail)
        assert len(trail) == FULL.steps
        assert surface.value(*trail[-1]) == pytest.approx(outcome.loss, rel=1e-9)


def test_it_prints_and_writes_the_same_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = []
    for folder in ("one", "two"):
        assert main(["gallery", *FEW, "--output", str(tmp_path / folder)]) == 0
        shown = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in shown[:4]] == ["algorithm", "adam", "schedule_free_adamw", "muon"]
        written.append({path.name: path.read_bytes() for path in sorted((tmp_path / folder).iterdir())})
    assert written[0] == written[1]
    assert written[0].keys() == {f"{name}.png" for name in ("beale", "digits_mlp", "sensitivity")} | {
        "gallery.csv",
        "gallery.md",
    }
    lines = list(csv.DictReader(written[0]["gallery.csv"].decode().splitlines()))
    assert len(lines) == len(QUICK.grid) * (2 * 3 - 1)
    assert written[0]["gallery.md"].decode().splitlines()[1] == "| --- | --- | --- | --- | --- | --- |"


def test_pictures_show_something(tmp_path: Path) -> None:
    main(["gallery", "--quick", "--only", "beale,digits_conv,momentum,muon", "--output", str(tmp_path)])
    # The names of algorithms, in their colours, have 160 pixels.
    for name, line in (("beale", "momentum"), ("digits_conv", "muon"), ("sensitivity", "")):
        pixels = np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")).astype(int)
        assert min(pixels.shape[:2]) > 200
        assert (pixels > 250).all(axis=2).mean() < 0.95, name
        if line:
            near = abs(pixels - ImageColor.getrgb(canvas.colour(line))).max(axis=2) < 16
            assert near.sum() > 300, name


def test_pictures_do_not_go_by_settings(tmp_path: Path) -> None:
    """Of who runs the command, in a file of matplotlib's."""
    found = sweeps.results((["sgd"], ["beale"]), QUICK)
    plain = pictures.all_of(found, sweeps.ways(found, QUICK), QUICK)
    with matplotlib.rc_context({"text.color": "red", "axes.labelcolor": "red"}):
        assert pictures.all_of(found, sweeps.ways(found, QUICK), QUICK) == plain


def test_processes_give_the_same() -> None:
    asked = (["adam", "lion"], ["beale"])
    assert sweeps.results(asked, QUICK, 2) == sweeps.results(asked, QUICK)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "adma"], "--only: there is no 'adma'; wanted a problem (rosenbrock"),
        (["--only", "beale,sgd", "--output", "/dev/null/x"], "--output: "),
    ],
)
def test_bad_options_are_named(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["gallery", "--quick", *options])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_what_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    digits.images.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(SystemExit):
        main(["gallery", "--quick", "--only", "digits"])
    assert "pip install scikit-learn, or leave them out: --only rosenbrock" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in ("canvas", "sensitivity", "pictures"):
        monkeypatch.delitem(sys.modules, f"martlet.gallery.{name}")
        monkeypatch.delattr(martlet.gallery, name)
    with pytest.raises(SystemExit):
        main(["gallery", "--quick", "--only", "beale", "--output", str(tmp_path / "new")])
    assert "pip install matplotlib, or leave out --output" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_digits_stand_for_both_networks() -> None:
    assert command.chosen(["digits"])[1] == ["digits_mlp", "digits_conv"]


def test_the_page_shows_what_the_command_makes() -> None:
    page = (ROOT / "docs/gallery.md").read_text(encoding="utf-8")
    heads, _, *lines = (line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("|"))
    found = sweeps.results((["sgd"], list(sweeps.PROBLEMS)), Effort((-4,), 0, 1, 1, 1))
    assert tuple(heads) == table.rows(found)[0]
    assert {line[0] for line in lines} <= names() and len(lines) > 20
    assert {path.stem for path in (ROOT / "docs/gallery").glob("*.png")} == {*sweeps.PROBLEMS, "sensitivity"}
    assert sum(path.stat().st_size for path in (ROOT / "docs/gallery").iterdir()) < 500_000
