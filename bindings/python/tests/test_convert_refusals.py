"""martlet.convert: which parameter is which, by name and by order, and what is refused, before anything is changed."""

from __future__ import annotations

import os
from typing import Any

import jax
import numpy as np
import pytest
import torch

import martlet
import martlet.optim
import martlet.torch
from martlet import convert

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import optax

# Of one shape, so that nothing but a name tells them apart; jax orders dicts by their keys.
PARAMETERS = {"weight": np.full(3, 2.0, np.float32), "bias": np.full(3, 1.0, np.float32)}


def gradient(value: Any) -> Any:
    return np.asarray(value) * np.float32([0.5, -1.0, 2.0])


def arrays() -> dict[str, Any]:
    return {name: value.copy() for name, value in PARAMETERS.items()}


def stepped_optax(made: Any, parameters: Any, steps: int = 3) -> tuple[Any, Any]:
    """A state and parameters after some steps."""
    parameters = jax.tree.map(jax.numpy.asarray, parameters)
    state = made.init(parameters)
    for _ in range(steps):
        updates, state = made.update(jax.tree.map(gradient, parameters), state, parameters)
        parameters = optax.apply_updates(parameters, updates)
    return state, parameters


def stepped_keras(made: Any, steps: int = 3) -> tuple[Any, list[Any]]:
    variables = [keras.Variable(value, name=name) for name, value in PARAMETERS.items()]
    made.build(variables)
    for _ in range(steps):
        made.apply([jax.numpy.asarray(gradient(variable)) for variable in variables])
    return made, variables


def stepped(made: Any, steps: int = 3) -> Any:
    for _ in range(steps):
        made.step([gradient(value) for group in made.param_groups for value in group["params"]])
    return made


def moments(packed: dict[str, Any], slot: str = "exp_avg") -> list[Any]:
    return [packed["state"][key][slot] for key in packed["state"]]


def test_parameters_of_optax_by_name() -> None:
    state, _ = stepped_optax(optax.adam(0.1), PARAMETERS)
    packed = convert.from_optax(state, martlet.optim.Adam(arrays()))
    mu = state[0].mu
    np.testing.assert_array_equal(moments(packed), [mu["weight"], mu["bias"]])
    back = convert.to_optax(stepped(martlet.optim.Adam(arrays())), state)
    assert not np.array_equal(back[0].mu["weight"], back[0].mu["bias"])


def test_parameters_of_optax_deeper_and_in_order() -> None:
    nested = {"b": {"kernel": PARAMETERS["weight"]}, "a": {"kernel": PARAMETERS["bias"]}}
    state, _ = stepped_optax(optax.adam(0.1), nested)
    named = martlet.optim.Adam({"b.kernel": np.zeros(3, np.float32), "a.kernel": np.zeros(3, np.float32)})
    mu = state[0].mu
    np.testing.assert_array_equal(moments(convert.from_optax(state, named)), [mu["b"]["kernel"], mu["a"]["kernel"]])
    unnamed = martlet.optim.Adam([np.zeros(3, np.float32), np.zeros(3, np.float32)])
    np.testing.assert_array_equal(moments(convert.from_optax(state, unnamed)), jax.tree.leaves(mu))
    other = martlet.optim.Adam({"x": np.zeros(3, np.float32), "y": np.zeros(3, np.float32)})
    with pytest.raises(martlet.FormatError, match="a/kernel, b/kernel, and ours x, y"):
        convert.from_optax(state, other)


def test_a_state_inside_chains_and_injected_numbers() -> None:
    made = optax.chain(optax.clip(100.0), optax.inject_hyperparams(optax.adam)(learning_rate=0.1))
    state, parameters = stepped_optax(made, PARAMETERS)
    ours = martlet.optim.Adam({name: np.array(value) for name, value in parameters.items()}, lr=0.1)
    ours.load_state_dict(convert.from_optax(state, ours))
    updates, _ = made.update(jax.tree.map(gradient, parameters), state, parameters)
    wanted = optax.apply_updates(parameters, updates)
    stepped(ours, 1)
    for name, value in zip(parameters, ours.param_groups[0]["params"], strict=True):
        np.testing.assert_allclose(value, wanted[name], rtol=1e-5)


