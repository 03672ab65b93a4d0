"""What Martlet does in the rows of docs/differences.md, where no other file holds it.

Expected values are worked out here in float64, or are those of the installed torch; what other libraries do wrong is
shown by findings/ and not expected of the installed versions.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
import torch
import torch.distributed.checkpoint.state_dict as distributed
from torch.optim import lr_scheduler

import martlet
import martlet.optim
import martlet.torch
from martlet import _algorithms, nn

# ---- the step and its state ----

CLASSES = [name for name, kind in vars(martlet.torch).items() if inspect.isclass(kind)
           and issubclass(kind, torch.optim.Optimizer) and name not in ("Optimizer", "SparseAdam")]  # fmt: skip
FLAGS = {
    "amsgrad": True, "maximize": True, "weight_decay": 0.1, "decoupled_weight_decay": True, "momentum": 0.9,
    "nesterov": True, "centered": True,
}  # fmt: skip


def options_of(kind: Any) -> Iterator[dict[str, Any]]:
    """Each of the flags that a class has, alone and together with each other that goes with it."""
    known = [name for name in FLAGS if name in inspect.signature(kind).parameters]
    for names in itertools.chain([()], itertools.combinations(known, 1), itertools.combinations(known, 2)):
        if "nesterov" not in names or "momentum" in names:
            yield {name: FLAGS[name] for name in names}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", CLASSES)
def test_a_step_never_changes_a_gradient(name: str, dtype: torch.dtype) -> None:
    kind, own = getattr(martlet.torch, name), getattr(martlet.optim, name)
    for options in options_of(kind):
        parameter = torch.nn.Parameter(torch.linspace(-1, 1, 60, dtype=dtype).view(6, 10))
        gradient = torch.linspace(0.5, 2, 60, dtype=dtype).view(10, 6).T
        optimizer, parameter.grad = kind([parameter], lr=0.1, **options), gradient.clone()
        for _ in range(2):
            optimizer.step()
            assert torch.equal(parameter.grad, gradient), options
    for options in options_of(own):
        array, wanted = np.linspace(-1, 1, 60), np.linspace(0.5, 2, 60)
        optimizer, given = own([array], lr=0.1, **options), wanted.copy()
        for _ in range(2):
            optimizer.step([given])
            assert np.array_equal(given, wanted), options


def test_reading_a_state_early_steps_as_in_torch() -> None:
    ends = []
    for module in (martlet.torch, torch.optim):
        model = torch.nn.Linear(3, 2, dtype=torch.float64)
        torch.nn.init.ones_(model.weight)
        optimizer = module.Adam(model.parameters(), lr=0.1)
        distributed.get_optimizer_state_dict(model, optimizer)
        assert [entry["step"].item() for entry in optimizer.state.values()] == [1, 1]
        model.weight.grad = torch.ones_like(model.weight)
        optimizer.step()
        ends.append(model.weight.detach())
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-14, atol=0)
    assert 1 - ends[0][0, 0].item() == pytest.approx(0.0744, abs=1e-4)


@pytest.mark.parametrize("fused", [False, True])
def test_a_first_step_that_is_skipped_leaves_no_state(fused: bool) -> None:
    weights = torch.nn.Parameter(torch.zeros(4))
    optimizer = martlet.torch.SGD([weights], lr=1.0, momentum=0.9, dampening=0.5, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    for loss, keys in ((float("inf"), []), (1.0, ["momentum_buffer"])):
        optimizer.zero_grad()
        scaler.scale(weights.sum() * loss).backward()
        scaler.step(optimizer)
        scaler.update()
        assert list(optimizer.state[weights]) == keys
    assert weights.tolist() == [-1.0] * 4


@pytest.mark.parametrize("name", CLASSES)
def test_parameters_without_elements(name: str) -> None:
    takes_vectors = _algorithms.of(getattr(martlet.optim, name)._algorithm).takes_vectors
    for shape in ((0,), (0, 3), (3, 0)) if takes_vectors else ((0, 3), (3, 0)):
        beside = (3,) if takes_vectors else (3, 1)
        parameters = [torch.nn.Parameter(torch.ones(size)) for size in (beside, shape, beside)]
        arrays = [parameter.detach().clone().numpy() for parameter in parameters]
        tensors, own = getattr(martlet.torch, name)(parameters, lr=0.1), getattr(martlet.optim, name)(arrays, lr=0.1)
        for _ in range(8):  # RAdam's rule does not move before its fifth
            for place, parameter in enumerate(parameters):
                parameter.grad = torch.full_like(parameter, 0.5 + place)
            tensors.step()
            own.step([np.full_like(array, 0.5 + place) for place, array in enumerate(arrays)])
        for values in (arrays[0], arrays[2], parameters[0].detach().numpy(), parameters[2].detach().numpy()):
            assert (values != 1).all() and np.isfinite(values).all()


def test_a_resumed_adabound_has_the_bounds_that_it_began_with() -> None:
    ends = []
    for resumed in (False, True):
        array = np.zeros(1)
        optimizer = martlet.optim.AdaBound([array], lr=1e-3)
        for step in range(6):
            if step == 5:
                optimizer.lr = 1e-4
            if step == 5 and resumed:
                packed = optimizer.state_dict()
                optimizer = martlet.optim.AdaBound([array], lr=1e-4)
                optimizer.load_state_dict(packed)
            before = array.copy()
            optimizer.step([np.ones(1)])
        ends.append(before - array)
    assert ends[0] == ends[1] == pytest.approx(1e-4, rel=1e-3)


# ---- weight decay ----


def moved(optimizer: Any, gradient: Any, *, start: float = 1.0) -> float:
    """How far one step takes a number of the start."""
    array = np.full(1, start)
    optimizer(array).step([np.full(1, gradient)])
    return float(start - array[0])


def test_weight_decay_of_an_adam() -> None:
    """By a gradient of 0: L2 makes it a step of the learning rate, decoupled decay shrinks by rate times decay."""
    options = {"lr": 0.1, "weight_decay": 0.1}
    assert moved(lambda p: martlet.optim.Adam([p], **options), 0.0) == pytest.approx(0.1)
    assert moved(lambda p: martlet.optim.Adam([p], semantics="keras", **options), 0.0) == pytest.approx(0.01)
    model = nn.Sequential([nn.Dense(1, input_shape=(1,))])
    model.compile(nn.Adam(0.1, weight_decay=0.1), "mse")
    model.set_weights([np.ones((1, 1)), np.zeros(1)])
    model.train_on_batch(np.zeros((4, 1)), np.zeros(4))
    assert model.get_weights()[0].item() == pytest.approx(0.99)


# ---- epsilon, bias correction ----


@pytest.mark.parametrize("gradient", [1e-5, 1e-6, 1e-7])
def test_a_first_step_by_a_small_gradient(gradient: float) -> None:
    root = np.sqrt(0.001)
    assert moved(lambda p: martlet.optim.Adam([p], lr=0.1), gradient) == pytest.approx(
        0.1 * gradient / (gradient + 1e-8), rel=1e-9
    )
    assert moved(lambda p: martlet.optim.Adam([p], lr=0.1, eps=1e-7, semantics="keras"), gradient) == pytest.approx(
        0.1 * root * gradient / (root * gradient + 1e-7), rel=1e-9
    )
    model = nn.Sequential([nn.Dense(1, input_shape=(1,))])
    model.compile(nn.Adam(0.1), "mse")
    model.set_weights([np.zeros((1, 1)), np.zeros(1)])
    model.train_on_batch(np.ones((1, 1)), np.full(1, gradient / 2))
    assert model.get_weights()[0].item() == pytest.approx(0.1 * root * gradient / (root * gradient + 1e-7), rel=1e-5)


@pytest.mark.parametrize("semantics", ["torch", "keras", "optax", "paper"])
def test_bias_corrections_are_worked_out_in_fp64(semantics: str) -> None:
    """In fp32 parameters, whose sum with the step is exact enough to see 1e-6 of the step: they start at 0."""
    array, beta2 = np.zeros(8, np.float32), 0.999
    optimizer = martlet.optim.Adam([array], lr=0.1, eps=0.0, semantics=semantics)
    wanted = 0.0
    m = v = 0.0
    for step, gradient in enumerate([1.0, 0.5, 0.25], 1):
        optimizer.step([np.full(8, gradient, np.float32)])
        m, v = 0.9 * m + 0.1 * gradient, beta2 * v + (1 - beta2) * gradient**2
        wanted -= 0.1 * m / (1 - 0.9**step) / np.sqrt(v / (1 - beta2**step))
        np.testing.assert_allclose(array.astype(np.float64), wanted, rtol=5e-7)


@pytest.mark.parametrize("semantics", ["torch", "keras", "optax", "paper"])
def test_bf16_parameters_learn(semantics: str) -> None:
    array = np.ones(3, ml_dtypes.bfloat16)
    optimizer = martlet.optim.Adam([array], lr=0.1, semantics=semantics)
    for _ in range(5):
        optimizer.step([np.ones(3, ml_dtypes.bfloat16)])
    np.testing.assert_allclose(array.astype(np.float64), 0.5, atol=0.02)


# ---- schedules and clipping ----

SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "StepLR": lambda optimizer: lr_scheduler.StepLR(optimizer, 5, 0.5),
    "ExponentialLR": lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.9),
    "LinearLR": lambda optimizer: lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=10),
    "CosineAnnealingLR": lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 10),
    "LambdaLR": lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda step: 0.9**step),
    "OneCycleLR": lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=20),
}


def test_rprops_first_step_moves() -> None:
    """By the rate, against the gradient's sign; the second one, of the same sign, by etaplus times as much."""
    array, tensor = np.zeros(2), torch.nn.Parameter(torch.zeros(2))
    arrays, tensors = martlet.optim.Rprop([array], lr=0.1), torch.optim.Rprop([tensor], lr=0.1)
    for wanted in ([-0.1, 0.1], [-0.22, 0.22]):
        arrays.step([np.array([3.0, -1e-6])])
        tensor.grad = torch.tensor([3.0, -1e-6])
        tensors.step()
        np.testing.assert_allclose(array, wanted, rtol=1e-12)
        np.testing.assert_allclose(tensor.detach(), wanted, rtol=1e-6)


