"""The same bits for every number of threads and every instruction set, through Python; and between the two sides."""

from __future__ import annotations

import warnings
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import martlet
import martlet.torch
from martlet import _ffi, _ffi_optimizers, _machine
from martlet.optim import AdamW

ISAS = ["baseline", "avx2", "avx512"]
SHAPES = [(1_000_003,), (7, 129), (), (2049,)]


def isas() -> list[str]:
    """The instruction sets that this machine has; a warning in pytest's summary names those that it lacks."""
    best = martlet.machine().isa_best
    count = ISAS.index(best) + 1 if best in ISAS else 1
    if ISAS[count:]:
        warnings.warn(f"not compared, since this machine lacks them: {', '.join(ISAS[count:])}", stacklevel=2)
    return ISAS[:count]


def trajectory(dtype: Any, state_dtype: Any) -> tuple[bytes, set[int], set[str]]:
    generator = np.random.default_rng(0)
    values = [generator.standard_normal(shape).astype(dtype) for shape in SHAPES]
    optimizer = AdamW(values, lr=0.01, amsgrad=True, state_dtype=state_dtype)
    threads, used = set(), set()
    for _ in range(3):
        optimizer.step([generator.standard_normal(shape).astype(dtype) for shape in SHAPES])
        seen = martlet.machine()
        threads.add(seen.last_threads)
        used.add(seen.last_isa)
    state = optimizer.state_dict()["state"]
    arrays = [*values, *(state[k][slot] for k in range(4) for slot in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"))]
    return b"".join(array.tobytes() for array in arrays), threads, used


@pytest.mark.parametrize("state_dtype", [None, np.float16])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
def test_threads_and_instruction_sets(dtype: Any, state_dtype: Any) -> None:
    _machine.set_chunk(64)
    reference, shared = None, False
    for isa in isas():
        martlet.set_isa(isa)
        for threads in (1, 2, 3, 7):
            martlet.set_num_threads(threads)
            bits, worked, used = trajectory(dtype, state_dtype)
            assert used == {isa}
            assert max(worked) <= threads
            shared |= max(worked) > 1
            reference = reference or bits
            assert bits == reference, (isa, threads)
    assert shared, "no step was shared by threads"


def test_numpy_torch_and_functions_give_the_same_bits() -> None:
    generator = np.random.default_rng(4)
    start = generator.standard_normal((37, 11)).astype(np.float32)
    grads = [generator.standard_normal((37, 11)).astype(np.float32) for _ in range(50)]
    first, second, state = start.copy(), start.copy(), {}
    third = torch.nn.Parameter(torch.from_numpy(start.copy()))
    by_object, by_torch = AdamW([first], lr=0.01), martlet.torch.AdamW([third], lr=0.01)
    for grad in grads:
        by_object.step([grad])
        martlet.adamw(second, grad, state, lr=0.01)
        third.grad = torch.from_numpy(grad)
        by_torch.step()
    assert np.array_equal(first, second)
    assert np.array_equal(first, third.detach().numpy())
    plain = start.copy().ravel()
    moments = np.zeros(2 * plain.size, np.float32)
    config, step = _ffi_optimizers.Config(), _ffi.Int64()
    _ffi_optimizers.martlet_config_init(config, _ffi.struct_size(_ffi_optimizers.Config), _ffi_optimizers.ADAMW)
    config.lr = 0.01
    kind = _ffi_optimizers.martlet_array_step.argtypes[0]
    for grad in grads:
        pointers = [kind.from_buffer(_pointer(array)) for array in (plain, grad, moments)]
        _ffi_optimizers.martlet_array_step(*pointers, plain.size, step, config)
    assert np.array_equal(first.ravel(), plain)
    assert step.value == 50


def _pointer(array: np.ndarray[Any, Any]) -> bytearray:
    return bytearray(array.__array_interface__["data"][0].to_bytes(8, "little"))


def test_misaligned_to_the_vector_but_not_to_the_element() -> None:
    generator = np.random.default_rng(1)
    memory = generator.standard_normal(1000).astype(np.float32)
    grad = generator.standard_normal(1000).astype(np.float32)
    for offset in range(17):
        shifted = np.empty(1000, np.float32)[offset:]
        shifted[:] = memory[offset:]
        aligned = memory[offset:].copy()
        martlet.adam(shifted, grad[offset:])
        martlet.adam(aligned, grad[offset:].copy())
        assert np.array_equal(shifted, aligned)
