"""States that begin and end sequences with hidden steps, as ONNX files: steps hidden before, between and behind, all of
them, none; at the example's number of steps and at others, of one sample and of several."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exported import alike, fill, numbers
from martlet import nn
from onnx_runs import run
from test_onnx_masks import STEPS, WAYS, samples

STATED: dict[str, Callable[..., Any]] = {
    "LSTM": nn.LSTM,
    "LSTM, backwards": lambda units, **given: nn.LSTM(units, go_backwards=True, **given),
    "GRU": nn.GRU,
    "GRU, reset first": lambda units, **given: nn.GRU(units, reset_after=False, **given),
    "SimpleRNN, backwards": lambda units, **given: nn.SimpleRNN(units, go_backwards=True, **given),
    "LSTM, both ways": lambda units, **given: nn.Bidirectional(nn.LSTM(units, **given), "ave"),
    "GRU, both ways": lambda units, **given: nn.Bidirectional(nn.GRU(units, **given)),
}


def build(way: str, kind: str, every: bool, steps: int) -> Any:
    inputs, x = WAYS[way](steps)
    layer = STATED[kind](5, return_sequences=every, return_state=True)
    first = [nn.Input((5,)) for _ in layer._state_sizes()]
    given, *states = layer(x, initial_state=first)
    ended = nn.GRU(3)(given) if every else nn.Dense(3)(given)
    model = nn.Model([*(inputs if isinstance(inputs, list) else [inputs]), *first], [given, *states, ended])
    fill(model)
    return model


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("kind", STATED)
@pytest.mark.parametrize("way", WAYS)
def test_states_beside_masks(way: str, kind: str, every: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    model = build(way, kind, every, STEPS)
    model.to_onnx(path)
    states = sum(one.shape[1:] == (5,) for one in model.inputs)
    for steps in (1, 2, STEPS, 23):
        read = samples(way, steps)
        x = [*(read if isinstance(read, list) else [read]), *(numbers((12, 5), 9 + place) for place in range(states))]
        found = run(path, x)
        alike(found, build(way, kind, every, steps).predict(x))
        for some in (slice(0, 1), slice(2, 5)):
            alike(run(path, [one[some] for one in x]), [one[some] for one in found])
