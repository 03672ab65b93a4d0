"""martlet.convert with state of few bits: Martlet's own from and to libraries of wide state; bitsandbytes' and
torchao's by dictionaries as they write them, made here, and by themselves where they are installed."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

import martlet.torch as mt
from codes import decoded
from martlet import convert, optim
from martlet._errors import ArgumentError, FormatError, MartletError, UnsupportedError

NDArray = np.ndarray[Any, Any]
SHAPE = (60, 101)  # its last block has 172 numbers
COUNT = 60 * 101
BLOCKS = -(-COUNT // 256)
BITS = {"fp16": 16, "int8": 8, "int4": 4}
# How far a number may be from its code, in parts of a block's largest: half of the largest gap.
GAPS = {"fp16": 0.00025, "int8": 0.032, "int4": 0.126}


def dynamic_map(signed: bool) -> NDArray:
    """bitsandbytes' map: ever more fractions of a decade, from 1e-7 to 1, 0 and 1."""
    found = [0.0, 1.0]
    for i in range(7):
        edges = np.linspace(0.1, 1, 2**i + 1 if signed else 2 ** (i + 1) + 1, dtype=np.float32)
        means = 10.0 ** (i - 6) * ((edges[:-1] + edges[1:]) / 2).astype(np.float64)
        found += [*means, *(-means if signed else [])]
    return np.sort(np.array(found, np.float32))


MAPS = {True: dynamic_map(True), False: dynamic_map(False)}


def coded(seed: int, signed: bool) -> tuple[NDArray, NDArray, NDArray]:
    """Codes, scales, and the numbers that they are."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 256, SHAPE).astype(np.uint8)
    scales = rng.uniform(0.5, 2, BLOCKS).astype(np.float32)
    numbers = MAPS[signed][codes.ravel()] * np.repeat(scales, 256)[:COUNT]
    return codes, scales, numbers.reshape(SHAPE)


def entry_of(wrapped: bool, second: bool = True) -> tuple[dict[str, Any], list[NDArray]]:
    """A parameter's state, and what it stands for."""
    found: dict[str, Any] = {}
    numbers = []
    for number, signed in (("1", True), ("2", False))[: 1 + second]:
        codes, scales, wide = coded(int(number), signed)
        found |= {f"state{number}": torch.from_numpy(codes), f"qmap{number}": torch.from_numpy(MAPS[signed])}
        found[f"absmax{number}"] = torch.from_numpy(scales)
        numbers.append(wide)
    return ({"step": 7, "__bnb_optimizer_quant_state__": found} if wrapped else {"step": 7, **found}), numbers


ADAMS_GROUP = {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1, "alpha": 0.0, "t_alpha": None,
               "t_beta3": None, "params": [0]}  # fmt: skip


def arrays(kind: Any, word: str | None, **options: Any) -> tuple[Any, Any]:
    """An optimizer of martlet.optim or martlet.torch, and its parameter."""
    value: Any = np.zeros(SHAPE, np.float32)
    value = torch.nn.Parameter(torch.from_numpy(value)) if issubclass(kind, mt.Optimizer) else value
    return kind([value], state_dtype=word, **options), value


def kept(optimizer: Any, slot: str) -> Any:
    """A moment as an array."""
    return np.asarray(optimizer.state_dict()["state"][0][slot])


def check_kept(optimizer: Any, slot: str, numbers: NDArray, word: str | None, signed: bool) -> None:
    array = kept(optimizer, slot)
    if word is None:
        assert np.array_equal(array, numbers)
        return
    assert array.dtype == np.uint8
    found = decoded(array, COUNT, slot, BITS[word])
    block = 128 if word == "int4" else 256
    most = np.repeat(np.maximum.reduceat(np.abs(numbers.ravel()), np.arange(0, COUNT, block)), block)[:COUNT]
    assert np.all(np.abs(found - numbers.ravel()) <= GAPS[word] * most)
    assert np.all(found[numbers.ravel() == 0] == 0)
    if not signed:
        assert np.all(found[numbers.ravel() > 0] > 0)


