"""Adam-mini: blocks of rows against the oracle, which names give which blocks, and what is refused, kept and left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import martlet
import martlet.torch
import oracles
from martlet import convert, nn, optim
from martlet._blocks import Blocks
from martlet._errors import ArgumentError, DTypeError, FormatError, ShapeError, UnsupportedError

CASES = [
    ((5, 7), 1), ((12, 70), 3), ((12, 70), 0), ((300,), 1), ((300,), 0), ((300,), 20), ((), 1), ((6, 2, 3, 3), 2),
    ((2, 20_000), 1), ((700, 3), 1), ((0, 4), 1),
]  # fmt: skip
OPTIONS: list[dict[str, Any]] = [
    {}, {"weight_decay": 0.1, "maximize": True}, {"weight_decay": 0.1, "cautious": True},
    {"betas": (0.5, 0.9), "eps": 1e-2}, {"hyperball": True},
]  # fmt: skip


def noise(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("shape", "block"), CASES)
def test_blocks_of_any_shape(shape: tuple[int, ...], block: int, options: dict[str, Any]) -> None:
    array = noise(0, shape)
    exact, state = array.astype(oracles.LONG), oracles.State(shape)
    told = {"betas": (0.9, 0.999), "eps": 1e-8, **options, "decoupled_weight_decay": True}
    optimizer = optim.AdamMini([array], lr=0.01, block_size=block, **options)
    for t in range(1, 6):
        grad = noise(t, shape)
        optimizer.step([grad])
        if array.size:
            exact = oracles.step(oracles.adam_mini, exact, grad, state, t, lr=0.01, block_size=block, **told)
    np.testing.assert_allclose(array, exact.astype(float), rtol=0, atol=1e-13)


#: By words of the package, a name of each and what it has: rows in a block, 0 for all or None for AdamW; and whether
#: it decays.
NAMES: list[tuple[str, tuple[int, ...], int | None, bool]] = [
    ("model.embed_tokens.weight", (100, 16), 1, True),
    ("transformer.wte.weight", (100, 16), 1, True),
    ("lm_head.weight", (100, 16), 1, True),
    ("layers.0.self_attn.q_proj.weight", (16, 16), 4, True),
    ("layers.0.self_attn.K_proj.weight", (8, 16), 4, True),
    ("attn.query.weight", (16, 16), 4, True),
    ("layers.0.self_attn.v_proj.weight", (8, 16), 1, True),
    ("layers.0.attention.wo.weight", (16, 16), 1, True),
    ("h.0.attn.proj.weight", (16, 16), 1, True),
    ("layers.0.mlp.up.weight", (64, 16), 1, True),
    ("layers.0.feed_forward.w1.weight", (64, 16), 1, True),
    ("layers.0.self_attn.q_proj.bias", (16,), 1, False),
    ("relative_position_bias_table", (9, 4), None, False),
    ("layers.0.input_layernorm.weight", (16,), 0, False),
    ("layers.0.mlp.norm.weight", (16,), 0, False),
    ("transformer.ln_f.weight", (16,), 0, False),
    ("network.0.weight", (8, 4), 1, True),
    ("fc1.weight", (8, 4), 0, True),
    ("layers.0.mlp.conv.weight", (8, 4, 3, 3), 1, True),
    ("scale", (), 0, True),
    ("conv1.weight", (8, 3, 3, 3), 0, True),
]  # fmt: skip


@pytest.mark.parametrize(("name", "shape", "size", "decays"), NAMES)
def test_names_say_what_a_block_is(name: str, shape: tuple[int, ...], size: int | None, decays: bool) -> None:
    (block,) = Blocks(None, None, 4).routes([(name, np.zeros(shape))])
    assert block[:2] == (size, decays)
    for made, face in ((noise(0, shape), optim), (torch.zeros(shape), martlet.torch)):
        optimizer = face.AdamMini({name: made}, weight_decay=0.1, n_heads=4)
        (group,) = optimizer.param_groups
        assert group.get("algorithm") == (None if size is not None else "adamw")
        assert (group["weight_decay"] > 0) == decays
        assert group.get("block_size") == size


def model() -> dict[str, np.ndarray]:
    return {name: noise(k, shape) for k, (name, shape, *_) in enumerate(NAMES)}


def test_every_name_steps_as_the_authors_package() -> None:
    """Which stops at vectors and kernels with words of matrices."""
    reference = pytest.importorskip("adam_mini")
    names = [row for row in NAMES if "mlp" not in row[0] or len(row[1]) == 2]
    start = {name: torch.from_numpy(noise(k, shape)) for k, (name, shape, *_) in enumerate(names)}
    ours, theirs = ({name: torch.nn.Parameter(each.clone()) for name, each in start.items()} for _ in range(2))
    made = martlet.torch.AdamMini(ours, lr=0.01, weight_decay=0.1, n_heads=4)
    other = reference.Adam_mini(theirs.items(), lr=0.01, weight_decay=0.1, dim=16, n_heads=4, verbose=False)
    for t in range(10):
        for k, name in enumerate(start):
            for each in (ours[name], theirs[name]):
                each.grad = torch.from_numpy(noise(1000 * t + k, tuple(each.shape)))
        made.step()
        other.step()
    for name in start:
        np.testing.assert_allclose(ours[name].detach(), theirs[name].detach(), rtol=0, atol=1e-14, err_msg=name)


def test_numpy_and_torch_route_alike() -> None:
    arrays, tensors = model(), {name: torch.nn.Parameter(torch.from_numpy(each)) for name, each in model().items()}
    plain = optim.AdamMini(arrays, lr=0.01, weight_decay=0.1, n_heads=4)
    made = martlet.torch.AdamMini(tensors.items(), lr=0.01, weight_decay=0.1, n_heads=4)
    for t in range(3):
        grads = {name: noise(100 * t + k, each.shape) for k, (name, each) in enumerate(arrays.items())}
        plain.step(grads)
        for name, each in tensors.items():
            each.grad = torch.from_numpy(grads[name])
        made.step()
    for name, each in tensors.items():
        assert each.detach().numpy().tobytes() == arrays[name].tobytes(), name


def test_rules_go_before() -> None:
    tensors = {name: torch.zeros(each.shape) for name, each in model().items()}
    rules = [("conv*", "rows"), ("*.wte", "adamw"), ("lm_head.weight", "tensor"), ("h.0", "heads")]
    optimizer = martlet.torch.AdamMini(tensors, n_heads=4, rules=rules)
    said = {line.split()[0]: line for line in optimizer.describe().splitlines()[1:]}
    assert "rules has 'conv*', by rows" in said["conv1.weight"]
    assert "adamw" in said["transformer.wte.weight"]
    assert "rules has 'lm_head.weight', as one" in said["lm_head.weight"]
    assert "rules has 'h.0', by heads" in said["h.0.attn.proj.weight"]
    by_call = martlet.torch.AdamMini(
        tensors, n_heads=4, rules=lambda name, each: "rows" if each.dim() == 4 else None
    ).describe()
    assert "the function given as rules, by rows" in by_call


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({}, ArgumentError, r"q_proj\.weight is a query or key by its name; wanted n_heads"),
    ({"n_heads": 3}, ShapeError, r"q_proj\.weight has shape \(16, 16\), with n_heads 3 and dim 16"),
    ({"n_heads": 4, "dim": 30}, ArgumentError, "dim is 30 and n_heads 4; wanted a multiple"),
    ({"n_heads": 2.5}, ArgumentError, r"n_heads is 2\.5; wanted a whole number"),
    ({"n_heads": 0}, ArgumentError, "n_heads is 0; wanted a whole number, 1 or more"),
    ({"n_heads": 4, "rules": [("zzz", "rows")]}, ArgumentError, "'zzz', which matches none of the parameters"),
    ({"n_heads": 4, "rules": [("scale", "x")]}, ArgumentError, "'x' for 'scale'; wanted one of 'rows', 'heads'"),
    ({"n_heads": 4, "rules": ["scale"]}, DTypeError, "rules has 'scale'; wanted"),
    ({"n_heads": 4, "rules": lambda *_: 3}, ArgumentError, r"rules\('model\.embed_tokens\.weight', \.\.\.\) is 3"),
    ({"block_size": 1, "n_heads": 4}, ArgumentError, "go by names"),
    ({"block_size": 7}, ShapeError, "block_size is 7; wanted a divisor"),
    ({"block_size": -1}, ArgumentError, "block_size is -1"),
    ({"block_size": 1.5}, ArgumentError, r"block_size is 1\.5"),
    ({"n_heads": 4, "lr": -1.0}, ArgumentError, "lr|learning rate"),
]


@pytest.mark.parametrize(("options", "kind", "message"), BAD)
def test_what_does_not_fit_is_refused(options: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        optim.AdamMini(model(), **options)
    with pytest.raises(kind, match=message if "lr" not in options else "learning rate"):
        martlet.torch.AdamMini({name: torch.from_numpy(each) for name, each in model().items()}, **options)


def test_names_are_wanted_for_rules() -> None:
    for face, made in ((optim, [np.zeros((2, 2))]), (martlet.torch, [torch.zeros(2, 2)])):
        with pytest.raises(ArgumentError, match="go by names"):
            face.AdamMini(made, rules=[("x", "rows")])


def test_what_is_kept_of_blocks() -> None:
    """One number each, in float32 beside 16 bits, which another size of blocks does not take."""
    tensor = torch.nn.Parameter(torch.zeros(12, 40, dtype=torch.bfloat16))
    made = martlet.torch.AdamMini([tensor], block_size=3)
    tensor.grad = torch.ones_like(tensor)
    made.step()
    state = made.state[tensor]
    assert state["exp_avg_mean_sq"].shape == (4,) and state["exp_avg_mean_sq"].dtype == torch.float32
    assert state["exp_avg"].shape == (12, 40) and state["exp_avg"].dtype == torch.bfloat16
    other = optim.AdamMini([np.zeros((12, 40))], block_size=3)
    other.step([np.ones((12, 40))])
    packed = other.state_dict()
    assert packed["state"][0]["exp_avg_mean_sq"].shape == (4,)
    packed["param_groups"][0]["block_size"] = 4
    before = other.state_dict()
    with pytest.raises((FormatError, ShapeError), match="exp_avg_mean_sq"):
        other.load_state_dict(packed)
    assert other.state_dict()["param_groups"][0]["block_size"] == before["param_groups"][0]["block_size"] == 3


def test_what_is_no_number_stays_in_its_block() -> None:
    array, grad = np.ones((6, 50)), np.ones((6, 50))
    grad[2, 7] = np.nan
    optim.AdamMini([array], block_size=2).step([grad])
    assert np.isnan(array[2:4]).all() and np.isfinite(array[:2]).all() and np.isfinite(array[4:]).all()


def test_blocks_without_gradients_stay() -> None:
    array, grad = np.ones((6, 50)), np.zeros((6, 50))
    grad[0] = 1
    optim.AdamMini([array], lr=0.1).step([grad])
    assert (array[1:] == 1).all()
    np.testing.assert_allclose(array[0], 0.9, rtol=1e-7)


def test_large_gradients_have_squares() -> None:
    """Past float32's range, since sums are in float64."""
    array = np.ones((2, 3), np.float32)
    optim.AdamMini([array], lr=0.1, betas=(0.9, 0.0)).step([np.full((2, 3), 1e19, np.float32)])
    np.testing.assert_allclose(array, 0.9, rtol=1e-5)


