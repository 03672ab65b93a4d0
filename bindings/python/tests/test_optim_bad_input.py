"""Wrong arrays and numbers given to the numpy side: each is named, with its remedy, before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import martlet
from martlet.optim import Adam

NAN = float("nan")


def read_only() -> np.ndarray[Any, Any]:
    array = np.zeros(4, np.float32)
    array.flags.writeable = False
    return array


def misaligned() -> np.ndarray[Any, Any]:
    return np.zeros(17, np.uint8)[1:].view(np.float32)


def packed_field() -> np.ndarray[Any, Any]:
    return np.zeros(4, np.dtype([("flag", "u1"), ("x", "f4")]))["x"]


def repeated() -> np.ndarray[Any, Any]:
    return np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (4,), (0,))


def sliding() -> np.ndarray[Any, Any]:
    return np.lib.stride_tricks.as_strided(np.zeros(5, np.float32), (2, 4), (4, 4))


PARAMETERS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "list": (lambda: [0.0] * 4, TypeError, "is a builtins.list; wanted a numpy.ndarray"),
    "number": (lambda: np.float32(1), TypeError, "wanted a numpy.ndarray: numpy.array"),
    "tensor": (lambda: torch.zeros(4), TypeError, "martlet.torch serves tensors"),
    "integers": (lambda: np.zeros(4, np.int32), TypeError, r"dtype int32; wanted .*astype\('float32'\)"),
    "complex": (lambda: np.zeros(4, np.complex64), TypeError, r"dtype complex64.*array.view\('float32'\)"),
    "wide complex": (lambda: np.zeros(4, np.complex128), TypeError, r"dtype complex128.*array.view\('float64'\)"),
    "longdouble": (lambda: np.zeros(4, np.longdouble), TypeError, "wanted float64, float32, float16"),
    "objects": (lambda: np.array([None] * 4), TypeError, "dtype object"),
    "big endian": (
        lambda: np.zeros(4, ">f4"),
        TypeError,
        r"'>f4', which is not in this machine's byte order.*'float32'",
    ),
    "read-only": (read_only, martlet.ReadOnlyError, r"read-only.*array.copy\(\)"),
    "broadcast": (lambda: np.broadcast_to(np.float32(0), (4,)), martlet.ReadOnlyError, "read-only"),
    "from a buffer": (lambda: np.frombuffer(bytes(16), np.float32), martlet.ReadOnlyError, "read-only"),
    "misaligned": (misaligned, martlet.AlignmentError, r"4-byte elements; give an aligned copy"),
    "packed field": (packed_field, martlet.AlignmentError, "elements"),
    "repeated": (repeated, martlet.OverlapError, "repeats its elements"),
    "masked": (lambda: np.ma.zeros(4, dtype=np.float32), TypeError, "masked array"),
}


@pytest.mark.parametrize("case", PARAMETERS)
def test_parameters(case: str) -> None:
    make, kind, text = PARAMETERS[case]
    good = np.zeros(4, np.float32)
    wrong = make()
    with pytest.raises(kind, match=text) as caught:
        martlet.adam({"good": good, "bad": wrong}, {"good": good + 1, "bad": good + 1})
    assert isinstance(caught.value, martlet.MartletError)
    assert "params['bad']" in str(caught.value)
    with pytest.raises(kind, match=text) as caught:
        Adam([("good", good), ("bad", wrong)])
    assert "bad" in str(caught.value)
    assert (good == 0).all()


GRADIENTS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    name: PARAMETERS[name]
    for name in ("list", "tensor", "integers", "longdouble", "big endian", "misaligned", "packed field", "masked")
} | {
    "other shape": (lambda: np.zeros((2, 2), np.float32), ValueError, r"shape \(2, 2\), and its parameter has \(4,\)"),
    "number of a scalar": (lambda: 3.0, TypeError, "wanted a numpy.ndarray"),
}


@pytest.mark.parametrize("case", GRADIENTS)
def test_gradients(case: str) -> None:
    make, kind, text = GRADIENTS[case]
    good, bad = np.zeros(4, np.float32), np.zeros(4, np.float32)
    with pytest.raises(kind, match=text) as caught:
        martlet.adam([good, bad], [good + 1, make()])
    assert "the gradient of params[1]" in str(caught.value)
    optimizer = Adam([("good", good), ("bad", bad)])
    for _ in range(2):
        with pytest.raises(kind, match=text) as caught:
            optimizer.step([good + 1, make()])
        assert "the gradient of bad" in str(caught.value)
    assert (good == 0).all()
    assert optimizer.state_dict()["state"] == {}
    optimizer.step([good + 1, good + 1])


def test_overlaps() -> None:
    memory = np.zeros(10, np.float32)
    with pytest.raises(martlet.OverlapError, match=r"params\[0\].*params\[1\].*overlap"):
        martlet.adam([memory[:6], memory[4:]], [np.ones(6, np.float32)] * 2)
    with pytest.raises(martlet.OverlapError):
        martlet.adam(memory, memory)
    with pytest.raises(martlet.OverlapError):
        window = sliding()
        martlet.adam(window, np.ones((2, 4), np.float32))
    assert (memory == 0).all()
    shared = np.ones(10, np.float32)
    martlet.adam([memory, memory + 1], [shared, shared])


def test_twice() -> None:
    array = np.zeros(3)
    with pytest.raises(martlet.OverlapError, match=r"params\[1\] is the same array as params\[0\]"):
        Adam([array, array])
    with pytest.raises(martlet.OverlapError, match="same array"):
        Adam([{"params": [array]}, {"params": [array[:]]}])
    with pytest.raises(martlet.ArgumentError, match="named 'w'"):
        Adam([("w", array), ("w", np.zeros(3))])


def test_memory_that_two_parameters_share() -> None:
    array = np.zeros(4)
    optimizer = Adam(lr=0.1)
    optimizer.apply_gradients([(np.ones(4), array)])
    text = r"params\[1\], of shape .*, overlaps params\[0\], of shape \(4,\)"
    for part in (array.reshape(2, 2), array[1:], array[::-1], array[::2], array.view(np.float32)):
        with pytest.raises(martlet.OverlapError, match=text):
            optimizer.apply_gradients([(np.ones(part.shape), part)])
        with pytest.raises(martlet.OverlapError, match=text):
            Adam([array, part])
    assert optimizer.state_dict()["state"][0]["step"] == 1
    matrix = np.zeros((4, 3))
    columns = Adam([*matrix.T, np.zeros(0), np.zeros(0)], lr=0.1)
    columns.step([*np.ones((3, 4)), np.zeros(0), np.zeros(0)])
    np.testing.assert_allclose(matrix, -0.1, rtol=1e-6)
    with pytest.raises(martlet.OverlapError, match=r"overlaps params\[2\]"):
        columns.add_param_group({"params": [matrix[:1, 2]]})


def test_groups_that_turn_bad() -> None:
    array = np.zeros(2)
    for change, text in (
        (lambda groups: groups[1].pop("lr"), r"param_groups\[1\] lacks 'lr'"),
        (lambda groups: groups[1].update(lr=NAN), r"param_groups\[1\]: Invalid learning rate: nan"),
        (lambda groups: groups[1].update(lr="x"), r"param_groups\[1\]: lr is 'x'"),
        (lambda groups: groups[1].update(betas=[0.9, 2]), r"param_groups\[1\]: Invalid beta parameter at index 1"),
        (lambda groups: groups[1].update(amsgrad="False"), r"param_groups\[1\]: amsgrad is 'False'; wanted True or"),
        (lambda groups: groups[1].update(semantics="jax"), r"param_groups\[1\]: Invalid semantics"),
        (lambda groups: groups.pop(), "param_groups has 1 groups, and the parameters are in 2"),
        (lambda groups: groups.clear(), "param_groups has 0 groups"),
    ):
        optimizer = Adam([{"params": [array]}, {"params": [np.zeros(3)]}])
        optimizer.step([np.zeros(2), np.zeros(3)])
        change(optimizer.param_groups)
        for call in (lambda: optimizer.step([np.ones(2), np.ones(3)]), lambda: optimizer.save("nowhere")):  # noqa: B023
            with pytest.raises(martlet.MartletError, match=text):
                call()
    assert (array == 0).all()
    optimizer = Adam([array])
    optimizer.param_groups[0]["betas"] = betas = [0.9, 0.999]
    optimizer.step([np.ones(2)])
    betas[1] = 7
    with pytest.raises(ValueError, match="index 1: 7"):
        optimizer.step([np.ones(2)])


def test_what_is_no_group_or_pair() -> None:
    array = np.zeros(2)
    for call, text in (
        (lambda: Adam([{"params": None}]), r"param_groups\[0\]\['params'\] is None"),
        (lambda: Adam("w"), "params is 'w'"),
        (lambda: Adam([array]).add_param_group([array]), "wanted a dict with 'params'"),
        (lambda: Adam().apply_gradients(None), "grads_and_vars is None; wanted pairs"),
        (lambda: Adam().apply_gradients([array]), r"grads_and_vars\[0\] is a ndarray; wanted pairs"),
        (lambda: Adam([array], amsgrad="False"), "amsgrad is 'False'; wanted True or False"),
        (lambda: Adam([array], maximize=2), "maximize is 2"),
        (lambda: martlet.adam(array, array + 1, flush_denormals="no"), "flush_denormals is 'no'; wanted True, False"),
        (lambda: Adam([array]).step(5), r"the gradient of params\[0\] is 5, one number, .* shape \(2,\)"),
    ):
        with pytest.raises(martlet.DTypeError, match=text):
            call()
    with pytest.raises(martlet.ArgumentError, match="'momentum', which is no hyperparameter of adamw"):
        martlet.optim.AdamW([{"params": [array], "momentum": 0.9}])
    assert Adam(np.float32(0.25)).lr == 0.25
    assert (array == 0).all()


def test_numbers_of_gradients() -> None:
    optimizer = Adam([np.zeros(2), np.zeros(2)])
    with pytest.raises(martlet.ShapeError, match="grads has 1 arrays, and there are 2 parameters"):
        optimizer.step([np.ones(2)])
    with pytest.raises(martlet.ShapeError, match="3 arrays"):
        optimizer.step([np.ones(2)] * 3)
    with pytest.raises(martlet.ShapeError, match=r"lacks 'params\[1\]'"):
        optimizer.step({"params[0]": np.ones(2)})
    with pytest.raises(martlet.ShapeError, match="'w', which names no parameter"):
        optimizer.step({"w": np.ones(2)})
    with pytest.raises(martlet.ShapeError, match="grads lacks 'b'.*, and has 'a', which names no"):
        martlet.adam({"b": np.zeros(2)}, {"a": np.zeros(2)})
    with pytest.raises(martlet.ShapeError, match="grads is one array, and params is a list of 2 arrays"):
        martlet.adam([np.zeros(2)] * 2, np.zeros(2))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"lr": NAN}, "Invalid learning rate: nan"),
        ({"learning_rate": -1}, "Invalid learning rate: -1"),
        ({"betas": (1.0, 0.9)}, "Invalid beta parameter at index 0: 1.0"),
        ({"beta2": NAN}, "Invalid beta parameter at index 1: nan"),
        ({"epsilon": -1.0}, "Invalid epsilon value: -1.0"),
        ({"weight_decay": NAN}, "Invalid weight_decay value: nan"),
        ({"semantics": "jax"}, "Invalid semantics: 'jax'"),
    ],
)
def test_hyperparameters(options: dict[str, Any], text: str) -> None:
    array = np.zeros(2)
    for call in (lambda: Adam([array], **options), lambda: martlet.adamw(array, np.ones(2), **options)):
        with pytest.raises(ValueError, match=text) as caught:
            call()
        assert isinstance(caught.value, martlet.MartletError)
    assert (array == 0).all()


@pytest.mark.parametrize("options", [{"lr": "fast"}, {"eps": None, "betas": 3}, {"weight_decay": 1j}, {"lr": []}])
def test_what_is_no_number(options: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match="wanted a (number|pair)"):
        Adam([np.zeros(2)], **options)


def test_hyperparameters_that_turn_bad() -> None:
    array = np.zeros(2)
    optimizer = Adam([array])
    optimizer.param_groups[0]["lr"] = NAN
    with pytest.raises(ValueError, match="Invalid learning rate: nan"):
        optimizer.step([np.ones(2)])
    assert (array == 0).all()
    with pytest.raises(ValueError, match="Invalid learning rate"):
        optimizer.lr = -1


def test_arrays_that_turn_bad() -> None:
    array = np.zeros(4, np.float32)
    optimizer = Adam([("w", array)])
    optimizer.step([np.ones(4, np.float32)])
    array.flags.writeable = False
    with pytest.raises(martlet.ReadOnlyError, match="w is read-only"):
        optimizer.step([np.ones(4, np.float32)])


def test_states_given_to_functions() -> None:
    array, grad = np.zeros(3), np.ones(3)
    _, state = martlet.adam(array, grad)
    before = array.copy()
    for change, text in (
        ({"exp_avg": np.zeros(2)}, r"'exp_avg' in state has shape \(2,\)"),
        ({"exp_avg": np.zeros(3, int)}, "int64"),
        ({"step": -1}, "wanted the number of steps taken"),
        ({"step": 1.5}, "wanted the number of steps taken"),
    ):
        with pytest.raises(martlet.MartletError, match=text):
            martlet.adam(array, grad, {**state, **change})
    with pytest.raises(martlet.FormatError, match="lacks 'max_exp_avg_sq'"):
        martlet.adam(array, grad, state, amsgrad=True)
    with pytest.raises(martlet.FormatError, match="is a int"):
        martlet.adam([array], [grad], {0: 3})
    assert (array == before).all()


def test_settings() -> None:
    for wrong in (-1, 5000, 10**30):
        with pytest.raises(ValueError):
            martlet.set_num_threads(wrong)
    for wrong in (1.5, "2", True):
        with pytest.raises(TypeError, match="wanted an integer"):
            martlet.set_num_threads(wrong)
    with pytest.raises(ValueError, match="wanted one of 'auto', 'baseline'"):
        martlet.set_isa("sse9")
    with pytest.raises(TypeError):
        martlet.set_isa(3)


@pytest.mark.parametrize("kind", [martlet.optim.Adam, martlet.optim.AdamW, martlet.adam, martlet.adamw])
def test_weight_decay_of_none(kind: Any) -> None:
    """It could mean none as well as the default."""
    array = np.ones(2)
    arguments = ([array],) if isinstance(kind, type) else (array, np.ones(2))
    with pytest.raises(TypeError, match="weight_decay is None"):
        kind(*arguments, weight_decay=None)
    assert (array == 1).all()
    kind(*arguments, lr=None, betas=None, eps=None)


def test_a_group_with_a_bad_state_dtype_changes_nothing() -> None:
    first, second = np.ones(3, np.float32), np.ones(3, np.float32)
    optimizer = Adam([first])
    with pytest.raises(martlet.DTypeError, match="banana"):
        optimizer.add_param_group({"params": [second], "state_dtype": "banana"})
    optimizer.step([np.ones(3, np.float32)])
    optimizer.add_param_group({"params": [second]})
    optimizer.step([np.ones(3, np.float32)] * 2)
    assert len(optimizer.param_groups) == 2