@pytest.mark.parametrize("word", [None, "fp16", "int8", "int4"])
@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("kind", [optim.AdamW, optim.Adam, mt.AdamW, mt.Adam])
def test_adam_of_bitsandbytes(kind: Any, wrapped: bool, word: str | None) -> None:
    entry, (first, second) = entry_of(wrapped)
    optimizer, value = arrays(kind, word)
    before = copy.deepcopy(entry)
    optimizer.load_state_dict({"state": {0: entry}, "param_groups": [dict(ADAMS_GROUP)]})
    check_kept(optimizer, "exp_avg", first, word, True)
    check_kept(optimizer, "exp_avg_sq", second, word, False)
    group = optimizer.param_groups[0]
    assert (group["lr"], tuple(group["betas"]), group["eps"], group["weight_decay"]) == (0.01, (0.8, 0.95), 1e-6, 0.1)
    assert group.get("decoupled_weight_decay", True) is True
    assert int(kept(optimizer, "step")) == 7
    for one, two in zip(entry.values(), before.values(), strict=True):  # nothing was written
        assert str(one) == str(two)
    gradient = np.ones(SHAPE, np.float32)
    if isinstance(value, np.ndarray):
        optimizer.step([gradient])
    else:
        value.grad = torch.from_numpy(gradient)
        optimizer.step()


def test_small_parameters_of_bitsandbytes_are_wide() -> None:
    numbers = np.random.default_rng(1).normal(size=(2, 5)).astype(np.float32) ** 2
    entry = {
        "step": 3,
        "__bnb_optimizer_quant_state__": {f"state{k + 1}": torch.from_numpy(numbers[k]) for k in (0, 1)},
    }
    optimizer = optim.AdamW([np.zeros(5, np.float32)], state_dtype="int8")
    optimizer.load_state_dict({"state": {0: entry}, "param_groups": [dict(ADAMS_GROUP)]})
    assert np.array_equal(kept(optimizer, "exp_avg"), numbers[0])
    assert np.array_equal(kept(optimizer, "exp_avg_sq"), numbers[1])


@pytest.mark.parametrize(
    ("kind", "betas", "slot", "wanted", "more"),
    [
        (optim.Lion, (0.9, 0.99), "exp_avg", {"betas": (0.9, 0.99)}, {}),
        (optim.SGD, (0.7, 0), "momentum_buffer", {"momentum": 0.7}, {"momentum": 0.9}),
        (optim.RMSprop, (0.97, 0), "square_avg", {"alpha": 0.97}, {}),
        (optim.Adagrad, (0.0, 0.0), "sum", {}, {}),
    ],
)
def test_one_state_of_bitsandbytes(kind: Any, betas: Any, slot: str, wanted: Any, more: Any) -> None:
    entry, (first,) = entry_of(True, second=False)
    first = np.abs(first) if slot in ("square_avg", "sum") else first
    if slot in ("square_avg", "sum"):
        state = entry["__bnb_optimizer_quant_state__"]
        at = np.asarray(state["state1"])
        state["state1"] = torch.from_numpy(np.where(MAPS[True][at] < 0, 255, at).astype(np.uint8))
        first = MAPS[True][np.asarray(state["state1"])] * np.repeat(coded(1, True)[1], 256)[:COUNT].reshape(SHAPE)
    optimizer, _ = arrays(kind, None, **more)
    group = {"lr": 0.01, "betas": betas, "eps": 1e-8, "weight_decay": 0.1, "params": [0]}
    optimizer.load_state_dict({"state": {0: entry}, "param_groups": [group]})
    assert np.array_equal(kept(optimizer, slot), first)
    assert {key: optimizer.param_groups[0][key] for key in wanted} == wanted
    assert optimizer._read_rows()[0].decoupled_weight_decay is (kind is optim.Lion)


