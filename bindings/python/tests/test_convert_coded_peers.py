"""martlet.convert with state of few bits: bitsandbytes and torchao themselves, where they are installed, and the
wide state of Keras and optax."""

from __future__ import annotations

import importlib
import os
from typing import Any

import numpy as np
import pytest
import torch

import martlet.torch as mt
from codes import decoded
from martlet import convert, optim
from test_convert_coded import BITS, COUNT, SHAPE, arrays, check_kept, kept


@pytest.mark.parametrize("word", ["int8", "int4"])
def test_keras_and_optax_have_numbers(word: str) -> None:
    """Their wide state in codes here, and what these stand for there."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras, optax, jnp = peer("keras"), peer("optax"), peer("jax.numpy")
    gradient = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    variable, theirs = keras.Variable(np.zeros(SHAPE, np.float32)), keras.optimizers.Adam(0.01)
    theirs.build([variable])
    theirs.apply([jnp.asarray(gradient)], [variable])
    optimizer, _ = arrays(optim.Adam, word, semantics="keras")
    optimizer.load_state_dict(convert.from_keras(theirs, optimizer))
    (moment,) = (each for each in theirs.variables if each.path.endswith("momentum"))
    check_kept(optimizer, "exp_avg", np.asarray(moment), word, True)
    convert.to_keras(optimizer, theirs)
    numbers = decoded(kept(optimizer, "exp_avg"), COUNT, "exp_avg", BITS[word]).reshape(SHAPE)
    assert np.array_equal(np.asarray(moment), numbers)
    rule = optax.adam(0.01)
    _, state = rule.update(jnp.asarray(gradient), rule.init(jnp.zeros(SHAPE)))
    optimizer, _ = arrays(optim.Adam, word, semantics="optax")
    optimizer.load_state_dict(convert.from_optax(state, optimizer))
    check_kept(optimizer, "exp_avg", np.asarray(state[0].mu), word, True)
    numbers = decoded(kept(optimizer, "exp_avg"), COUNT, "exp_avg", BITS[word]).reshape(SHAPE)
    assert np.array_equal(np.asarray(convert.to_optax(optimizer, state)[0].mu), numbers)


def peer(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except Exception as error:
        pytest.skip(f"{name} cannot be imported: {error!r:.200}")


def parameters() -> list[torch.nn.Parameter]:
    torch.manual_seed(1)
    return [torch.nn.Parameter(torch.randn(64, 128) * 0.1), torch.nn.Parameter(torch.randn(5) * 0.1)]


def step(optimizer: Any, values: list[torch.nn.Parameter], t: int) -> None:
    generator = torch.Generator().manual_seed(100 + t)
    for value in values:
        value.grad = torch.randn(value.shape, generator=generator)
    optimizer.step()


def apart(first: list[torch.nn.Parameter], second: list[torch.nn.Parameter]) -> float:
    return max(float((one - two).detach().abs().max()) for one, two in zip(first, second, strict=True))


def both_ways(kind: Any, options: Any, ours: Any, our_options: Any, wide: Any) -> list[float]:
    """How far three steps there and three here end from six wide ones, in parts of the way; and the other way round."""
    reference = parameters()
    exact = wide(reference)
    for t in range(6):
        step(exact, reference, t)
    start = parameters()
    way = apart(reference, start)
    found = []
    for word in (None, "int8"):
        here = parameters()
        theirs = kind(here, **options)
        for t in range(3):
            step(theirs, here, t)
        optimizer = ours(here, state_dtype=word, **our_options)
        optimizer.load_state_dict(convert.from_torch(theirs, optimizer))
        alone = ours(parameters(), state_dtype=word, **our_options)
        alone.load_state_dict(theirs.state_dict())
        assert str(alone.state_dict()["state"]) == str(optimizer.state_dict()["state"])
        for t in range(3, 6):
            step(optimizer, here, t)
        there = parameters()
        optimizer = ours(there, state_dtype=word, **our_options)
        optimizer.load_state_dict(convert.from_torch(kind(parameters(), **options), optimizer))
        for t in range(3):
            step(optimizer, there, t)
        theirs = kind(there, **options)
        theirs.load_state_dict(convert.to_torch(optimizer, theirs))
        for t in range(3, 6):
            step(theirs, there, t)
        for moved in (here, there):
            found.append(apart(moved, reference) / way)
    return found


BNB = {
    "AdamW": (mt.AdamW, {}, {}),
    "Adam": (mt.Adam, {"weight_decay": 0.1}, {}),
    "Lion": (mt.Lion, {"weight_decay": 0.1}, {}),
    "SGD": (mt.SGD, {"momentum": 0.9, "lr": 0.1, "weight_decay": 0.1}, {"momentum": 0.9}),
    "RMSprop": (mt.RMSprop, {"lr": 0.01, "weight_decay": 0.1}, {}),
    "Adagrad": (mt.Adagrad, {"weight_decay": 0.1}, {}),
}


@pytest.mark.parametrize("name", BNB)
def test_bitsandbytes_itself(name: str) -> None:
    library, (ours, options, our_options) = peer("bitsandbytes").optim, BNB[name]
    wide = getattr(library, f"{name}32bit")
    from_wide, to_wide, *_ = both_ways(wide, options, ours, our_options, lambda values: wide(values, **options))
    assert max(from_wide, to_wide) < 1e-5
    small = getattr(library, f"{name}8bit")
    found = both_ways(small, options, ours, our_options, lambda values: wide(values, **options))
    if name != "Lion":  # whose steps are signs
        assert max(found) < 0.12


@pytest.mark.parametrize("warm", [None, 5])
def test_ademamix_of_bitsandbytes_itself(warm: int | None) -> None:
    library = peer("bitsandbytes").optim
    options = {"t_alpha": warm, "t_beta3": warm}

    def wide(values: Any) -> Any:
        return mt.AdEMAMix(values, alpha=5.0, alpha_warmup=warm or 0, beta3_warmup=warm or 0, weight_decay=0.01)

    assert max(both_ways(library.AdEMAMix8bit, options, mt.AdEMAMix, {}, wide)) < 0.12


@pytest.mark.parametrize("name", ["AdamW8bit", "Adam8bit", "AdamW4bit", "AdamWFp8", "AdamFp8"])
def test_torchao_itself(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a compiler."""
    kind = getattr(peer("torchao").optim, name)
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    decay = {"weight_decay": 0.1}
    reference = torch.optim.AdamW if "AdamW" in name else torch.optim.Adam
    ours = mt.AdamW if "AdamW" in name else mt.Adam
    found = both_ways(kind, decay, ours, {}, lambda values: reference(values, **decay))
    assert max(found) < (0.6 if "4bit" in name else 0.12)
