"""Any option on any rule: draws of flags, conventions, numbers, types and layouts for every algorithm that the library
has. Each combination steps, as the oracle does where there is one that knows these options, and with the same bits for
any threads, layout and face and after a state_dict; or it is refused by algorithm and option, and nothing has changed.
No algorithm is named here.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import martlet
import martlet.torch
import oracles
from by_number import CLASSES
from martlet import _algorithms, _choices, _spellings, optim
from martlet._config import SEMANTICS
from martlet._errors import MartletError
from parity_rules import ALGORITHMS

DRAWS, STEPS = 12, 4
SHAPES = ((13, 7), (1, 5), (2, 0))
TYPES = (np.float64, np.float32, np.float16)
WORDS = {number: word for word, number in SEMANTICS.items()}
#: For numbers whose default is 0, where a quarter is none.
UNUSUAL = {"lookahead_steps": 2.0, "block_size": 3.0, "accumulate": 2.0}
#: Everything that a flag or a choice may be called, whichever algorithm has it.
SWITCHES = [*_spellings.FLAGS, *_choices.TABLE]


def drawn(number: int) -> Iterator[dict[str, Any]]:
    """Two or three things that some algorithm has, most of them this one's."""
    kind, random = _algorithms.of(number), np.random.default_rng(number)
    own = [*_spellings.flag_keys(number), *_choices.keys(number)]
    for _ in range(DRAWS):
        options: dict[str, Any] = {}
        for _ in range(int(random.integers(1, 4))):
            way = random.integers(0, 10)
            if way < 5:
                key = str(random.choice(own if way < 4 else SWITCHES))
                choices: Any = [name for name in _choices.TABLE.get(key, {}) if name] or [True, False]
                options[key] = choices[int(random.integers(len(choices)))]
            elif way < 7:
                options["semantics"] = WORDS[int(random.integers(len(WORDS)))]
            else:
                key = str(random.choice(list(kind.places)))
                value = kind.defaults[key] * float(random.choice([0.0, 0.5, 1.01])) or UNUSUAL.get(key, 0.25)
                options |= grouped(number, key, value)
        yield options


def grouped(number: int, name: str, value: float) -> dict[str, Any]:
    """A hyperparameter under the key of a group that has it."""
    kind = _algorithms.of(number)
    if not np.isfinite(value):
        value = 1.5
    if value == int(value):
        value = int(value)
    for key, names in _spellings.lists(kind).items():
        if name in names:
            return {key: tuple(value if one == name else kind.defaults[one] for one in names)}
    return {_spellings.number_keys_of(kind, [name])[0]: value}