@pytest.mark.parametrize("warm", [None, 500])
def test_ademamix_of_bitsandbytes(warm: int | None) -> None:
    entry, (first, second) = entry_of(True)
    state = entry["__bnb_optimizer_quant_state__"]
    other, scales, slow = coded(3, True)
    state["state1"] = torch.stack([state["state1"], torch.from_numpy(other)])
    state["absmax1"] = torch.stack([state["absmax1"], torch.from_numpy(scales)])
    optimizer, _ = arrays(optim.AdEMAMix, None)
    group = ADAMS_GROUP | {"alpha": 4.0, "betas": (0.9, 0.99, 0.999), "t_alpha": warm, "t_beta3": warm}
    optimizer.load_state_dict({"state": {0: entry}, "param_groups": [group]})
    for slot, numbers in (("exp_avg_fast", first), ("exp_avg_slow", slow), ("exp_avg_sq", second)):
        assert np.array_equal(kept(optimizer, slot), numbers)
    own = optimizer.param_groups[0]
    assert (own["alpha"], own["alpha_warmup"], own["beta3_warmup"]) == (4.0, warm or 0, warm or 0)


def standing(name: str, shapes: list[tuple[int, ...]], bits: int = 8, **options: Any) -> Any:
    """A class of bitsandbytes', as far as it is asked."""

    def get_config(self: Any, gindex: int, pindex: int, group: Any) -> dict[str, Any]:
        return {**group, **vars(self.args)}

    body = {"__module__": "bitsandbytes.optim.some", "get_config": get_config, "step": lambda self: None}
    kind = type(name, (torch.optim.Optimizer,), body)
    parameters = [torch.nn.Parameter(torch.zeros(shape)) for shape in shapes]
    made: Any = kind(parameters, {key: value for key, value in ADAMS_GROUP.items() if key != "params"} | options)
    made.args = type("Args", (), {})()
    vars(made.args).update(optim_bits=bits, min_8bit_size=4096, max_unorm=0.0, skip_zeros=False)
    made.name2qmap = {"dynamic": torch.from_numpy(MAPS[True]), "udynamic": torch.from_numpy(MAPS[False])}
    return made


@pytest.mark.parametrize("word", [None, "fp16", "int8", "int4"])
def test_to_bitsandbytes(word: str | None) -> None:
    """By the nearest code; where Martlet's codes stand for numbers, of these."""
    shapes = [SHAPE, (5,), (4096,)]
    values = [np.zeros(shape, np.float32) for shape in shapes]
    optimizer = optim.AdamW(values, lr=0.02, betas=(0.7, 0.9), weight_decay=0.3, state_dtype=word)
    rng = np.random.default_rng(5)
    grads = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    grads[2][:256] = 0  # a block of zeros, and zeros in others
    grads[0][::3] = 0
    optimizer.step(grads)
    theirs = standing("AdamW8bit", shapes)
    made = convert.to_torch(optimizer, theirs)
    group = made["param_groups"][0]
    assert (group["lr"], group["betas"], group["weight_decay"], group["alpha"]) == (0.02, (0.7, 0.9), 0.3, 0.0)
    for key, state in made["state"].items():
        assert state["step"] == 1
        for number, slot in (("1", "exp_avg"), ("2", "exp_avg_sq")):
            array = optimizer._parameters.entries[key].state[slot]
            wide = decoded(array, values[key].size, slot, BITS[word or "int8"]) if array.dtype == np.uint8 else array
            found = np.asarray(state[f"state{number}"])
            assert found.shape == shapes[key]
            if key == 1:
                assert found.dtype == np.float32 and np.array_equal(found, wide) and f"qmap{number}" not in state
                continue
            table, wide = MAPS[number == "1"].astype(np.float64), wide.ravel().astype(np.float64)
            assert found.dtype == np.uint8 and np.array_equal(np.asarray(state[f"qmap{number}"]), MAPS[number == "1"])
            most = np.maximum.reduceat(np.abs(wide), np.arange(0, wide.size, 256)).astype(np.float32)
            assert np.array_equal(np.asarray(state[f"absmax{number}"]), most)
            each = np.repeat(most, 256)[: wide.size]
            size = np.divide(wide, each, out=np.zeros(wide.size), where=each > 0)
            best = np.abs(size[:, None] - table[None, :]).min(axis=1)
            np.testing.assert_allclose(np.abs(size - table[found.ravel()]), best, rtol=0, atol=1e-15)
            assert np.all(table[found.ravel()][wide == 0] == 0)
    back = optim.AdamW([np.zeros_like(value) for value in values], state_dtype=word)
    back.load_state_dict({"state": made["state"], "param_groups": [group]})
    theirs32 = convert.to_torch(optimizer, standing("AdamW", shapes, bits=32))
    assert all(np.asarray(state["state1"]).dtype == np.float32 for state in theirs32["state"].values())