@pytest.mark.parametrize("name", SCHEDULES)
def test_late_groups_are_scheduled_as_in_torch(name: str) -> None:
    """The rates of both groups, where each ends, or the exception, whatever the installed torch does."""
    seen = []
    for module in (martlet.torch, torch.optim):
        parameters = [torch.nn.Parameter(torch.ones(1, dtype=torch.float64)) for _ in range(2)]
        optimizer = module.Adam(parameters[:1], lr=1.0)
        scheduler, rates = SCHEDULES[name](optimizer), []
        try:
            for step in range(12):
                if step == 4:
                    optimizer.add_param_group({"params": parameters[1:], "lr": 1.0})
                for parameter in parameters:
                    parameter.grad = torch.ones(1, dtype=torch.float64)
                optimizer.step()
                scheduler.step()
                rates.append([group["lr"] for group in optimizer.param_groups])
        except Exception as error:
            rates.append(f"{type(error).__name__}: {error}")
        seen.append((rates, [parameter.item() for parameter in parameters]))
    assert seen[0][0] == seen[1][0]
    assert seen[0][1] == pytest.approx(seen[1][1], rel=1e-13)


def test_accumulated_gradients_are_one_step() -> None:
    """Twelve backward passes in three steps: the schedule, the count and the moments know of three."""
    ours, theirs = (torch.nn.Parameter(torch.ones(2, dtype=torch.float64)) for _ in range(2))
    optimizer, peer = martlet.torch.Adam([ours], lr=1.0), torch.optim.Adam([theirs], lr=1.0)
    scheduler = lr_scheduler.StepLR(optimizer, 1, 0.5)
    for update in range(3):
        for part in range(4):
            (ours * (part + update)).sum().backward()
        theirs.grad = torch.full((2,), float(sum(part + update for part in range(4))), dtype=torch.float64)
        peer.param_groups[0]["lr"] = 0.5**update
        assert optimizer.param_groups[0]["lr"] == 0.5**update
        for each in (optimizer, peer):
            each.step()
            each.zero_grad()
        scheduler.step()
    assert optimizer.state[ours]["step"] == 3
    torch.testing.assert_close(ours.detach(), theirs.detach(), rtol=1e-14, atol=0)