def test_a_models_rows_are_its_outputs() -> None:
    """A kernel is one of inputs by outputs, and of a convolution the outputs come last."""
    made = nn.Sequential([nn.Input((8, 8, 2)), nn.Conv2D(3, 3), nn.Flatten(), nn.Dense(4)], seed=1)
    made.compile("adam_mini", "mse")
    x, y = noise(1, (5, 8, 8, 2)).astype(np.float32), noise(2, (5, 4)).astype(np.float32)
    before = [each.astype(np.float64) for each in made.get_weights()]
    made.train_on_batch(x, y)
    at, after = 0, made.get_weights()
    for start, end in zip(before, after, strict=True):
        grad = made.gradients()[at : at + start.size].reshape(start.shape).astype(np.float64)
        at += start.size
        each = np.moveaxis(grad, -1, 0).reshape(grad.shape[-1], -1)
        step = each / (np.sqrt(np.mean(each**2, axis=1, keepdims=True)) + 1e-8)
        wanted = start - 1e-3 * np.moveaxis(step.reshape(np.moveaxis(grad, -1, 0).shape), 0, -1)
        np.testing.assert_allclose(end, wanted, rtol=0, atol=3e-7)


def test_other_libraries_states_are_refused() -> None:
    tensor = torch.nn.Parameter(torch.zeros(4, 4))
    ours = martlet.torch.AdamMini([tensor], block_size=1)
    group = {"params": [0], "name": "mlp.weight", "lr": 1e-3, "weight_decay": 0.0, "eps": 1e-8}
    for more, said in (
        ({"beta1": 0.9, "beta2": 0.999}, "adam-mini has a group for each parameter"),
        ({"betas": (0.9, 0.999), "step": 3}, "pytorch_optimizer's AdamMini keeps one number"),
    ):
        with pytest.raises(UnsupportedError, match=said):
            ours.load_state_dict({"state": {}, "param_groups": [group | more]})
    reference = pytest.importorskip("adam_mini")
    theirs = reference.Adam_mini([("mlp.weight", tensor)], verbose=False)
    with pytest.raises(UnsupportedError, match="adam-mini has a group for each parameter"):
        convert.from_torch(theirs, ours)


