"""SOAP beside its oracle in float64, over matrices of all shapes; its states, and where parameters go. What it promises
as Shampoo does is in test_preconditioning.py.

The first gradient leaves directions open in which it has nothing: an oracle takes those of the library, once all are
seen to be orthogonal eigenvectors.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import martlet
import martlet.torch
import oracles
from martlet import optim
from martlet.torch import SOAP, AdamW

USUAL: dict[str, Any] = {"betas": (0.95, 0.95), "eps": 1e-8, "weight_decay": 0.01}


def noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape) + 0.3


def adopt(oracle: oracles.State, state: dict[str, Any]) -> None:
    """Gives the oracle of a parameter that is one block the library's bases, which are checked, where there are many;
    the oracle keeps its own where the first gradient determines them, as it does those of its shorter side."""
    (block,) = oracle["blocks"]
    bases: list[Any] = []
    for side, gram in zip(("rows", "columns"), block["grams"], strict=True):
        bases.append(None)
        if gram is None:
            assert f"basis_{side}" not in state
            continue
        basis = np.asarray(state[f"basis_{side}"], np.float64)
        np.testing.assert_allclose(basis.T @ basis, np.eye(len(basis)), atol=1e-5)
        turned = basis.T @ gram.astype(np.float64) @ basis
        np.testing.assert_allclose(turned, np.diag(np.diag(turned)), atol=1e-5 * turned.max())
        assert (np.diff(np.diag(turned)) < 1e-5 * turned.max()).all()
        open_ones = np.diag(turned) < 1e-5 * turned.max()
        bases[-1] = np.where(open_ones, basis, block["bases"][len(bases) - 1]).astype(oracles.LONG)
    block["bases"] = bases


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((12, 12), {}),
        ((12, 7), {}),
        ((8, 12), {"precondition_frequency": 2}),
        ((9, 9), {"precondition_frequency": 1}),
        ((33, 20), {"precondition_frequency": 3, "shampoo_beta": 0.8}),
        ((6, 2, 3), {"correct_bias": False, "betas": (0.9, 0.99)}),
        ((12, 7), {"max_precond_dim": 10}),
        ((12, 7), {"max_precond_dim": 5}),
        ((12, 12), {"block_size": 6}),
        ((20, 8), {"precondition_frequency": 4}),
        ((8, 3, 7), {"precondition_frequency": 5}),
        ((15, 4), {"block_size": 5, "max_precond_dim": 4, "precondition_frequency": 3}),
        ((4, 18), {"block_size": 6, "max_precond_dim": 5, "precondition_frequency": 2}),
        ((12, 12), {"block_size": 4, "max_precond_dim": 3}),
        # The last block of a side is shorter, and max_precond_dim or less; those before it are longer.
        ((14, 4), {"block_size": 5, "max_precond_dim": 4, "precondition_frequency": 3}),
        ((4, 14), {"block_size": 5, "max_precond_dim": 4, "precondition_frequency": 2}),
        ((15, 4), {"block_size": 6, "max_precond_dim": 4, "precondition_frequency": 4}),
        ((2, 7, 2), {"block_size": 6, "max_precond_dim": 5, "precondition_frequency": 3}),
        ((15, 9), {"block_size": 6, "max_precond_dim": 5, "precondition_frequency": 2}),
        # And where all are short enough.
        ((11, 7), {"block_size": 4, "max_precond_dim": 4, "precondition_frequency": 3}),
        ((1, 9), {}),
        ((9, 1), {}),
        ((1, 1), {}),
        ((8, 8), {"maximize": True}),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_fifty_steps_are_the_oracles(shape: tuple[int, ...], options: dict[str, Any], dtype: Any) -> None:
    value = noise(shape, 0).astype(dtype)
    expected, kept = value.astype(oracles.LONG), oracles.State(shape)
    optimizer = optim.SOAP([{"params": [value]}], **options)
    for step in range(1, 51):
        gradient = noise(shape, step).astype(dtype)
        optimizer.step([gradient])
        expected = oracles.step(oracles.soap, expected, gradient, kept, step, lr=3e-3, **{**USUAL, **options})
        if step == 1 and len(kept["blocks"]) == 1:
            adopt(kept, optimizer.state_dict()["state"][0])
        np.testing.assert_allclose(
            value, expected.astype(np.float64), rtol=0, atol=2e-6 if dtype is np.float64 else 1e-5
        )
    assert np.abs(value - noise(shape, 0)).max() > 0.02


def test_blocks_are_matrices_of_their_own() -> None:
    """The last of them are shorter, and each has the bits that it has alone."""
    value, apart = noise((11, 7), 0), noise((11, 7), 0)
    cuts = [np.s_[row : row + 4, column : column + 4] for row in (0, 4, 8) for column in (0, 4)]
    parts = [np.ascontiguousarray(apart[cut]) for cut in cuts]
    whole = optim.SOAP([{"params": [value]}], block_size=4, precondition_frequency=2)
    single = optim.SOAP([{"params": parts}], precondition_frequency=2)
    for step in range(7):
        gradient = noise((11, 7), 1 + step)
        whole.step([gradient])
        single.step([gradient[cut] for cut in cuts])
    for part, cut in zip(parts, cuts, strict=True):
        np.testing.assert_array_equal(value[cut], part)


def test_kernels_are_matrices_of_their_filters() -> None:
    kernel, flat = noise((6, 2, 3, 3), 0), noise((6, 2, 3, 3), 0).reshape(6, 18)
    optimizer = optim.SOAP([kernel, flat], precondition_frequency=2)
    for step in range(6):
        gradient = noise((6, 2, 3, 3), 1 + step)
        optimizer.step([gradient, gradient.reshape(6, 18)])
    np.testing.assert_array_equal(kernel.reshape(6, 18), flat)


@pytest.mark.parametrize("zeros", [{1}, {1, 2, 3, 4, 5, 6}, {2, 3}, {3}])
def test_gradients_of_zeros(zeros: set[int]) -> None:
    value = noise((6, 4), 0)
    optimizer = optim.SOAP([value], precondition_frequency=1, weight_decay=0.0)
    for step in range(1, 7):
        optimizer.step([np.zeros((6, 4)) if step in zeros else noise((6, 4), step)])
        assert np.isfinite(value).all()
        if zeros >= set(range(1, step + 1)):
            np.testing.assert_array_equal(value, noise((6, 4), 0))
    assert np.abs(value - noise((6, 4), 0)).max() < 0.1


@pytest.mark.parametrize("shape", [(6, 4), (5, 5)])
def test_matrices_without_elements_and_strided_ones(shape: tuple[int, int]) -> None:
    """Bases of a square one have its shape, but not its order."""
    empty, strided = np.zeros((0, 4)), np.asfortranarray(noise(shape, 0))
    plain, turned = np.ascontiguousarray(strided), torch.from_numpy(strided.copy("K"))
    assert not turned.is_contiguous()
    optimizer, tensors = (
        optim.SOAP([empty, strided, plain], precondition_frequency=1),
        SOAP([turned], precondition_frequency=1),
    )
    for step in range(4):
        gradient = noise(shape, 1 + step)
        optimizer.step([np.zeros((0, 4)), gradient, gradient])
        turned.grad = torch.from_numpy(gradient)
        tensors.step()
    np.testing.assert_array_equal(strided, plain)
    np.testing.assert_array_equal(turned.numpy(), plain)


def test_bases_may_come_in_any_order_but_are_kept_in_one() -> None:
    values = [noise((5, 5), 0), noise((5, 5), 0)]
    one, other = optim.SOAP(values[:1]), optim.SOAP(values[1:])
    weights = [torch.from_numpy(noise((5, 5), 0)) for _ in range(2)]
    tensors, others = SOAP(weights[:1]), SOAP(weights[1:])
    for optimizer in (one, tensors):
        weights[0].grad = torch.from_numpy(noise((5, 5), 1))
        optimizer.step(*([[noise((5, 5), 1)]] if optimizer is one else []))
    arrays, packed = one.state_dict(), tensors.state_dict()
    for slot in ("basis_rows", "gram_columns"):
        arrays["state"][0][slot] = np.asfortranarray(arrays["state"][0][slot])
        packed["state"][0][slot] = packed["state"][0][slot].T.contiguous().T
    other.load_state_dict(arrays)
    others.load_state_dict(packed)
    for optimizer in (one, other):
        optimizer.step([noise((5, 5), 2)])
    for weight, optimizer in zip(weights, (tensors, others), strict=True):
        weight.grad = torch.from_numpy(noise((5, 5), 2))
        optimizer.step()
    assert torch.equal(*weights)
    np.testing.assert_array_equal(*values)
    state = {**one.state_dict()["state"][0], "basis_rows": np.asfortranarray(np.eye(5) + noise((5, 5), 3))}
    with pytest.raises(martlet.FormatError, match="'basis_rows' in state is not contiguous"):
        martlet.soap(values[0], noise((5, 5), 3), state)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.table = nn.Embedding(9, 6)
        self.head = nn.Linear(6, 3)


def test_where_parameters_go() -> None:
    model = Net()
    optimizer = SOAP(model)
    assert [group.get("algorithm") for group in optimizer.param_groups] == [None, "adamw"]
    assert optimizer.param_groups[0]["param_names"] == ["conv.weight", "table.weight", "head.weight"]
    assert optimizer.param_groups[1]["betas"] == (0.95, 0.95) and optimizer.param_groups[1]["lr"] == 3e-3
    assert "a kernel, row by row" in optimizer.describe()
    plain = SOAP(model.parameters(), lr=0.1)
    assert [len(group["params"]) for group in plain.param_groups] == [3, 4]
    chosen = SOAP(model, rules=[("table", "adamw"), ("head", "soap")], adamw_lr=0.5)
    assert "table.weight" in chosen.param_groups[1]["param_names"] and chosen.param_groups[1]["lr"] == 0.5
    groups = [{"params": [model.head.weight]}, {"params": [model.head.bias], "algorithm": "adamw", "lr": 0.2}]
    assert [group["lr"] for group in SOAP(groups).param_groups] == [3e-3, 0.2]


def test_a_model_with_biases_steps_as_the_two_do() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    twin = copy.deepcopy(model)
    both = SOAP(model, lr=0.01, weight_decay=0.1)
    apart = [
        SOAP([model[k].weight for model in (twin,) for k in (0, 2)], lr=0.01, weight_decay=0.1),
        AdamW([twin[k].bias for k in (0, 2)], lr=0.01, betas=(0.95, 0.95), weight_decay=0.1),
    ]
    losses = []
    for step in range(30):
        x = torch.randn(16, 5, generator=torch.Generator().manual_seed(step))
        for net, optimizers in ((model, [both]), (twin, apart)):
            loss = nn.functional.mse_loss(net(x), x[:, :3] ** 2)
            net.zero_grad()
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            losses.append(loss.item())
    assert losses[::2] == losses[1::2]
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])


def test_a_state_of_the_authors_code_goes_on() -> None:
    """Its lists are the oracle's, whose steps are its own; it counts them without the first."""
    expected, kept = noise((7, 7), 0).astype(oracles.LONG), oracles.State((7, 7))
    for step in range(1, 15):
        expected = oracles.step(oracles.soap, expected, noise((7, 7), step), kept, step, lr=3e-3, **USUAL)
    (block,) = kept["blocks"]
    lists = {"GG": block["grams"], "Q": block["bases"]}
    entry = {key: [part.astype(np.float64) for part in parts] for key, parts in lists.items()}
    entry |= {"step": 13, **{key: block[key].astype(np.float64) for key in ("exp_avg", "exp_avg_sq")}}
    group = {"lr": 3e-3, **USUAL, "shampoo_beta": -1, "precondition_frequency": 10, "max_precond_dim": 10000}
    group |= {"merge_dims": False, "precondition_1d": False, "normalize_grads": False, "correct_bias": True}
    group["params"] = [0]
    value = expected.astype(np.float64)
    optimizer = optim.SOAP([value], lr=1.0)
    optimizer.load_state_dict({"state": {0: entry}, "param_groups": [group]})
    for step in range(15, 30):
        optimizer.step([noise((7, 7), step)])
        expected = oracles.step(oracles.soap, expected, noise((7, 7), step), kept, step, lr=3e-3, **USUAL)
        np.testing.assert_allclose(value, expected.astype(np.float64), rtol=0, atol=2e-6)
    group["normalize_grads"] = True
    with pytest.raises(martlet.UnsupportedError, match="soap's SOAP has normalize_grads=True"):
        optimizer.load_state_dict({"state": {0: entry}, "param_groups": [group]})
    group["normalize_grads"], entry["Q"] = False, [*entry["Q"], []]
    with pytest.raises(martlet.UnsupportedError, match="Q as a list of 3; wanted a list of two"):
        optimizer.load_state_dict({"state": {0: entry}, "param_groups": [group]})


