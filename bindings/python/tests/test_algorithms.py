"""What holds for every algorithm of the library: faces, defaults, spellings, state, and torch's own."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import martlet
import martlet.torch
from martlet import _algorithms, _ffi, _ffi_optimizers, _groups, _spellings, functional, nn, optim
from martlet._config import SEMANTICS, defaults
from networks import digits_like, mlp
from trajectories import ARRAYS, TENSORS, gradients, near, parameters, shapes_of, train

PEERS = {name: kind._martlet_kind.peer for name, kind in TENSORS.items() if kind._martlet_kind.peer is not None}
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "SGD": [{"momentum": 0.9, "dampening": 0.5}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}],
    "RMSprop": [{"momentum": 0.9, "centered": True, "weight_decay": 0.1}],
    "ASGD": [{"t0": 3.0, "weight_decay": 0.1}],
    "NAdam": [{"decoupled_weight_decay": True, "weight_decay": 0.1}],
    "Adam": [{"amsgrad": True, "weight_decay": 0.1}],
}
#: torch's Muon multiplies in bf16; test_torch_muon.py compares.
CASES = [
    (name, options) for name in PEERS for options in ({}, {"maximize": True}, *OPTIONS.get(name, [])) if name != "Muon"
]
#: Arguments beside torch's that are no options of a group.
ARGUMENTS = {"Muon": ("rules", "blocks", "adamw_lr", "adamw_betas", "adamw_eps", "adamw_weight_decay")}


NORMS = ("LAMB", "LARS", "StableAdamW", "MARS")


def test_every_algorithm_has_a_class_for_tensors_and_one_for_arrays() -> None:
    every = set(_algorithms.numbers())
    assert {kind._algorithm for kind in ARRAYS.values()} == every
    # torch's AdamW is an Adam whose groups say that they are decoupled.
    assert {kind._martlet_kind.reader.kind.number for kind in TENSORS.values()} == every - {_ffi_optimizers.ADAMW}
    assert set(functional.__all__) == {_algorithms.of(number).name for number in every} | {"adam_optimizer"}


@pytest.mark.parametrize("name", TENSORS)
def test_defaults_are_the_librarys(name: str) -> None:
    group = TENSORS[name]([torch.zeros(shapes_of(name)[1])]).param_groups[0]
    wanted = _groups.as_group(defaults(ARRAYS[name]._algorithm))
    assert ARRAYS[name]().defaults == wanted
    wanted |= {"shampoo_beta": -1.0} if name == "SOAP" else {}
    assert {key: group[key] for key in wanted if key in group} == {key: wanted[key] for key in wanted if key in group}
    number = ARRAYS[name]._algorithm
    assert set(_spellings.number_keys(number)) - _spellings.left_out(number).keys() <= group.keys()


@pytest.mark.parametrize("name", PEERS)
def test_signatures_and_groups_are_torchs(name: str) -> None:
    ours, theirs = (inspect.signature(kind).parameters for kind in (TENSORS[name], PEERS[name]))
    own = TENSORS[name]._martlet_kind.own
    beside = ARGUMENTS.get(name, ())
    shared = [*(key for key in own if key not in theirs and key not in beside), "param_copy", "strict"]
    assert list(ours) == [*theirs, *beside, *shared]
    assert [(ours[key].default, ours[key].kind) for key in theirs] == [
        (one.default, one.kind) for one in theirs.values()
    ]
    made = [kind([torch.zeros(shapes_of(name)[1])]).state_dict() for kind in (TENSORS[name], PEERS[name])]
    assert list(made[0]["param_groups"][0].items()) == list(made[1]["param_groups"][0].items())


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_torchs_curve_and_state_both_ways(name: str, options: dict[str, Any]) -> None:
    ours, theirs = TENSORS[name], PEERS[name]
    for first, second in ((ours, theirs), (theirs, ours)):
        half, optimizer = train(first, options, range(6))
        state = optimizer.state_dict()
        wanted, _ = train(theirs, options, range(12))
        found, other = train(second, options, range(6, 12), state, half)
        near(found, wanted)
        assert {*map(tuple, other.state_dict()["state"].values())} == {*map(tuple, state["state"].values())}


@pytest.mark.parametrize("name", PEERS)
def test_a_differentiable_group_is_torchs(name: str) -> None:
    if "differentiable" not in inspect.signature(TENSORS[name]).parameters:
        return
    found = parameters()
    optimizer = TENSORS[name](found)
    for step in range(6):
        optimizer.param_groups[0]["differentiable"] = step in (2, 3)
        for parameter, gradient in zip(found, gradients(step), strict=True):
            parameter.grad = gradient
        optimizer.step()
    near([parameter.detach() for parameter in found], train(PEERS[name], {}, range(6))[0])


@pytest.mark.parametrize("name", TENSORS)
def test_all_faces_give_the_same_bits(name: str, tmp_path: Path) -> None:
    options = {"weight_decay": 0.01} if name != "Rprop" else {}
    wanted, tensors = train(TENSORS[name], options, range(6))
    arrays = [parameter.detach().numpy() for parameter in parameters(shapes_of(name))]
    plain, states = [array.copy() for array in arrays], {}
    optimizer = ARRAYS[name](arrays, **options)
    function = getattr(martlet, _algorithms.of(ARRAYS[name]._algorithm).name)
    for step in range(6):
        given = [gradient.numpy() for gradient in gradients(step, shapes_of(name))]
        if step == 3:  # through a file, and through a state_dict
            optimizer.save(tmp_path / "state")
            kept = optimizer.state_dict()
            optimizer = ARRAYS[name](arrays, **options)
            optimizer.load(tmp_path / "state")
            optimizer.load_state_dict(kept)
        optimizer.step(given)
        function(plain, given, states, **options)
    for array, other, tensor in zip(arrays, plain, wanted, strict=True):
        assert np.array_equal(array, tensor.numpy())
        assert np.array_equal(array, other)
    ARRAYS[name]([array.copy() for array in arrays], **options).load_state_dict(tensors.state_dict())


@pytest.mark.parametrize("number", _algorithms.numbers())
def test_a_model_trains_with_it_by_name_and_keeps_it(number: int, tmp_path: Path) -> None:
    x, y = digits_like(40, (20,))
    model = mlp()
    kind = _algorithms.of(number)
    model.compile(kind.name, "sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model")
    other = nn.load_model(tmp_path / "model")
    assert other.optimizer.hyperparameters() == model.optimizer.hyperparameters()
    for one in (model, other):
        one.optimizer.learning_rate = 1e-3
        one.train_on_batch(x, y)
    assert np.array_equal(model.parameters(), other.parameters())


@pytest.mark.parametrize("name", ["Adafactor", *NORMS])
def test_a_model_steps_its_arrays_by_their_own_sizes(name: str, tmp_path: Path) -> None:
    """An algorithm whose state follows rows and columns, or that has norms: as over the arrays, kernels of convolutions
    too."""
    random = np.random.default_rng(1)
    x, y = random.normal(size=(32, 8, 8, 2)).astype(np.float32), random.integers(0, 3, 32)
    model = nn.Sequential([nn.Conv2D(5, 3, activation="relu"), nn.Flatten(), nn.Dense(3)], seed=1)
    model.build((None, 8, 8, 2))
    made = getattr(optim, name)
    model.compile(_algorithms.of(made._algorithm).name, "sparse_categorical_crossentropy")
    weights = [array.copy() for array in model.get_weights()]
    row = model.optimizer.hyperparameters()
    arrays = made(weights, lr=row.lr, eps=(row.eps, 1e-3) if name == "Adafactor" else row.eps)
    for scale in (1, 1, 20, 1):  # so that StableAdamW has something to clip
        model.train_on_batch(np.float32(scale) * x, y)
        ends = np.cumsum([array.size for array in weights])[:-1]
        gradients = np.split(model.gradients(), ends)
        arrays.step([part.reshape(array.shape) for part, array in zip(gradients, weights, strict=True)])
        assert all(map(np.array_equal, weights, model.get_weights()))
    model.save(tmp_path / "model")
    other = nn.load_model(tmp_path / "model")
    for each in (model, other):
        each.fit(x, y, verbose=0)
    assert np.array_equal(model.parameters(), other.parameters())


@pytest.mark.parametrize("number", _algorithms.numbers())
def test_slots_depend_on_flags_and_on_which_numbers_are_zero(number: int) -> None:
    row = defaults(number)
    random = np.random.default_rng(number)
    whole = {"ns_steps", "blocks", "precondition_frequency", "max_precond_dim", "block_size", "lookahead_steps"}
    whole |= {"accumulate"}
    counts = [name in whole for name in _algorithms.of(number).places]  # never anything but counts
    for used in random.integers(0, 2, (20, len(row.values))).astype(bool):
        # Decay of 0 to 0.9 is in range; of bounds, which are infinite or not, none.
        used |= counts
        bounds = [name in _algorithms.BOUNDS for name in _algorithms.of(number).places]
        used &= ~np.array(bounds)
        if "schedule_free" in _algorithms.of(number).name:
            used[_algorithms.of(number).places["ema_decay"]] = False
        scale = _algorithms.of(number).places["loss_scale"]
        used[scale] = True
        values = tuple(float(value) for value in np.where(used, random.uniform(0.1, 0.9, len(used)), 0))
        values = tuple(2.0 if count else value for count, value in zip(counts, values, strict=True))
        values = tuple(np.inf if bound else value for bound, value in zip(bounds, values, strict=True))
        config = _ffi_optimizers.Config()
        row._replace(values=values, flags=row.flags | _ffi_optimizers.WIDE_RANGES).write(config)
        count = _ffi.Int64()
        _ffi_optimizers.martlet_algorithm_slot_count(count, config)
        assert count.value == len(_algorithms.slots(number, SEMANTICS["torch"], row.flags, tuple(used)).names)


@pytest.mark.parametrize("name", TENSORS)
def test_what_an_algorithm_does_not_read_is_named(name: str) -> None:
    kind = _algorithms.of(ARRAYS[name]._algorithm)
    unread = next(key for key in ("amsgrad", "nesterov", "centered") if key not in _spellings.flag_keys(kind.number))
    for made, where in ((ARRAYS[name], np.zeros(2)), (TENSORS[name], torch.zeros(2))):
        with pytest.raises(TypeError, match=f"{name} got an unexpected argument '{unread}'; it takes .*lr"):
            made([where], **{unread: True})
        with pytest.raises(martlet.MartletError, match="(Invalid l|L)earning rate.*: -1"):
            made([where], lr=-1)
    with pytest.raises(martlet.ArgumentError, match=f"'{unread}', which is no hyperparameter of {kind.name}"):
        ARRAYS[name]([{"params": [np.zeros(2)], unread: True}])


def test_a_state_of_another_algorithm_is_refused() -> None:
    state = train(martlet.torch.Adagrad, {}, range(2))[1].state_dict()
    for kind in (martlet.torch.Adam, martlet.torch.RMSprop):
        with pytest.raises(martlet.FormatError, match="another optimizer's"):
            train(kind, {}, range(1), state)
    with pytest.raises(martlet.FormatError, match="another optimizer's"):
        optim.Adam([np.zeros((4, 3))]).load_state_dict(state)


def test_a_momentum_that_comes_late_starts_as_torchs_does() -> None:
    """From the first gradient that it sees, undampened; steps are counted from the beginning."""
    ran = []
    for kind in (martlet.torch.SGD, torch.optim.SGD):
        made = parameters()
        optimizer = kind(made, lr=0.1, dampening=0.5)
        for step in range(6):
            optimizer.param_groups[0]["momentum"] = 0.9 if step > 2 else 0
            for parameter, gradient in zip(made, gradients(step), strict=True):
                parameter.grad = gradient
            optimizer.step()
        ran.append([parameter.detach() for parameter in made])
    near(*ran)
    arrays = [parameter.detach().numpy() for parameter in parameters()]
    numpys = optim.SGD(arrays, lr=0.1, dampening=0.5)
    for step in range(6):
        numpys.param_groups[0]["momentum"] = 0.9 if step > 2 else 0
        if step == 3:  # a step that fails leaves the count and the state as they were
            before = numpys.state_dict()["state"]
            with pytest.raises(martlet.OverlapError):
                numpys.step(arrays)
            assert numpys.state_dict()["state"] == before
        numpys.step([gradient.numpy() for gradient in gradients(step)])
    near(map(torch.from_numpy, arrays), ran[0])
    assert [state["step"] for state in numpys.state_dict()["state"].values()] == [6, 6, 6]


def test_adabound_has_its_bounds_from_the_rate_that_a_schedule_starts_from() -> None:
    made = parameters()
    optimizer = martlet.torch.AdaBound(made, lr=0.01)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 100))
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-4)
    for parameter, gradient in zip(made, gradients(0), strict=True):
        parameter.grad = gradient
    optimizer.step()
    assert float(optimizer.state[made[0]]["base_lr"]) == pytest.approx(0.01)
    # Without a schedule of torch's it is the first step's.
    _, optimizer = train(martlet.torch.AdaBound, {"lr": 0.02}, range(2))
    optimizer.param_groups[0]["lr"] = 0.5
    optimizer.step()
    assert {float(state["base_lr"]) for state in optimizer.state.values()} == {0.02}
    arrays = optim.AdaBound([np.ones(3)], lr=lambda step: 0.25 / (1 + step))
    for _ in range(3):
        arrays.step([np.ones(3)])
    assert arrays.state_dict()["state"][0]["base_lr"] == 0.25


@pytest.mark.parametrize("number", _algorithms.numbers())
def test_a_convention_that_an_algorithm_does_not_know_is_refused(number: int) -> None:
    """By the name that was given, with those that it knows. Models, by default Keras's, take it all the same."""
    kind = _algorithms.of(number)
    known = [name for name, constant in SEMANTICS.items() if constant in kind.conventions]
    assert known[0] == "torch"
    decays = "weight_decay" in kind.places and not kind.name.startswith("schedule_free")
    # These have a decay of their own.
    assert ("keras" in known) == (
        decays and kind.name not in ("lars", "stable_adamw", "muon", "mars", "soap", "shampoo", "adam_mini")
    )
    wanted = " or ".join(map(repr, known))
    made = next(made for made in ARRAYS.values() if made._algorithm == number)
    for name in SEMANTICS.keys() - known:
        message = f"semantics is '{name}'; expected {wanted}, as {kind.name} has no convention of that name"
        for face, where in ((made, np.zeros(2)), (getattr(martlet.torch, made.__name__), torch.zeros(2))):
            with pytest.raises(martlet.ArgumentError, match=message.replace("adamw", "adamw?")):
                face([where], semantics=name)
        with pytest.raises(martlet.ArgumentError, match=message):
            getattr(functional, kind.name)(np.zeros(2), np.zeros(2), semantics=name)
    assert nn.optimizers.get(kind.name).hyperparameters().semantics == ("keras" if "keras" in known else "torch")


