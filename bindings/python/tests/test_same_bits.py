"""One trajectory of every algorithm, with its flags and conventions, from each way into the library: handles,
martlet_step and martlet_array_step as C calls them, numpy objects and functions, PyTorch, and models. Parameters and
all state, scalars too, have the same bits."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import martlet
import martlet.torch
from by_number import CLASSES
from martlet import _algorithms, _ffi, _ffi_optimizers, _groups, _spellings, functional, nn, optim
from martlet._config import SEMANTICS, Hyperparameters, defaults

COUNT, STEPS = 83, 8
# By number; of several classes of one algorithm the first.
NUMBERS = {"weight_decay": 0.05, "momentum": 0.9, "t0": 3.0, "lr_decay": 0.01, "warmup_steps": 3.0}
# SOAP's bases are to be turned within the few steps, and its matrix to have several blocks.
NUMBERS |= {"precondition_frequency": 2.0, "block_size": 30.0}


def rate(step: int) -> float:
    """Up, down, and nothing that fp32 holds."""
    return [0.011, 0.003, 0.017, 0.013, 0.0, 0.019, 0.002, 0.007][step % STEPS]


def values(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(COUNT).astype(np.float32)


def has_blocks(number: int) -> bool:
    """Whether rows of outputs are cut into blocks."""
    return _ffi_optimizers.SLOT_BLOCKS in _algorithms.all_slots(number).kinds


def options(number: int) -> Iterator[dict[str, Any]]:
    """Numbers other than zero where zero would hide a term; each flag by itself; each convention."""
    kind = _algorithms.of(number)
    usual = {name: value for name, value in NUMBERS.items() if name in kind.places}
    if has_blocks(number):
        usual["block_size"] = COUNT  # which is prime
    names = {constant: name for name, constant in SEMANTICS.items()}
    yield {}
    yield usual
    for key in _spellings.flag_keys(number):
        if key in ("zero_grads", "defer_rows") or (key.startswith("ema_") and "schedule_free" in kind.name):
            continue  # gradients are everybody's, and of all rows; and what averages by itself takes no average
        flagged = {**usual, key: not kind.default_flags & _spellings.FLAGS[key]}
        flagged |= {"ema_decay": 0.5} if key.startswith("ema_") else {}
        yield flagged | {name: 0.0 for name in usual if key == "hyperball" and name == "weight_decay"}
    for convention in sorted(kind.conventions):
        yield {**usual, "semantics": names[convention]}
    yield {**usual, "flush_denormals": True}
    yield {**usual, "max_norm": 0.5, "loss_scale": 2.0, "accumulate": 2}
    yield {**usual, "clip_norm": 0.5, "lookahead_steps": 2}
    yield {**usual, "clip_value": 0.25}


CASES = [(number, chosen) for number in _algorithms.numbers() for chosen in options(number)]


def shape_of(row: Hyperparameters) -> tuple[int, ...]:
    """A vector's, or a matrix's of as many numbers where vectors are not taken, or not as matrices are."""
    return (COUNT,) if _algorithms.of(row.algorithm).takes_vectors and not row.hyperball else (COUNT, 1)


class Native:
    """What C calls have in common: a config, and arrays of its slots."""

    def __init__(self, row: Hyperparameters) -> None:
        # C has a place for each slot of the algorithm, with a count of 0 where a parameter of one dimension has it not.
        shape, places = shape_of(row), row.slots
        self.config, self.slots = _ffi_optimizers.Config(), places.of(shape)
        self.rank = 0 if len(shape) == 1 else len(shape)
        self.sizes, self.strides = (ctypes.c_int64 * 2)(*shape), (ctypes.c_int64 * 2)(1, 1)
        row.write(self.config)
        self.value = values(0)
        self.counts = [places.size(name, shape) if name in self.slots.arrays else 0 for name in places.arrays]
        self.are_shaped = [name in places.alike(shape) for name in places.arrays]
        self.scalar_count = len(places.scalars)
        self.are_shaped += [False] * self.scalar_count

    def array(self, memory: np.ndarray, is_shaped: bool = True) -> _ffi.Array:
        types = {"float32": _ffi.FP32, "float64": _ffi.FP64}
        made = _ffi.Array()
        made.data, made.count, made.dtype = memory.ctypes.data, memory.size, types[memory.dtype.name]
        if is_shaped:
            made.rank, made.sizes, made.strides = self.rank, self.sizes, self.strides
        return made


class Handle(Native):
    """martlet_optimizer_..."""

    def __init__(self, row: Hyperparameters) -> None:
        super().__init__(row)
        self.token, parameter = _ffi_optimizers.HANDLE(), _ffi.Parameter()
        _ffi_optimizers.martlet_optimizer_create(self.token, self.config)
        parameter.value = self.array(self.value)
        _ffi_optimizers.martlet_optimizer_add(self.token, None, parameter)

    def step(self, grad: np.ndarray, lr: float) -> None:
        _ffi_optimizers.martlet_optimizer_set(self.token, 0, _ffi_optimizers.LR, lr)
        _ffi_optimizers.martlet_optimizer_step(self.token, None, self.array(grad), 1)

    def state(self) -> list[np.ndarray]:
        found, view = [], _ffi.Array()
        for slot, _ in [pair for pair in enumerate([*self.counts, *self.scalar_count * [1]]) if pair[1]]:
            _ffi_optimizers.martlet_optimizer_state_get(self.token, view, 0, slot)
            dtype = np.dtype(np.float64 if view.dtype == _ffi.FP64 else np.float32)
            found.append(np.frombuffer(ctypes.string_at(view.data, view.count * dtype.itemsize), dtype))
        _ffi_optimizers.martlet_optimizer_destroy(self.token)
        return found


class Memory(Native):
    """martlet_step."""

    def __init__(self, row: Hyperparameters) -> None:
        super().__init__(row)
        self.arrays = [np.zeros(count, np.float32) for count in self.counts]
        self.arrays += [np.zeros(1) for _ in range(self.scalar_count)]
        self.count = _ffi.Int64()

    def step(self, grad: np.ndarray, lr: float) -> None:
        self.config.lr = lr
        parameter = _ffi.Parameter()
        parameter.value, parameter.grad = self.array(self.value), self.array(grad)
        parameter.state = (_ffi.Array * len(self.arrays))(*map(self.array, self.arrays, self.are_shaped))
        parameter.state_count, parameter.step = len(self.arrays), ctypes.pointer(self.count)
        _ffi_optimizers.martlet_step(None, parameter, 1, self.config, 1)

    def state(self) -> list[np.ndarray]:
        return [array for array in self.arrays if array.size]


class OneArray(Native):
    """martlet_array_step, whose scalars are doubles that lie among floats."""

    def __init__(self, row: Hyperparameters) -> None:
        super().__init__(row)
        self.flat = np.zeros(sum(self.counts) + 2 * self.scalar_count, np.float32)
        self.count = _ffi.Int64()

    def step(self, grad: np.ndarray, lr: float) -> None:
        self.config.lr = lr
        floats = [array.ctypes.data_as(ctypes.POINTER(ctypes.c_float)) for array in (self.value, grad, self.flat)]
        _ffi_optimizers.martlet_array_step(*floats, COUNT, self.count, self.config)

    def state(self) -> list[np.ndarray]:
        elements = sum(self.counts)
        moments = np.split(self.flat[:elements], np.cumsum(self.counts)[:-1])
        scalars = [np.frombuffer(pair.tobytes(), np.float64) for pair in self.flat[elements:].reshape(-1, 2)]
        return [array for array in moments if array.size] + scalars


class Object:
    """martlet.optim."""

    def __init__(self, row: Hyperparameters, chosen: dict[str, Any], shape: tuple[int, ...] = ()) -> None:
        shape = shape or shape_of(row)
        self.value, self.slots = values(0).reshape(shape), row.slots.of(shape)
        self.optimizer = CLASSES[row.algorithm]([self.value], **chosen)

    def step(self, grad: np.ndarray, lr: float) -> None:
        self.optimizer.lr = lr
        self.optimizer.step([grad.reshape(self.value.shape)])

    def state(self) -> list[np.ndarray]:
        state = self.optimizer.state_dict()["state"].get(0, {})  # nothing for what keeps nothing
        return [state[slot] for slot in self.slots.names]


class Function:
    """martlet.adam and its like."""

    def __init__(self, row: Hyperparameters, chosen: dict[str, Any]) -> None:
        self.value, self.slots, self.chosen = values(0).reshape(shape_of(row)), row.slots.of(shape_of(row)), chosen
        self.function = getattr(functional, _algorithms.of(row.algorithm).name)
        self.kept: dict[str, Any] = {}

    def step(self, grad: np.ndarray, lr: float) -> None:
        self.function(self.value, grad.reshape(self.value.shape), self.kept, **{**self.chosen, "lr": lr})

    def state(self) -> list[np.ndarray]:
        return [self.kept[slot] for slot in self.slots.names]


class Torch:
    """martlet.torch."""

    def __init__(self, row: Hyperparameters, chosen: dict[str, Any]) -> None:
        self.value, self.slots = values(0).reshape(shape_of(row)), row.slots.of(shape_of(row))
        self.parameter = torch.nn.Parameter(torch.from_numpy(self.value))
        self.optimizer = getattr(martlet.torch, CLASSES[row.algorithm].__name__)([self.parameter], **chosen)

    def step(self, grad: np.ndarray, lr: float) -> None:
        self.optimizer.param_groups[0]["lr"] = lr
        self.parameter.grad = torch.from_numpy(grad.reshape(self.value.shape))
        self.optimizer.step()

    def state(self) -> list[np.ndarray]:
        return [self.optimizer.state[self.parameter][slot].numpy() for slot in self.slots.names]


def bits(run: Any) -> dict[str, str]:
    """What is left after the trajectory."""
    for step in range(STEPS):
        run.step(values(1 + step), rate(step))
    found = [run.value, *run.state()]
    names = ("value", *run.slots.names)
    return {name: np.asarray(array).tobytes().hex() for name, array in zip(names, found, strict=True)}


@pytest.mark.parametrize("number", _algorithms.numbers())
def test_every_way_gives_the_same_bits(number: int) -> None:
    for case, chosen in CASES:
        if case != number:
            continue
        row = _groups.completed(defaults(number), {**chosen, "lr": rate(0)})
        wanted = bits(Memory(row))
        for kind in (Handle, OneArray) if len(shape_of(row)) == 1 else (Handle,):
            assert bits(kind(row)) == wanted, (kind.__name__, chosen)
        for kind in (Object, Function, Torch):
            assert bits(kind(row, chosen)) == wanted, (kind.__name__, chosen)


@pytest.mark.parametrize("number", _algorithms.numbers())
def test_a_model_steps_as_its_optimizer_does_by_itself(number: int) -> None:
    """The gradients are the model's own."""
    if _algorithms.of(number).name.startswith("schedule_free"):
        return  # a model moves them between two points
    x, y = values(3).reshape(1, COUNT), np.ones((1, 1), np.float32)
    for case, chosen in CASES:
        if case != number or "ema_decay" in chosen:  # a model's parameters are averages where they are looked at
            continue
        model = nn.Sequential([nn.Input((COUNT,)), nn.Dense(1, use_bias=False)], seed=3)
        given = {**chosen, "lr": rate(0)}
        if has_blocks(number) and "block_size" in given:
            given["block_size"] = 1  # of one output
        model.compile(CLASSES[number](np.zeros((1, 1)), **given), "mse")
        # To an algorithm of matrices, or of their rows, a kernel is one of outputs by inputs.
        shape = (1, COUNT) if has_blocks(number) or not _algorithms.of(number).takes_vectors else (COUNT, 1)
        alone = Object(_groups.completed(defaults(number), given), given, shape)
        alone.value[:] = model.parameters().reshape(shape)
        for step in range(STEPS):
            model.optimizer.lr = rate(step)
            model.train_on_batch(x, y)
            alone.step(model.gradients().reshape(shape).copy(), rate(step))
            assert model.parameters().tobytes() == alone.value.tobytes(), (chosen, step)


