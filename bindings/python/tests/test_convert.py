"""martlet.convert: N steps in another library and M in Martlet are N + M steps in either, and the other way round.

The cases are the rows of the parity table whose library has Martlet's rule, with their options, in float64. Libraries
that are not installed are skipped: make test has torch, Keras and optax, make parity the others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import martlet.optim
import martlet.torch
import parity
import parity_inputs
from martlet import convert
from parity_rows import ROWS, Row
from peers import PEERS, KerasRun, OptaxRun, Run

# Peers on JAX compute in float64 where they are asked to.
IN_FLOAT64 = True

BEFORE, AFTER = 9, 9
# AdamC has its largest rate in the object. Adafactors and Muons but torch's and NorMuon, Shampoos, Adam-minis, what
# timm masks, and what is put around an optimizer are refused (test_convert_refusals.py, test_convert_files.py,
# test_norms.py, test_adam_mini.py and test_lookahead.py).
CASES = [
    row
    for row in ROWS
    if row.peer and not (row.differs or row.foreign or row.slot or row.call == "AdamC")
    if row.peer != "timm" or "cautious" not in row.options
    if "lookahead_steps" not in row.options
    if row.algorithm not in ("Adafactor", "Muon", "Shampoo", "AdamMini") or row.peer == "torch" or row.call == "NorMuon"
]
# Of another rule than the library's, which gives the same numbers by a constant rate.
OTHERS = [row for row in CASES if "paper" in row.options.values() and row.algorithm == "LaProp"]
# What the library has without saying so.
SAID: dict[tuple[str, str], dict[str, Any]] = {("AdamWScheduleFree", "Keras"): {"weight_lr_power": 0.0}}


def name(row: Row) -> str:
    return ", ".join((*row.case, row.peer))


def there(row: Row) -> tuple[Any, Run]:
    """The peer at its start, and Martlet."""
    if not PEERS[row.peer].version():
        pytest.skip(f"{row.peer} is not installed")
    algorithm = parity.ALGORITHMS[row.algorithm]
    options = {**algorithm.options, **row.options}
    options.pop("semantics", None)
    ours = parity.martlets(replace(row, options={**row.options, **SAID.get((row.algorithm, row.peer), {})}), np.float64)
    if ours is None:
        pytest.skip("martlet.torch does not have it")
    own = dict(row.own)
    if row.rates == "constant" and "optax" in row.peer:
        own["fixed_rate"] = True
    start = parity_inputs.begun(row, np.float64)
    peer = PEERS[row.peer].start(row.call or row.algorithm, start, lambda t: parity_inputs.rate(row, t), options, own)
    return peer, ours


def steps(row: Row, run: Run, first: int, count: int) -> None:
    for t in range(first, first + count):
        grads = parity_inputs.given(row, t, denormals=False)
        run.step(t, [grad.astype(np.float64) for grad in grads])


def put(run: Any, values: list[Any]) -> None:
    """Gives a run these parameters."""
    if isinstance(run, KerasRun):
        for variable, value in zip(run.variables, values, strict=True):
            variable.assign(value)
    elif isinstance(run, OptaxRun):
        run.parameters = [run.jax.numpy.asarray(value) for value in values]
    else:
        for parameter, value in zip(run.parameters, values, strict=True):
            parameter.data.copy_(run.torch.from_numpy(value.copy()))


def move_in(peer: Any, ours: Any) -> None:
    optimizer = ours.optimizer
    if isinstance(peer, KerasRun):
        packed = convert.from_keras(peer.optimizer, optimizer)
    elif isinstance(peer, OptaxRun):
        packed = convert.from_optax(peer.state, optimizer)
    else:
        packed = convert.from_torch(peer.optimizer, optimizer)
    with ours.default_type():  # in which single numbers are kept
        optimizer.load_state_dict(packed)


def move_out(ours: Any, peer: Any) -> None:
    optimizer = ours.optimizer
    if isinstance(peer, KerasRun):
        convert.to_keras(optimizer, peer.optimizer)
    elif isinstance(peer, OptaxRun):
        peer.state = convert.to_optax(optimizer, peer.state)
    else:
        with peer.default_type():
            peer.optimizer.load_state_dict(convert.to_torch(optimizer, peer.optimizer))


def check_same(found: list[Any], wanted: list[Any], row: Row) -> None:
    small = 1e-8 if parity.ALGORITHMS[row.algorithm].plain else 1e-14  # products in float32
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=max(1e-9, row.exact), atol=small)


@pytest.mark.parametrize("row", CASES, ids=name)
def test_training_goes_on_in_martlet(row: Row) -> None:
    peer, ours = there(row)
    steps(row, peer, 1, BEFORE)
    put(ours, peer.values())
    move_in(peer, ours)
    for run in (peer, ours):
        steps(row, run, BEFORE + 1, AFTER)
    check_same(ours.values(), peer.values(), row)


@pytest.mark.parametrize("row", [row for row in CASES if row not in OTHERS], ids=name)
def test_training_goes_on_in_the_other(row: Row) -> None:
    peer, ours = there(row)
    steps(row, ours, 1, BEFORE)
    put(peer, ours.values())
    move_out(ours, peer)
    for run in (peer, ours):
        steps(row, run, BEFORE + 1, AFTER)
    check_same(peer.values(), ours.values(), row)


TOLD = [
    row for row in CASES if row.peer in ("schedulefree", "prodigyopt", "timm", "pytorch_optimizer", "adabelief-pytorch")
]


@pytest.mark.parametrize("row", TOLD, ids=name)
def test_load_state_dict_knows_other_libraries(row: Row) -> None:
    """By their groups' keys, in martlet.torch and martlet.optim. What an object alone knows was told to ours."""
    peer, ours = there(row)
    steps(row, peer, 1, BEFORE)
    packed = peer.optimizer.state_dict()
    with ours.default_type():
        ours.optimizer.load_state_dict(packed)
    if row.algorithm != "AdaBound":  # whose first rate an object knows alone
        put(ours, peer.values())
        arrays = peer.values()
        plain = getattr(martlet.optim, row.algorithm)(arrays, lr=1.0, **numpy_options(ours))
        plain.load_state_dict(packed)
        for run in (peer, ours):
            steps(row, run, BEFORE + 1, AFTER)
        for t in range(BEFORE + 1, BEFORE + 1 + AFTER):
            plain.lr = parity_inputs.rate(row, t)
            plain.step([grad.astype(np.float64) for grad in parity_inputs.given(row, t, denormals=False)])
        check_same(ours.values(), peer.values(), row)
        check_same(arrays, peer.values(), row)


def numpy_options(ours: Any) -> dict[str, Any]:
    """What the object alone knew of the peer: flags."""
    group = ours.optimizer.param_groups[0]
    keys = ["maximize", "amsgrad", "rectify"]
    keys += ["decoupled_weight_decay"] * (type(ours.optimizer).__name__ != "AdamW")
    return {key: group[key] for key in keys if key in group}


def test_a_rate_that_the_object_alone_began_with() -> None:
    """pytorch_optimizer's AdaBound bounds by it, and no state_dict tells it."""
    row = next(row for row in CASES if row.algorithm == "AdaBound")
    peer, ours = there(row)
    steps(row, ours, 1, 2)
    peer.optimizer.base_lrs[0] *= 2
    with pytest.raises(martlet.ArgumentError, match="began with lr=0.001, and ours with 0.0005"):
        convert.to_torch(ours.optimizer, peer.optimizer)