def test_numbers_that_give_no_finite_step_are_refused_in_plain_ranges_too() -> None:
    """Each of them is in its range; together they are infinite, or no number."""
    for kind, options in (
        (optim.Adam, {"lr": 1e308, "betas": (0.9999999, 0.999)}),
        (optim.SGDScheduleFree, {"lr": 1e-300, "weight_lr_power": -2.0}),
        (optim.AdaBound, {"final_lr": 1e308, "gamma": 0.01}),
    ):
        array = np.ones(3)
        optimizer = kind([array], **options)
        with pytest.raises(martlet.ArgumentError, match="no step 1 with lr"):
            optimizer.step([np.ones(3)])
        assert np.array_equal(array, np.ones(3))
        assert optimizer.state_dict()["state"] == {}


def test_a_scalar_that_is_no_number_is_refused_by_name() -> None:
    made, optimizer = train(martlet.torch.NAdam, {}, range(2))
    first = optimizer.param_groups[0]["params"][0]
    before = first.detach().clone()
    optimizer.state[first]["mu_product"] = torch.tensor(math.nan)
    with pytest.raises(martlet.ArgumentError, match="mu_product"):
        optimizer.step()
    assert torch.equal(first.detach(), before)
    assert made


def test_signs_of_what_is_no_number_and_an_infinite_first_gradient_as_in_torch() -> None:
    ran = []
    for kind in (martlet.torch.Rprop, torch.optim.Rprop):
        parameter = torch.nn.Parameter(torch.zeros(4))
        optimizer = kind([parameter])
        for gradient in ([math.inf, -math.inf, math.nan, 1.0], [1.0, 1.0, 1.0, math.nan]):
            parameter.grad = torch.tensor(gradient)
            optimizer.step()
        ran.append(parameter.detach())
    assert torch.equal(*ran)


def test_readme_has_the_table_of_algorithms() -> None:
    from martlet import _catalogue

    assert _catalogue.markdown() in (Path(__file__).parents[3] / "README.md").read_text()