def test_a_handle_steps_groups_of_different_algorithms(tmp_path: Path) -> None:
    """Muon and AdamW in one, by way of a file too, as martlet.optim's object steps them in one call."""
    rows = [
        _groups.completed(defaults(_ffi_optimizers.MUON), {"lr": 0.02, "blocks": 3, "adjust_lr_fn": "spectral"}),
        _groups.completed(defaults(_ffi_optimizers.ADAMW), {"lr": 0.01, "betas": (0.9, 0.95), "weight_decay": 0.1}),
    ]
    start = [values(1)[:60].reshape(12, 5), values(2)[:7].copy()]
    matrices = {"params": start[:1], "lr": 0.02, "blocks": 3, "adjust_lr_fn": "spectral"}
    optimizer = optim.Muon([matrices, {"params": start[1:], "algorithm": "adamw", "lr": 0.01}])
    owned = [array.copy() for array in start]

    def made() -> Any:
        handle = Handle.__new__(Handle)
        handle.token, configs = _ffi_optimizers.HANDLE(), [_ffi_optimizers.Config() for _ in rows]
        for row, config in zip(rows, configs, strict=True):
            row.write(config)
        _ffi_optimizers.martlet_optimizer_create(handle.token, configs[0])
        _ffi_optimizers.martlet_optimizer_group_add(handle.token, None, configs[1])
        for index, array in enumerate(owned):
            parameter = _ffi.Parameter()
            parameter.value, parameter.group, parameter.name = array_of(array), index, f"p{index}".encode()
            _ffi_optimizers.martlet_optimizer_add(handle.token, None, parameter)
        return handle

    handle = made()
    for step in range(STEPS):
        grads = [values(10 + step)[:60].reshape(12, 5).copy(), values(30 + step)[:7].copy()]
        _ffi_optimizers.martlet_optimizer_step(handle.token, None, (_ffi.Array * 2)(*map(array_of, grads)), 2)
        optimizer.step(grads)
        if step == 3:
            path = str(tmp_path / "state").encode()
            _ffi_optimizers.martlet_optimizer_save(handle.token, path)
            _ffi_optimizers.martlet_optimizer_destroy(handle.token)
            handle = made()
            _ffi_optimizers.martlet_optimizer_load(handle.token, path)
    _ffi_optimizers.martlet_optimizer_destroy(handle.token)
    assert all(map(np.array_equal, owned, start))


def array_of(memory: np.ndarray) -> _ffi.Array:
    """A contiguous fp32 array with its sizes."""
    made = _ffi.Array()
    made.data, made.count, made.dtype, made.rank = memory.ctypes.data, memory.size, _ffi.FP32, memory.ndim
    made.sizes = (ctypes.c_int64 * memory.ndim)(*memory.shape)
    made.strides = (ctypes.c_int64 * memory.ndim)(*(stride // 4 for stride in memory.strides))
    return made