@pytest.mark.parametrize(("start", "after"), [(4, 2), (2, 1), (1, 4), (0, 1)])
def test_blocks_stay_as_large_as_the_state_says(start: int, after: int) -> None:
    """Another size between steps is an error, and nothing is written: numbers of the new size have no room."""
    value = np.ones((4, 2))
    optimizer = optim.AdamMini([value], block_size=start)
    optimizer.step([np.ones((4, 2))])
    before = value.copy()
    optimizer.param_groups[0]["block_size"] = after
    with pytest.raises(ShapeError, match="exp_avg_mean_sq has shape"):
        optimizer.step([np.ones((4, 2))])
    assert np.array_equal(value, before)
    optimizer.param_groups[0]["block_size"] = start
    optimizer.step([np.ones((4, 2))])


def test_blocks_of_sides_stay_as_large_as_the_state_says() -> None:
    optimizer = optim.SOAP([value := np.ones((4, 4))], block_size=4)
    optimizer.step([np.ones((4, 4))])
    before = value.copy()
    optimizer.param_groups[0]["block_size"] = 3
    with pytest.raises(ShapeError, match="gram_rows has shape"):
        optimizer.step([np.ones((4, 4))])
    assert np.array_equal(value, before)


def test_arrays_without_names_and_iterators() -> None:
    """None is left out: names count where all arrays have one."""
    some = [("mlp.w", np.ones((4, 2))), np.ones(3)]
    assert len(optim.AdamMini(some).param_groups[0]["params"]) == 2
    assert len(optim.AdamMini(array for array in (np.ones(2), np.ones(3))).param_groups[0]["params"]) == 2
    assert len(optim.AdamMini(pair for pair in [("mlp.w", np.ones((4, 2)))]).param_groups[0]["params"]) == 1
    with pytest.raises(DTypeError):
        optim.AdamMini({"mlp.w": np.ones((4, 2)), "b": [1.0, 2.0]})


@pytest.mark.parametrize(
    ("shape", "options", "error"),
    [((4, 2, 0), {"n_heads": 1}, ShapeError), ((4, 2), {"rules": 5}, DTypeError)],
)
def test_what_is_wrong_is_said(shape: tuple[int, ...], options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        optim.AdamMini({"q_proj": np.ones(shape)}, **options)