@pytest.mark.parametrize("size", [1e-6, 1.0, 100.0])
def test_clipping_in_front_of_a_step(size: float) -> None:
    """By torch's rule, max / (norm + 1e-6), in float64; eps is large, so that the gradient's size matters."""
    parameter, gradient = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64)), np.array([0.6, 0.8]) * size
    parameter.grad = torch.from_numpy(gradient.copy())
    torch.nn.utils.clip_grad_norm_([parameter], 1e-6)
    martlet.torch.Adam([parameter], lr=0.1, eps=1e-6).step()
    clipped = gradient * min(1.0, 1e-6 / (size + 1e-6))
    np.testing.assert_allclose(parameter.detach().numpy(), -0.1 * clipped / (clipped + 1e-6), rtol=1e-9)


def test_clipping_of_fp16_gradients() -> None:
    """The square of 300 is no fp16 number. eps is large, so that the gradient's size matters."""
    parameter = torch.nn.Parameter(torch.zeros(2, dtype=torch.float16))
    parameter.grad = torch.tensor([300.0, 400.0], dtype=torch.float16)
    torch.nn.utils.clip_grad_norm_([parameter], 1.0)
    martlet.torch.Adam([parameter], lr=0.1, eps=1.0).step()
    np.testing.assert_allclose(parameter.detach().numpy(), [-0.1 * 0.6 / 1.6, -0.1 * 0.8 / 1.8], rtol=2e-3)