def test_parameters_of_keras_by_name() -> None:
    peer, _ = stepped_keras(keras.optimizers.Adam(0.01))
    swapped = {name: np.zeros(3, np.float32) for name in reversed(PARAMETERS)}
    weight, bias = moments(convert.from_keras(peer, martlet.optim.Adam([np.zeros(3, np.float32) for _ in "ab"])))
    np.testing.assert_array_equal(moments(convert.from_keras(peer, martlet.optim.Adam(swapped))), [bias, weight])
    assert not np.array_equal(weight, bias)


def test_numbers_come_with_a_state_of_keras() -> None:
    peer, _ = stepped_keras(keras.optimizers.AdamW(0.25, weight_decay=0.5, beta_1=0.75, epsilon=0.125, amsgrad=True))
    ours = martlet.optim.AdamW(arrays(), lr=1.0)
    ours.load_state_dict(convert.from_keras(peer, ours))
    (group,) = ours.param_groups
    assert (group["lr"], group["betas"], group["eps"]) == (0.25, (0.75, 0.999), 0.125)
    assert (group["weight_decay"], group["amsgrad"], group["semantics"]) == (0.5, True, "keras")
    assert [entry["step"] for entry in ours.state_dict()["state"].values()] == [3, 3]


def test_keras_must_have_our_numbers_and_gets_our_rate() -> None:
    ours = stepped(martlet.optim.Adam(arrays(), lr=0.125, eps=1e-7, semantics="keras"))
    peer, _ = stepped_keras(keras.optimizers.Adam(0.5), steps=1)
    convert.to_keras(ours, peer)
    assert (float(peer.learning_rate.value), int(peer.iterations.value)) == (0.125, 3)
    other, _ = stepped_keras(keras.optimizers.Adam(0.5, beta_2=0.5), steps=1)
    before = [np.asarray(variable) for variable in other.variables]
    with pytest.raises(martlet.ArgumentError, match="beta_2=0.5, and ours 0.999"):
        convert.to_keras(ours, other)
    for variable, value in zip(other.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


@pytest.mark.parametrize("option", ["clipnorm", "clipvalue", "global_clipnorm", "loss_scale_factor", "exclude"])
def test_what_keras_does_around_a_step_is_refused(option: str) -> None:
    peer = keras.optimizers.AdamW(0.01, **({} if option == "exclude" else {option: 0.5}))
    if option == "exclude":
        peer.exclude_from_weight_decay(var_names=["bias"])
    peer, _ = stepped_keras(peer, steps=2)
    with pytest.raises(martlet.UnsupportedError, match=f"Keras's optimizer has {option}"):
        convert.from_keras(peer, martlet.optim.AdamW(arrays()))


def test_nothing_of_keras_stays_beside_what_was_never_stepped() -> None:
    peer, _ = stepped_keras(keras.optimizers.Adam(0.01), steps=2)
    with pytest.raises(martlet.FormatError, match="have taken no step, and Keras's optimizer has"):
        convert.to_keras(martlet.optim.Adam(arrays(), lr=0.01, semantics="keras", eps=1e-7), peer)


def test_a_state_before_the_first_step() -> None:
    """It is none: z and sums start with what the first step finds."""
    state, _ = stepped_optax(optax.contrib.schedule_free_sgd(0.1), PARAMETERS, steps=0)
    assert convert.from_optax(state, martlet.optim.SGDScheduleFree(arrays()))["state"] == {}
    peer, _ = stepped_keras(keras.optimizers.Adam(0.01), steps=0)
    assert convert.from_keras(peer, martlet.optim.Adam(arrays()))["state"] == {}


REFUSED = [
    ("optax.rprop", martlet.optim.Rprop, {}, optax.rprop(0.1), "one step late"),
    ("optax.adafactor", martlet.optim.Adafactor, {}, optax.adafactor(0.1), "over the two largest dimensions"),
    ("another algorithm", martlet.optim.Adam, {}, optax.lion(0.1), "ScaleByLionState, and .* ScaleByAdamState"),
    ("amsgrad", martlet.optim.Adam, {"lr": 0.1}, optax.adagrad(0.1), "ScaleByAdamState"),
    ("not in optax", martlet.optim.LaProp, {}, optax.adam(0.1), "optax has no laprop"),
    ("no momentum", martlet.optim.SGD, {}, optax.sgd(0.1, momentum=0.9), "momentum_buffer, and sgd with these options"),
    ("no trace", martlet.optim.RMSprop, {"momentum": 0.9}, optax.rmsprop(0.1), "square_avg, and rmsprop with these"),
    (
        "number",
        martlet.optim.Adam,
        {"amsgrad": True, "semantics": "optax", "weight_decay": 0.1},
        optax.amsgrad(0.1),
        "weight_decay is 0.1",
    ),
    (
        "schedule",
        martlet.optim.SGDScheduleFree,
        {},
        optax.contrib.schedule_free_sgd(0.1, warmup_steps=5),
        "the rate of the next",
    ),
]  # fmt: skip


@pytest.mark.parametrize("kind, options, made, message", [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_states_of_optax_that_are_none_of_ours(kind: Any, options: Any, made: Any, message: str) -> None:
    state, _ = stepped_optax(made, PARAMETERS)
    with pytest.raises(martlet.MartletError, match=message):
        convert.from_optax(state, kind(arrays(), **options))


def test_other_conventions_are_not_handed_out() -> None:
    peer, _ = stepped_keras(keras.optimizers.SGD(0.1, momentum=0.9), steps=1)
    with pytest.raises(martlet.ArgumentError, match="semantics is 'torch'.*semantics='keras'"):
        convert.to_keras(stepped(martlet.optim.SGD(arrays(), lr=0.1, momentum=0.9)), peer)
    state, _ = stepped_optax(optax.rmsprop(0.1), PARAMETERS)
    with pytest.raises(martlet.ArgumentError, match="semantics is 'torch'.*semantics='optax'"):
        convert.to_optax(stepped(martlet.optim.RMSprop(arrays())), state)
    with pytest.raises(martlet.UnsupportedError, match="optax's lion has no maximize"):
        convert.to_optax(
            stepped(martlet.optim.Lion(arrays(), maximize=True)), stepped_optax(optax.lion(0.1), PARAMETERS)[0]
        )


def test_parameters_that_do_not_fit() -> None:
    state, _ = stepped_optax(optax.adam(0.1), {"weight": PARAMETERS["weight"]})
    with pytest.raises(martlet.FormatError, match="of 1 parameters, and ours has 2"):
        convert.from_optax(state, martlet.optim.Adam(arrays()))
    peer, _ = stepped_keras(keras.optimizers.Adam(0.01))
    with pytest.raises(martlet.FormatError, match="2 parameters, and ours 1"):
        convert.from_keras(peer, martlet.optim.Adam(np.zeros(3, np.float32)))
    small = martlet.optim.Adam([np.zeros(2, np.float32), np.zeros(2, np.float32)], semantics="keras", eps=1e-7)
    for _ in range(2):
        small.step([np.ones(2, np.float32), np.ones(2, np.float32)])
    with pytest.raises(martlet.FormatError, match=r"has shape \(2,\)"):
        convert.to_keras(small, peer)
    with pytest.raises(martlet.ArgumentError, match=r"step once for all parameters, and those of ours have 1, 2"):
        uneven = martlet.optim.Adam(arrays(), semantics="keras", eps=1e-7)
        uneven.step([np.ones(3, np.float32), np.ones(3, np.float32)])
        uneven.step([np.ones(3, np.float32), None])
        convert.to_keras(uneven, peer)


def test_what_is_no_optimizer() -> None:
    with pytest.raises(martlet.DTypeError, match="wanted an optimizer of martlet.optim or martlet.torch"):
        convert.from_optax(optax.adam(0.1).init(PARAMETERS), object())
    with pytest.raises(martlet.DTypeError, match=r"wanted an optimizer of keras\.optimizers"):
        convert.from_keras(object(), martlet.optim.Adam(arrays()))
    with pytest.raises(martlet.DTypeError, match="none of optax's named tuples"):
        convert.from_optax({}, martlet.optim.Adam(arrays()))
    for other in (3, torch.nn.Linear(1, 1)):
        with pytest.raises(martlet.DTypeError, match="an optimizer of torch's shape, or its state_dict"):
            convert.from_torch(other, martlet.optim.Adam(arrays()))
        with pytest.raises(martlet.DTypeError, match="an optimizer of torch's shape, or its state_dict"):
            convert.to_torch(martlet.optim.Adam(arrays()), other)
    with pytest.raises(martlet.FormatError, match="no variables yet"):
        convert.from_keras(keras.optimizers.Adam(), martlet.optim.Adam(arrays()))
    with pytest.raises(martlet.UnsupportedError, match="use_ema"):
        convert.from_keras(stepped_keras(keras.optimizers.Adam(use_ema=True))[0], martlet.optim.Adam(arrays()))
    with pytest.raises(martlet.UnsupportedError, match="Keras's Ftrl is not converted"):
        convert.from_keras(stepped_keras(keras.optimizers.Ftrl())[0], martlet.optim.Adam(arrays()))
    with pytest.raises(martlet.UnsupportedError, match="Keras's Lion is Martlet's lion, and ours is adam"):
        convert.from_keras(stepped_keras(keras.optimizers.Lion())[0], martlet.optim.Adam(arrays()))


@pytest.mark.parametrize(
    ("name", "words"), [("SOAP", "at uneven steps"), ("AdamW", "by the places of functions"), ("SGD", "by the places")]
)
def test_states_of_heavyball(name: str, words: str) -> None:
    """A class and a state_dict of its shape, without it: another's rule, or in no parameter's own shape."""
    parameter = torch.nn.Parameter(torch.ones(3, 2))
    ours = getattr(martlet.torch, name)([parameter])
    peer = type(name, (torch.optim.SGD,), {"__module__": "heavyball", "step": torch.optim.SGD.step})([parameter])
    for conversion in (lambda: convert.from_torch(peer, ours), lambda: convert.to_torch(ours, peer)):
        with pytest.raises(martlet.UnsupportedError, match=f"{words}.*its state cannot go on in the other"):
            conversion()
    packed = ours.state_dict()
    packed["param_groups"][0] |= {"param_ecc": None, "caution": False, "storage_dtype": "float32"}
    packed["state"] = {0: {0: {"is_initialized": {0}}}}
    with pytest.raises(martlet.UnsupportedError, match=words):
        ours.load_state_dict(packed)
    other = type("PSGDKron", (type(peer),), {"__module__": "heavyball.helpers", "step": type(peer).step})([parameter])
    with pytest.raises(martlet.UnsupportedError, match="heavyball's PSGDKron is not converted$"):
        convert.from_torch(other, ours)


@pytest.mark.parametrize("part", ["update_step", "_backend_update_step", "_apply_weight_decay"])
def test_subclasses_with_a_rule_of_their_own(part: str) -> None:
    plain, other = (type("Mine", (keras.optimizers.Adam,), body) for body in ({}, {part: lambda *_: None}))
    ours = martlet.optim.Adam(arrays(), semantics="keras", eps=1e-7)
    convert.from_keras(stepped_keras(plain(0.01))[0], ours)
    for conversion in (convert.from_keras, lambda peer, ours: convert.to_keras(ours, peer)):
        with pytest.raises(martlet.UnsupportedError, match=f"Mine has a {part} of its own in place of Keras's Adam's"):
            conversion(stepped_keras(other(0.01))[0], ours)


def test_between_numpy_and_torch() -> None:
    """numpy's to torch's own class, and on: the same numbers as without it."""
    values = [value.copy() for value in PARAMETERS.values()]
    plain = stepped(martlet.optim.NAdam(values, lr=0.1))
    parameters = [torch.nn.Parameter(torch.from_numpy(value.copy())) for value in values]
    peer = torch.optim.NAdam(parameters, lr=1.0)
    peer.load_state_dict(convert.to_torch(plain, peer))
    for parameter in parameters:
        parameter.grad = torch.from_numpy(gradient(parameter.detach().numpy()))
    peer.step()
    stepped(plain, 1)
    for parameter, value in zip(parameters, values, strict=True):
        np.testing.assert_allclose(parameter.detach().numpy(), value, rtol=1e-6)