def test_what_of_bitsandbytes_is_refused() -> None:
    optimizer, _ = arrays(optim.AdamW, "int8")
    before = optimizer.state_dict()
    entry, _ = entry_of(False)

    def load(error: type[MartletError], words: str, group: dict[str, Any] | None = None, **changed: Any) -> None:
        given = {key: value for key, value in {**entry, **changed}.items() if value is not None}
        with pytest.raises(error, match=words):
            optimizer.load_state_dict({"state": {0: given}, "param_groups": [{**ADAMS_GROUP, **(group or {})}]})
        assert str(optimizer.state_dict()) == str(before)

    for key in ("unorm_vec", "max1", "gnorm_vec", "new_max2"):
        load(UnsupportedError, f"state has '{key}'.*percentile_clipping", **{key: torch.zeros(1)})
    load(FormatError, "absmax1", absmax1=torch.zeros(BLOCKS - 1))
    load(FormatError, "qmap2", qmap2=None)
    load(FormatError, "qmap1", qmap1=torch.zeros(16))
    load(FormatError, "exp_avg", state1=torch.zeros(7))
    load(FormatError, "wanted the same options on both sides", state2=None, qmap2=None, absmax2=None)
    load(ArgumentError, "beta parameter at index 1: 2.0", {"betas": (0.9, 2.0)})
    load(FormatError, "betas None", {"betas": None})
    for name, kind in (("LAMB8bit", optim.LAMB), ("LARS", optim.LARS), ("PagedAdamQ", optim.Adam)):
        with pytest.raises(UnsupportedError, match="bounds the steps|is not converted; wanted one of .*Lion8bit"):
            convert.from_torch(standing(name, [SHAPE]), arrays(kind, None)[0])
    for key, value in (("skip_zeros", True), ("max_unorm", 0.5), ("percentile_clipping", 5)):
        theirs = standing("AdamW8bit", [SHAPE])
        setattr(theirs.args, key, value)
        with pytest.raises(UnsupportedError, match=f"has {key}={value}"):
            convert.from_torch(theirs, optimizer)
        with pytest.raises(UnsupportedError, match=f"has {key}={value}"):
            convert.to_torch(optimizer, theirs)
    for options, words in (({"amsgrad": True}, "amsgrad"), ({"ema_decay": 0.5}, "ema_decay")):
        with pytest.raises(UnsupportedError, match=f"no {words}"):
            convert.to_torch(arrays(optim.AdamW, None, **options)[0], standing("AdamW8bit", [SHAPE]))
    coupled, _ = arrays(optim.Adam, None, weight_decay=0.1)
    with pytest.raises(ArgumentError, match="decoupled_weight_decay"):
        convert.to_torch(coupled, standing("Adam8bit", [SHAPE]))
    nesterov, _ = arrays(optim.SGD, None, momentum=0.9, nesterov=True)
    with pytest.raises(ArgumentError, match="nesterov"):
        convert.to_torch(nesterov, standing("SGD8bit", [SHAPE]))


class Coded:
    """What torchao keeps in place of a tensor, as far as it is asked."""

    def __init__(self, numbers: NDArray) -> None:
        self.codes, self.scale, self.numbers = torch.zeros(3, dtype=torch.uint8), torch.zeros(3), numbers

    def dequantize(self) -> torch.Tensor:
        return torch.from_numpy(self.numbers.copy())