def noise(seed: int, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def shapes_of(number: int) -> tuple[tuple[int, ...], ...]:
    return SHAPES if not _algorithms.of(number).takes_vectors else (*SHAPES, (21, 2, 3), (17,), ())


def strided(array: np.ndarray) -> np.ndarray:
    """The same numbers, each dimension backwards in memory, with room between them."""
    room = np.zeros((*array.shape[::-1], 2), array.dtype)[..., 0]
    view = room[tuple(slice(None, None, -1) for _ in array.shape)].T if array.ndim else room
    view[...] = array
    return view


def grads(number: int, t: int, dtype: type) -> list[np.ndarray]:
    return [noise(100 + 10 * t + k, shape, dtype) for k, shape in enumerate(shapes_of(number))]


def starts(number: int, dtype: type) -> list[np.ndarray]:
    return [noise(k, shape, dtype) for k, shape in enumerate(shapes_of(number))]


def bits(arrays: list[np.ndarray], state: dict[Any, Any]) -> list[bytes]:
    found = [np.ascontiguousarray(array).tobytes() for array in arrays]
    for entry in state.values():
        for slot, value in sorted(entry.items()):
            if slot not in ("step", "step_exact"):
                found.append(np.ascontiguousarray(value).tobytes())
    return found


def by_numpy(number: int, options: dict[str, Any], dtype: type, threads: int, way: str) -> list[bytes]:
    martlet.set_num_threads(threads)
    arrays = starts(number, dtype)
    if way == "strided":
        arrays = [strided(array) for array in arrays]
    optimizer = CLASSES[number](arrays, **options)
    for t in range(STEPS):
        if t == 2 and way == "resumed":
            packed = optimizer.state_dict()
            optimizer = CLASSES[number](arrays)
            optimizer.load_state_dict(packed)
        given = grads(number, t, dtype)
        optimizer.step([strided(grad) for grad in given] if way == "strided" else given)
    return bits(arrays, optimizer.state_dict()["state"])


def by_torch(number: int, options: dict[str, Any], dtype: type) -> list[bytes]:
    arrays = starts(number, dtype)
    parameters = [torch.nn.Parameter(torch.from_numpy(array)) for array in arrays]
    optimizer = getattr(martlet.torch, CLASSES[number].__name__)(parameters, **options)
    for t in range(STEPS):
        for parameter, grad in zip(parameters, grads(number, t, dtype), strict=True):
            parameter.grad = torch.from_numpy(grad)
        optimizer.step()
    return [np.ascontiguousarray(array).tobytes() for array in arrays]


def refusals(number: int, options: dict[str, Any]) -> list[str]:
    """What each face says against the options; its classes say it, or its steps."""
    said = []
    for face in (optim, martlet.torch):
        before = starts(number, np.float64)
        arrays = [array.copy() for array in before]
        given: Any = arrays
        if face is not optim:
            given = [torch.nn.Parameter(torch.from_numpy(array)) for array in arrays]
        try:
            optimizer = getattr(face, CLASSES[number].__name__)(given, **options)
            if face is optim:
                optimizer.step(grads(number, 0, np.float64))
            else:
                for parameter, grad in zip(given, grads(number, 0, np.float64), strict=True):
                    parameter.grad = torch.from_numpy(grad)
                optimizer.step()
        except (MartletError, TypeError, ValueError) as error:
            assert all(map(np.array_equal, arrays, before)), (options, str(error))
            said.append(str(error))
        else:
            said.append("")
    return said


def names_in(options: dict[str, Any]) -> set[str]:
    """What a message may call the options: a key, its hyperparameters, the library's flag."""
    names = set(options) | {part for key in options for part in _spellings.LISTS.get(key, ())}
    names |= {"eta", "beta", "Nesterov"} | {key.split("_")[0] for key in options}
    return {name.lower() for name in names}


def exact(number: int, row: dict[str, Any]) -> list[np.ndarray] | None:
    """What the oracle gives; None where none is known, or it does not know an option."""
    title = CLASSES[number].__name__
    if title not in ALGORITHMS:
        return None
    rule = ALGORITHMS[title].rule
    signatures = map(inspect.signature, (rule, oracles._step._way, oracles._step._moved))
    known = {name for signature in signatures for name in signature.parameters}
    usual = CLASSES[number]([np.zeros((1, 1))]).param_groups[0]
    left_out = {key for key in row if key not in known and key != "params"}
    if any(row[key] != usual.get(key, _algorithms.of(number).defaults.get(key)) for key in left_out):
        return None
    if _algorithms.all_slots(number).have_squares:
        return None  # rounding decides on what the first gradient leaves open; test_soap.py has matrices without it
    if row.get("ns_coefficients") != usual.get("ns_coefficients"):
        return None  # an iteration that does not converge makes rounding grow
    if row["semantics"] != "torch" and "semantics" not in inspect.signature(rule).parameters:
        return None
    options = {key: value for key, value in row.items() if key in known and value is not None}
    options = {key: int(value) if key.endswith("_steps") else value for key, value in options.items()}
    options |= dict.fromkeys(ALGORITHMS[title].named, True)
    own = _algorithms.of(number).default_flags
    decays = [key for key in _spellings.FLAGS if key.endswith("_weight_decay")]
    if any(row.get(key, own & _spellings.FLAGS[key]) for key in decays):
        options["decoupled_weight_decay"] = True  # the others are ways of it
    if isinstance(options.get("eps"), tuple) and options["eps"][0] is None:
        options["eps"] = (float(np.finfo(float).eps), *options["eps"][1:])
    p = [array.astype(oracles.LONG) for array in starts(number, np.float64)]
    states = [oracles.State(array.shape) for array in p]
    for t in range(STEPS):
        p = oracles.steps(rule, p, grads(number, t, np.float64), states, t + 1, **options)
    return p


@pytest.mark.parametrize("number", sorted(CLASSES), ids=lambda number: _algorithms.of(number).name)
def test_any_options(number: int) -> None:
    taken = 0
    for draw, options in enumerate(drawn(number)):
        said = refusals(number, options)
        assert bool(said[0]) == bool(said[1]), (options, said)
        if said[0]:
            for text in said:
                assert any(name in text.lower() for name in names_in(options)), (options, text)
            continue
        taken += 1
        dtype = TYPES[draw % len(TYPES)]
        if dtype == np.float16 and options.get("low_precision") == "split":
            dtype = np.float32  # a half of which is no fp16
        plain = by_numpy(number, options, dtype, 1, "plain")
        for threads, way in ((3, "plain"), (3, "strided"), (1, "resumed")):
            assert by_numpy(number, options, dtype, threads, way) == plain, (options, dtype, threads, way)
        found = by_torch(number, options, dtype)
        assert found == plain[: len(found)], (options, dtype)
        arrays = starts(number, np.float64)
        optimizer = CLASSES[number](arrays, **options)
        for t in range(STEPS):
            optimizer.step(grads(number, t, np.float64))
        if "ns_coefficients" not in options:  # an iteration may end at infinity
            assert all(np.isfinite(array).all() for array in arrays), options
        wanted = exact(number, optimizer.param_groups[0])
        if wanted is not None:
            tolerance = max(1e-9, 10 * ALGORITHMS[CLASSES[number].__name__].wide)
            for ours, theirs in zip(arrays, wanted, strict=True):
                np.testing.assert_allclose(
                    ours, theirs.astype(float), rtol=tolerance, atol=tolerance / 100, err_msg=str(options)
                )
    assert taken