@pytest.mark.parametrize(
    ("option", "factors"), [("clipnorm", (0.2, 1 / 13)), ("global_clipnorm", (1 / 194**0.5,) * 2), ("clipvalue", None)]
)
def test_kerass_clipping(option: str, factors: tuple[float, float] | None) -> None:
    """By each variable, or by all; nothing is added to norms."""
    given = [np.array([3.0, 4.0]), np.array([5.0, -12.0])]
    found = [np.zeros(2), np.zeros(2)]
    martlet.optim.SGD(found, lr=1.0, semantics="keras", **{option: 1.0}).step(given)
    wanted = [np.clip(one, -1, 1) for one in given]
    if factors is not None:
        wanted = [one * factor for one, factor in zip(given, factors, strict=True)]
    np.testing.assert_allclose(found, np.negative(wanted), rtol=1e-12)
    assert getattr(nn.Adam(0.1, **{option: 1.0}), option) == 1.0
    assert getattr(nn.Adam(0.1), option) is None


# ---- element types ----


def test_small_gradients_of_fp16_parameters() -> None:
    """0 stays; 1e-4 moves by the rate, though its square is no fp16 number; so in numpy, and in torch as its fused."""
    gradient = [0.0, 1e-4]
    array = np.ones(2, np.float16)
    martlet.optim.Adam([array], lr=0.1).step([np.array(gradient, np.float16)])
    parameter = torch.nn.Parameter(torch.ones(2, dtype=torch.float16))
    parameter.grad = torch.tensor(gradient, dtype=torch.float16)
    martlet.torch.Adam([parameter], lr=0.1).step()
    for found in (array, parameter.detach().numpy()):
        np.testing.assert_allclose(found.astype(np.float64), [1.0, 0.9], rtol=1e-3)


def test_a_bf16_second_moment_decays_in_a_wider_type() -> None:
    parameter = torch.nn.Parameter(torch.ones(1, dtype=torch.bfloat16))
    optimizer = martlet.torch.Adam([parameter], state_dtype=torch.float32)
    for step in range(1001):
        parameter.grad = torch.full_like(parameter, float(step == 0))
        optimizer.step()
    assert optimizer.state[parameter]["exp_avg_sq"].item() == pytest.approx(0.001 * 0.999**1000, rel=1e-3)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32])