def stepped(**options: Any) -> SOAP:
    optimizer = SOAP([torch.ones(6, 4)], **options)
    optimizer.param_groups[0]["params"][0].grad = torch.ones(6, 4)
    optimizer.step()
    return optimizer


def broken(key: str, value: Any) -> dict[str, Any]:
    packed = stepped().state_dict()
    packed["state"][0][key] = value
    return packed


def with_group(**options: Any) -> None:
    optimizer = stepped()
    optimizer.param_groups[0].update(options)
    optimizer.step()


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: SOAP(Net(), rules=[("nothing", "soap")]), "rules has 'nothing', which matches none"),
    (lambda: SOAP(Net(), rules=[("head.bias", "soap")]), r"SOAP steps matrices, and head\.bias has shape \(3,\)"),
    (lambda: SOAP(Net(), rules=[("head", "muon")]), "'muon' for 'head'; wanted 'soap' or 'adamw'"),
    (lambda: SOAP(Net(), blocks={"head": 3}), "unexpected argument 'blocks'"),
    (lambda: stepped().load_state_dict(broken("gram_rows", torch.ones(4, 4))), r"gram_rows has shape \(4, 4\)"),
    (lambda: stepped().load_state_dict(broken("basis_columns", None)), "wanted .*basis_columns.*: it is another"),
    (lambda: with_group(block_size=3), r"gram_rows of .* has shape"),
    (lambda: optim.SOAP([np.ones((3, 3))], shampoo_beta=1.5), r"shampoo_beta is 1\.5; expected 0 or more"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=range(len(REFUSED)))
def test_refusals(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(martlet.MartletError, match=message):
        make()


def test_shampoo_beta_follows_the_second_beta() -> None:
    follows, said = optim.SOAP([np.ones((2, 2))], betas=(0.9, 0.99)), optim.SOAP([np.ones((2, 2))], shampoo_beta=0.5)
    assert (follows.defaults["shampoo_beta"], said.defaults["shampoo_beta"]) == (0.99, 0.5)
    results = []
    for beta in (-1.0, None, 0.99):
        weight = torch.from_numpy(noise((5, 5), 0))
        optimizer = SOAP([weight], betas=(0.9, 0.99), shampoo_beta=beta, precondition_frequency=1)
        for step in range(4):
            weight.grad = torch.from_numpy(noise((5, 5), 1 + step))
            optimizer.step()
        results.append(weight.numpy().tobytes())
    assert results[0] == results[1] == results[2]