@pytest.mark.parametrize("word", [None, "fp16", "int8", "int4"])
@pytest.mark.parametrize("kind", [optim.AdamW, optim.Adam, mt.AdamW, mt.Adam])
def test_adam_of_torchao(kind: Any, word: str | None) -> None:
    _, (first, second) = entry_of(False)
    entry = {"step": torch.tensor(7.0), "exp_avg": Coded(first), "exp_avg_sq": Coded(second)}
    group = {"lr": torch.tensor(0.25), "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1, "amsgrad": False}
    optimizer, _ = arrays(kind, word)
    optimizer.load_state_dict({"state": {0: entry}, "param_groups": [{**group, "params": [0]}]})
    check_kept(optimizer, "exp_avg", first, word, True)
    check_kept(optimizer, "exp_avg_sq", second, word, False)
    own = optimizer.param_groups[0]
    assert type(own["lr"]) is float and own["lr"] == 0.25 and tuple(own["betas"]) == (0.8, 0.95)
    assert own.get("decoupled_weight_decay", "W" in kind.__name__) is ("W" in kind.__name__)


@pytest.mark.parametrize("word", ["fp16", "int8", "int4"])
@pytest.mark.parametrize("face", [optim, mt])
def test_martlets_own_codes_beside_wide_state(face: Any, word: str) -> None:
    """To torch's Adam in float32, and back in codes."""
    optimizer, value = arrays(face.Adam, word)
    gradient = np.random.default_rng(2).normal(size=SHAPE).astype(np.float32)
    if face is mt:
        value.grad = torch.from_numpy(gradient)
        optimizer.step()
    else:
        optimizer.step([gradient])
    theirs = torch.optim.Adam([torch.nn.Parameter(torch.zeros(SHAPE))])
    theirs.load_state_dict(convert.to_torch(optimizer, theirs))
    (state,) = theirs.state.values()
    for slot in ("exp_avg", "exp_avg_sq"):
        assert state[slot].dtype == torch.float32
        numbers = decoded(kept(optimizer, slot), COUNT, slot, BITS[word]).reshape(SHAPE)
        assert np.array_equal(state[slot].numpy(), numbers)
    (only,) = theirs.param_groups[0]["params"]
    only.grad = torch.from_numpy(gradient)
    theirs.step()
    again, _ = arrays(face.Adam, word)
    again.load_state_dict(convert.from_torch(optimizer, again) if face is mt else optimizer.state_dict())
    for slot in ("exp_avg", "exp_avg_sq"):
        assert np.array_equal(kept(again, slot), kept(optimizer, slot))


def test_what_their_codes_make_of_zeros() -> None:
    """An average that bitsandbytes lets drift comes to rest here; a second moment of 0 is 0 here too."""
    entry, _ = entry_of(True)
    state = entry["__bnb_optimizer_quant_state__"]
    state["state1"] = torch.full(SHAPE, 131, dtype=torch.uint8)
    state["state1"][:, ::50] = 255  # in each block
    state["state2"] = torch.full(SHAPE, 7, dtype=torch.uint8)
    drift, still = MAPS[True][131], np.zeros((60, 49))
    for word, steps in (("int4", 0), ("int8", 5), (None, 200)):
        optimizer, value = arrays(optim.AdamW, word)
        optimizer.load_state_dict({"state": {0: entry}, "param_groups": [ADAMS_GROUP | {"weight_decay": 0.0}]})
        for _ in range(steps):
            assert np.any(kept(optimizer, "exp_avg"))
            gradient = np.zeros(SHAPE, np.float32)
            gradient[:, ::50] = 1
            optimizer.step([gradient])
        first = kept(optimizer, "exp_avg")
        wide = first if word is None else decoded(first, COUNT, "exp_avg", BITS[word]).reshape(SHAPE)
        np.testing.assert_allclose(wide[:, 1:50], still, rtol=0, atol=0 if word else 2 * drift * 0.8**200)
        before = value.copy()
        optimizer.step([np.zeros(SHAPE, np.float32)])
        assert np.array_equal(value[:, 1:50], before[:, 1:50])
    optimizer, _ = arrays(optim.AdamW, "int8")
    first, second = np.ones(SHAPE, np.float32), np.full(SHAPE, 1e-4, np.float32)
    second[::2] = 0
    group = {"lr": 0.25, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.0, "amsgrad": False, "params": [0]}
    coded_state = {0: {"step": 7, "exp_avg": Coded(first), "exp_avg_sq": Coded(second)}}
    optimizer.load_state_dict({"state": coded_state, "param_groups": [group]})
    found = decoded(kept(optimizer, "exp_avg_sq"), COUNT, "exp_avg_sq", 8).reshape(SHAPE)
    assert not found[::2].any() and np.all(found[1::2] == np.float32(1e-4))


# ---- the libraries themselves ----