@pytest.mark.parametrize("wider", [np.float32, np.float64])
def test_gradients_of_wider_types(dtype: Any, wider: Any) -> None:
    array, gradient = np.ones(40, dtype), np.linspace(-2, 2, 40)
    optimizer = martlet.optim.Adam([array], lr=0.1, eps=1.0)
    optimizer.step([gradient.astype(wider)])
    wanted = 1 - 0.1 * gradient / (np.abs(gradient) + 1)
    rounding = float(ml_dtypes.finfo(dtype).eps)
    np.testing.assert_allclose(array.astype(np.float64), wanted, rtol=rounding)
    assert array.dtype == optimizer.state_dict()["state"][0]["exp_avg"].dtype == dtype


# ---- files ----


def test_arrays_handed_out_can_be_saved() -> None:
    """Through safetensors, which takes the memory of an array for its content: the values that come back."""
    parameters = [np.zeros((4, 3)).T, np.zeros((3, 8))[:, ::2], np.zeros((3, 4))[::-1], np.zeros((3, 4), order="F")]
    gradient, function_state = np.arange(12.0).reshape(3, 4), {}
    optimizer = martlet.optim.Adam(parameters)
    optimizer.step([gradient] * 4)
    model = nn.Sequential([nn.Conv2D(3, 3, input_shape=(6, 6, 2)), nn.Flatten(), nn.Dense(2)])
    arrays = {f"weight {place}": weight for place, weight in enumerate(model.get_weights())}
    for place, entry in optimizer.state_dict()["state"].items():
        arrays |= {f"{slot} {place}": entry[slot] for slot in ("exp_avg", "exp_avg_sq")}
        np.testing.assert_allclose(entry["exp_avg"], 0.1 * gradient)
    for name, array in safetensors.numpy.load(safetensors.numpy.save(arrays)).items():
        assert arrays[name].flags.c_contiguous and np.array_equal(array, arrays[name]), name
    martlet.adam(parameters, [gradient] * 4, function_state)
    assert [np.argsort(entry["exp_avg"].strides).tolist() for entry in function_state.values()] == [
        np.argsort(np.abs(parameter.strides)).tolist() for parameter in parameters
    ]


def test_a_file_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    model = nn.Sequential([nn.Dense(3, input_shape=(4,)), nn.Dense(2)], seed=1)
    model.compile("adam", "mse", metrics=["mae"])
    model.train_on_batch(np.ones((2, 4)), np.ones((2, 2)))
    optimizer = martlet.optim.Adam({"a": np.ones(3), "b": np.ones(2)})
    optimizer.step([np.ones(3), np.ones(2)])
    for saves in (model.save, optimizer.save):
        files = [tmp_path / f"{number}.safetensors" for number in range(6)]
        for file in files:
            saves(str(file))
        assert len({file.read_bytes() for file in files}) == 1


def test_bf16_moments_are_read_from_a_file(tmp_path: Path) -> None:
    array, path = np.ones(3, ml_dtypes.bfloat16), tmp_path / "state.safetensors"
    optimizer = martlet.optim.Adam({"w": array})
    optimizer.step([np.full(3, 0.5, ml_dtypes.bfloat16)])
    optimizer.save(str(path))
    found = safetensors.numpy.load_file(path)["w.exp_avg"]
    assert found.dtype == ml_dtypes.bfloat16
    np.testing.assert_allclose(found.astype(np.float64), 0.05, rtol=0.01)


# ---- models ----


def test_where_a_strided_convolution_starts() -> None:
    """One pixel at the first place: the kernel's weight that sees it tells where the kernel lay."""
    image, kernel = np.zeros((1, 4, 4, 1)), np.arange(1.0, 10).reshape(3, 3, 1, 1)
    image[0, 0, 0, 0] = 1
    for padding, wanted in (("same", kernel[0, 0, 0, 0]), (1, kernel[1, 1, 0, 0])):
        layer = nn.Conv2D(1, 3, strides=2, padding=padding, use_bias=False, input_shape=(4, 4, 1))
        model = nn.Sequential([layer])
        model.set_weights([kernel])
        assert model.predict(image)[0, 0, 0, 0] == wanted
