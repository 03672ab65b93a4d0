"""The rates of martlet.schedules beside torch's schedulers and Keras's schedules, which are run; and beside formulas in
plain sight for those that neither has."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from martlet import schedules
from schedule_cases import BASE, DECAYS, LIKE_TORCH, STEPS, rates, with_rate

# Of what cancels: (1 + cos) / 2, which torch and Keras have to a half unit of 1.
CANCELLED = 2.0**-52 * BASE


def close(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=CANCELLED)


def torchs(make: Callable[[Any], Any], steps: int = STEPS, lr: float = BASE, what: str = "lr") -> list[float]:
    """What torch's scheduler sets step by step, by its closed form where it has one."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)
    group = optimizer.param_groups[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = make(optimizer)
        found = []
        for step in range(steps):
            if hasattr(scheduler, "_get_closed_form_lr"):
                scheduler.last_epoch = step
                found.append(float(scheduler._get_closed_form_lr()[0]))
            else:
                found.append(float(group[what]))
                if step < steps - 1:
                    scheduler.step()
    return found


@pytest.mark.parametrize("name", LIKE_TORCH)
def test_rates_are_torchs(name: str) -> None:
    ours, theirs = LIKE_TORCH[name]
    steps = 160 if name == "sequence" else STEPS  # up to the cosine's end: what torch's recursion drifts by is its own
    if name == "sequence":
        np.testing.assert_allclose(rates(ours, steps), torchs(theirs, steps), rtol=1e-10, atol=CANCELLED)
    else:
        close(rates(ours, steps), torchs(theirs, steps))


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize(("total", "start"), [(100, 0.3), (97, 0.25), (260, 0.5), (33, 0.0), (40, 1.0), (7, 0.1)])
def test_one_cycle_is_torchs(strategy: str, three_phase: bool, total: int, start: float) -> None:
    def theirs(optimizer: Any) -> Any:
        return lr_scheduler.OneCycleLR(
            optimizer, BASE, total_steps=total, pct_start=start, anneal_strategy=strategy, div_factor=20.0,
            final_div_factor=500.0, three_phase=three_phase, base_momentum=0.8, max_momentum=0.99,
        )  # fmt: skip

    ours = schedules.OneCycle(
        BASE, total, pct_start=start, anneal_strategy=strategy, div_factor=20.0, final_div_factor=500.0,
        three_phase=three_phase,
    )  # fmt: skip
    close(rates(ours, total), torchs(theirs, total))
    close(rates(ours.momentum(0.8, 0.99), total), torchs(theirs, total, what="momentum"))
    assert ours(total) == ours(10**9) == ours(total - 1)  # torch overshoots, and then raises
    assert schedules.OneCycle(BASE, epochs=4, steps_per_epoch=5)(3) == schedules.OneCycle(BASE, 20)(3)


def test_one_cycle_where_torch_divides_by_zero() -> None:
    """The first phase has no steps: 10 of them times 0.1 less the one that torch takes off."""
    with pytest.raises(ZeroDivisionError):
        torchs(lambda o: lr_scheduler.OneCycleLR(o, BASE, total_steps=10, pct_start=0.1), 2)
    ours = rates(schedules.OneCycle(BASE, 10, pct_start=0.1), 10)
    assert ours[0] == BASE and ours == sorted(ours, reverse=True)
    assert ours[9] == pytest.approx(BASE / 25 / 1e4)


# A process of its own: the backend is chosen at import, and torch's alone keeps float64 in cos.
KERAS = """
import json, sys, warnings
import keras
keras.config.set_floatx("float64")
found = {}
for name, (kind, options) in json.load(sys.stdin).items():
    schedule = getattr(keras.optimizers.schedules, kind)(**options)
    as_given = int if kind == "PiecewiseConstantDecay" else float
    rates = [float(schedule(as_given(step))) for step in range(int(sys.argv[1]))]
    found[name] = rates, keras.optimizers.schedules.serialize(schedule)
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def kerass() -> Any:
    """Of each row of DECAYS: Keras's rates, and its schedule written down."""
    done = subprocess.run(
        [sys.executable, "-c", KERAS, str(STEPS)],
        input=json.dumps({name: (kind, with_rate(kind, options)) for name, (kind, options) in DECAYS.items()}),
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", DECAYS)
def test_rates_are_kerass(name: str, kerass: Any) -> None:
    kind, options = DECAYS[name]
    wanted, written = kerass[name]
    ours = getattr(schedules, kind)(**with_rate(kind, options))
    close(rates(ours), wanted)
    assert list(ours.get_config()) == list(written["config"])
    assert type(ours).from_config(written["config"]) == schedules.deserialize(written) == ours


def test_pieces() -> None:
    assert rates(schedules.PiecewiseConstantDecay([-5.0, 1.5, 1.7], [4, 3, 2, 1]), 4) == [3, 3, 1, 1]
    assert schedules.PiecewiseConstantDecay([], [0.5])(7) == 0.5


def test_restarts_are_where_they_should_be() -> None:
    """Keras, and torch with an epoch, find the cycle by a logarithm, a little under a whole number for some."""
    for factor in (2, 3, 5, 7, 10):
        ours = schedules.CosineDecayRestarts(BASE, 4, t_mul=float(factor), m_mul=0.5)
        begin, length, peak = 0, 4, BASE
        for _ in range(12):
            assert ours(begin) == pytest.approx(peak, rel=1e-15), (factor, begin)
            assert ours(begin + length - 1) < peak / 3
            begin, length, peak = begin + length, length * factor, peak / 2
    hardly = schedules.CosineDecayRestarts(BASE, 3.0, t_mul=1.0 + 2**-52)
    assert rates(hardly, 4) == rates(schedules.CosineDecayRestarts(BASE, 3.0, t_mul=1.0), 4)
    assert 0 <= hardly(10**18) <= BASE


def test_inverse_square_root() -> None:
    """Hugging Face's formula."""
    for warmup, timescale in ((20, None), (20, 50), (0, None), (0, 3)):
        scale = timescale or warmup or 10_000
        shift = scale - warmup
        wanted = [
            BASE * (step / warmup if step < warmup else 1 / math.sqrt((step + shift) / scale)) for step in range(STEPS)
        ]
        close(rates(schedules.InverseSquareRoot(BASE, warmup, timescale)), wanted)


@pytest.mark.parametrize("decay", ["linear", "cosine", "1-sqrt"])
@pytest.mark.parametrize(("warmup", "stable"), [(20, 100), (0, 100), (20, 0), (0, 0)])
def test_warmup_stable_decay(decay: str, warmup: int, stable: int) -> None:
    left = {
        "linear": lambda x: 1 - x,
        "cosine": lambda x: (1 + math.cos(math.pi * x)) / 2,
        "1-sqrt": lambda x: 1 - math.sqrt(x),
    }[decay]
    wanted = []
    for step in range(STEPS):
        if step < warmup:
            wanted.append(0.1 + (BASE - 0.1) * step / warmup)
        elif step < warmup + stable:
            wanted.append(BASE)
        else:
            wanted.append(0.01 + (BASE - 0.01) * left(min((step - warmup - stable) / 50, 1)))
    close(rates(schedules.WarmupStableDecay(BASE, warmup, stable, 50, decay, 0.1, 0.01)), wanted)


def test_warmups() -> None:
    after = schedules.CosineDecay(BASE, 50)
    warm = schedules.LinearWarmup(after, 10)
    assert rates(warm, 60)[10:] == rates(after, 50)
    close(rates(warm, 10), [BASE * step / 10 for step in range(10)])
    assert schedules.LinearWarmup(BASE, 4, 0.1)(99) == BASE and schedules.LinearWarmup(BASE, 4, 0.1)(0) == 0.1
    assert rates(schedules.LinearWarmup(after, 0), 60) == rates(after, 60)


def test_sequences_of_sequences() -> None:
    inner = schedules.Sequential([0.1, schedules.Exponential(0.2, 0.5), 0.3], [2, 4])
    outer = schedules.Sequential([inner, inner, 0.9], [3, 8])
    assert rates(outer, 10) == [0.1, 0.1, 0.2, 0.1, 0.1, 0.2, 0.1, 0.3, 0.9, 0.9]
    chain = schedules.Chained([outer, schedules.MultiStep(1.0, [1], 0.5), 2.0])
    assert rates(chain, 10) == [rate * (1 if index else 2) for index, rate in enumerate(rates(outer, 10))]


def test_any_number_of_a_step() -> None:
    schedule = schedules.CosineDecay(BASE, 100)
    for step in (7, np.int64(7), np.array(7), 7.0, torch.tensor(7), np.float32(7)):
        assert schedule(step) == schedule(7)
    np.testing.assert_array_equal(schedule(np.arange(6).reshape(2, 3)), np.reshape(rates(schedule, 6), (2, 3)))
    assert schedule(2**63 - 1) == 0
