"""The trajectory of trajectory.h from Python: `numpy` (martlet.optim), `functional` (martlet.adam), `torch`.

    trajectory.py numpy|functional|torch

Prints the lines that run.py compares, and on stderr how many threads worked together. embedded.c imports this file and
drives its numpy run step by step; oracle.py takes the numbers and the configurations from here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

SIZES = (1, 7, 64, 129, 40009)
STEPS = 200
CHUNK = 64  # elements that are worth a thread, so that the largest tensor is worth several
RUNS = ((False, False), (False, True), (True, False), (True, True))  # (decoupled decay, AMSGrad)
SLOTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
SECOND_GROUP = {"lr": 0.02, "betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 0.05}


def numbers(stream: int, count: int) -> np.ndarray:
    """Integers of at most 2^23 in size times powers of two: exact in float32."""
    x = np.arange(count, dtype=np.uint64) + np.uint64((stream << 32) + 0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    integers = (x >> np.uint64(40)).astype(np.int64) - (1 << 23)
    return np.ldexp(integers.astype(np.float32), -22 - (x & np.uint64(15)).astype(np.int32)).astype(np.float32)


def start() -> list[np.ndarray]:
    return [numbers(k, size) for k, size in enumerate(SIZES)]


def gradients(t: int) -> list[np.ndarray]:
    return [numbers(8 * t + k, size) for k, size in enumerate(SIZES)]


def fnv(array: np.ndarray) -> str:
    return fnv_of(np.ascontiguousarray(array, dtype="<f4").tobytes())


def fnv_of(numbers: bytes) -> str:
    value = 0xCBF29CE484222325
    for byte in numbers:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


class NumpyRun:
    """Over numpy arrays, with an object that keeps the moments."""

    def __init__(self, decoupled: bool, amsgrad: bool) -> None:
        from martlet.optim import Adam, AdamW

        self.values = start()
        groups = [{"params": self.values[0::2]}, {"params": self.values[1::2], **SECOND_GROUP}]
        self.optimizer = (AdamW if decoupled else Adam)(groups, amsgrad=amsgrad)

    def step(self, t: int) -> None:
        fresh = gradients(t)
        self.optimizer.step(fresh[0::2] + fresh[1::2])

    def arrays(self) -> list[dict[str, np.ndarray]]:
        state = self.optimizer.state_dict()["state"]
        order = list(range(0, len(SIZES), 2)) + list(range(1, len(SIZES), 2))
        places = {k: place for place, k in enumerate(order)}
        return [{"value": value, **moments(state[places[k]])} for k, value in enumerate(self.values)]


class FunctionalRun:
    """The same, by calls without an object; one group is one call."""

    def __init__(self, decoupled: bool, amsgrad: bool) -> None:
        import martlet

        self.function = martlet.adamw if decoupled else martlet.adam
        self.amsgrad = amsgrad
        self.values = start()
        self.states: list[Any] = [None, None]

    def step(self, t: int) -> None:
        fresh = gradients(t)
        for group, options in ((1, SECOND_GROUP), (0, {})):  # the largest tensor last: its threads are looked at
            _, self.states[group] = self.function(
                self.values[group::2], fresh[group::2], self.states[group], amsgrad=self.amsgrad, **options
            )

    def arrays(self) -> list[dict[str, np.ndarray]]:
        return [{"value": value, **moments(self.states[k % 2][k // 2])} for k, value in enumerate(self.values)]


class TorchRun:
    """Over torch tensors. `library` is martlet.torch, or torch.optim itself for its error."""

    def __init__(self, decoupled: bool, amsgrad: bool, library: Any = None) -> None:
        import torch

        if library is None:
            import martlet.torch as library
        self.torch = torch
        self.tensors = [torch.nn.Parameter(torch.from_numpy(value)) for value in start()]
        groups = [{"params": self.tensors[0::2]}, {"params": self.tensors[1::2], **SECOND_GROUP}]
        self.optimizer = (library.AdamW if decoupled else library.Adam)(groups, amsgrad=amsgrad)

    def step(self, t: int) -> None:
        for tensor, gradient in zip(self.tensors, gradients(t), strict=True):
            tensor.grad = self.torch.from_numpy(gradient)
        self.optimizer.step()

    def arrays(self) -> list[dict[str, np.ndarray]]:
        states = [self.optimizer.state[tensor] for tensor in self.tensors]
        return [
            {"value": tensor.detach().numpy(), **{name: array.numpy() for name, array in moments(state).items()}}
            for tensor, state in zip(self.tensors, states, strict=True)
        ]


def moments(state: Any) -> dict[str, Any]:
    return {name: state[name] for name in SLOTS if state.get(name) is not None}


def describe(run: int, arrays: list[dict[str, np.ndarray]]) -> str:
    lines = []
    for k, of_tensor in enumerate(arrays):
        lines.append(
            " ".join([f"run {run} tensor {k}", *(f"{name} {fnv(array)}" for name, array in of_tensor.items())])
        )
    return "".join(line + "\n" for line in lines)


def whole(kind: Callable[[bool, bool], Any], run: int) -> list[dict[str, np.ndarray]]:
    """All steps of one run; its final arrays."""
    import martlet
    from martlet._machine import set_chunk

    set_chunk(CHUNK)
    made = kind(*RUNS[run])
    for t in range(1, STEPS + 1):
        made.step(t)
        threads.append(martlet.machine().last_threads)
    arrays: list[dict[str, np.ndarray]] = made.arrays()
    return arrays


threads: list[int] = []  # how many worked, step by step

KINDS = {"numpy": NumpyRun, "functional": FunctionalRun, "torch": TorchRun}

if __name__ == "__main__":
    for number in range(len(RUNS)):
        print(describe(number, whole(KINDS[sys.argv[1]], number)), end="")
    print("threads", max(threads), file=sys.stderr)
