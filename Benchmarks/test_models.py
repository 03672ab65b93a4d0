"""Tests of the models' part of the benchmarks: what is counted, that all peers do the same work, what is judged.

How fast anything is, is not tested. What both parts share is test_benchmarks.py's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import cases
import compare
import graph_cases
import judge
import model_cases
import networks
import operations
import peer
import programs
import report

HERE = Path(__file__).resolve().parent
NETWORK = model_cases.Network((6, 6, 3), (4, 5), (8, 10))
SMALL = model_cases.training("small", "small", NETWORK, {}, batch=4, batches=3)
RESIDUAL = graph_cases.Residual((8, 8, 3), (4, 6), 2)
TEXTUAL = graph_cases.Textual(9, 30, 4, (2, 3), 5, 3)
GRAPHS = [
    model_cases.training(name, name, network, {}, batch=4, batches=3)
    for name, network in (("residual", RESIDUAL), ("textual", TEXTUAL))
]
TABULAR = model_cases.training("table", "table", model_cases.Network((6,), (), (5, 1)), {}, batch=4, batches=3)


def counted(case: model_cases.Training) -> int:
    """The operations of a training step as torch counts them."""
    height, *rest = case.network.input
    x = torch.zeros((case.batch, rest[-1], height, rest[0]) if rest else (case.batch, height))
    model = networks.MODELS[type(case.network)][1](case.network)
    with FlopCounterMode(display=False) as counter:
        model(x).sum().backward()
    return int(counter.get_total_flops())


NAMED = ("train-mlp", "train-tabular", "train-resnet-20")


@pytest.mark.parametrize("case", [SMALL, GRAPHS[0], *(case for case in model_cases.CASES if case.name in NAMED)])
def test_training_is_as_much_work_as_torch_counts(case: model_cases.Training) -> None:
    assert case.work == counted(case)
    count_in_each(case)


def count_in_each(case: model_cases.Training) -> None:
    """A network has as many parameters in each library as its shapes say."""
    of_martlet, of_torch, _ = networks.MODELS[type(case.network)]
    assert case.count == sum(parameter.numel() for parameter in of_torch(case.network).parameters())
    moved = sum(layer.count_params() for layer in of_martlet(case.network).layers)
    statistics = sum(array.size for array in networks.MODELS[type(case.network)][2](case.network)[1])
    assert case.count == moved - statistics


def test_a_text_is_as_much_work_forward_as_torch_counts_and_little_backward() -> None:
    case = GRAPHS[1]
    count_in_each(case)
    model = networks.MODELS[type(case.network)][1](case.network)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros((case.batch, *case.network.input), dtype=torch.int64))
    one = sum(2 * width * 4 * 5 for width in (2, 3))
    assert case.work == counter.get_total_flops() + case.batch * (2 * one + 2 * 2 * 10 * 3)


@pytest.mark.parametrize("inner", [False, True])
def test_convolutions_are_as_much_work_as_torch_counts(inner: bool) -> None:
    case = model_cases.convolution(2, 3, 5, 4, None, inner)
    x = torch.zeros(2, 3, 5, 5, requires_grad=inner)
    convolution = torch.nn.Conv2d(3, 4, 3, padding=1, bias=False)
    with FlopCounterMode(display=False) as counter:
        convolution(x).sum().backward()
    assert case.work == counter.get_total_flops()


def test_the_issues_convolution_nets_flatten_to_what_their_first_dense_layer_reads() -> None:
    shapes = model_cases.convolutional(8).shapes
    assert shapes == ((3, 3, 3, 64), (64,), (3, 3, 64, 64), (64,), (64 * 8 * 8, 512), (512,), (512, 10), (10,))


def test_no_network_can_learn_the_samples_by_heart() -> None:
    case = model_cases.training("many", "many", model_cases.Network((3,), (), (10,)), {}, batch=10, batches=20)
    x, y = networks.samples(case)
    assert x.shape == (200, 3) and y.shape == (200,) and set(y) == set(range(10))
    for index in range(200):
        (other,) = (place for place in range(200) if place != index and np.array_equal(x[place], x[index]))
        assert y[other] != y[index]


@pytest.mark.parametrize("case", [SMALL, TABULAR, *GRAPHS], ids=lambda case: case.name)
def test_each_peer_of_a_training_step_can_take_an_epoch(case: model_cases.Training) -> None:
    for name in case.peers:
        if name not in (model_cases.COMPILED, *model_cases.PEAKS):
            made = networks.MAKERS[name](case)
            made.step()
            assert made.steps == case.batches


def numbers(role: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Of all weights of this role and shape: the libraries have them in orders of their own."""
    return np.random.default_rng([len(role), *map(ord, role), *shape]).standard_normal(shape, np.float32) * 0.3


def filled_torch(model: Any) -> Any:
    with torch.no_grad():
        for module in model.modules():
            is_norm = isinstance(module, torch.nn.BatchNorm2d)
            for name, parameter in module.named_parameters(recurse=False):
                axes = [*range(2, parameter.ndim), 1, 0] if parameter.ndim > 1 else [0]
                is_table = isinstance(module, torch.nn.Embedding)
                axes = [0, 1] if is_table else axes
                role = {"weight": "gamma" if is_norm else "kernel", "bias": "beta" if is_norm else "bias"}[name]
                found = numbers("embeddings" if is_table else role, tuple(parameter.shape[axis] for axis in axes))
                parameter.copy_(torch.from_numpy(found.transpose(np.argsort(axes)).copy()))
            if is_norm:
                module.eps = 1e-3
    return model


def filled_martlet(model: Any) -> Any:
    for layer in model.layers:
        for name, array in zip(layer.weight_names, layer.weights, strict=True):
            if "moving" not in name:
                array[...] = numbers(name.split("/")[-1], array.shape)
    return model


def logits_of_jax(case: model_cases.Training, x: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Nothing is dropped, and what is kept counts twice, as half of it would."""
    import jax

    shapes, textual = case.network.shapes, case.network is TEXTUAL
    roles = ["embeddings", *["kernel", "bias"] * 3] if textual else ["kernel", "gamma", "beta"] * (len(shapes) // 3)
    roles = [*roles[: len(shapes) - 2], "kernel", "bias"]
    params = [numbers(role, shape) - (role == "gamma") for role, shape in zip(roles, shapes, strict=True)]
    params[-2] = params[-2] / 2 if textual else params[-2]
    monkeypatch.setattr(jax.random, "bernoulli", lambda key, rate, shape: jax.numpy.ones(shape, bool))
    forward, statistics = networks.MODELS[type(case.network)][2](case.network)
    return forward(params, statistics, x, None)[0]


@pytest.mark.parametrize("case", GRAPHS, ids=lambda case: case.name)
def test_graphs_are_one_function_in_each_library(case: model_cases.Training, monkeypatch: pytest.MonkeyPatch) -> None:
    """As each library predicts, and as torch and JAX compute in training, but for what is dropped."""
    of_martlet, of_torch, _ = networks.MODELS[type(case.network)]
    ours, theirs = filled_martlet(of_martlet(case.network)), filled_torch(of_torch(case.network))
    x, _ = networks.samples(case)
    given = torch.from_numpy(x).long() if case.network.vocabulary else torch.from_numpy(x).permute(0, 3, 1, 2)
    with torch.no_grad():
        np.testing.assert_allclose(ours.predict(x), theirs.eval()(given).numpy(), rtol=2e-4, atol=2e-5)
        theirs = theirs if case.network is TEXTUAL else theirs.train()
        wanted = theirs(given).numpy()
    np.testing.assert_allclose(logits_of_jax(case, x, monkeypatch), wanted, rtol=2e-3, atol=2e-4)


def test_an_epochs_time_is_shared_by_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def step() -> None:
        clock[0] += 2.0

    monkeypatch.setattr(peer, "clock", lambda: clock[0])
    assert peer.burst(peer.Peer(step, steps=4), 10.0, 0.0, 0.0) == 0.5


def test_both_products_are_the_product() -> None:
    case = model_cases.product(5, 7, 6, 1.0)
    left, right = operations.factors(case)
    call, out = operations.product_call(case)
    call()
    wanted = left.astype(np.float64) @ right.astype(np.float64)
    assert abs(out - wanted).max() < 1e-5
    operations.torch_product(case).step()


@pytest.mark.parametrize("inner", [False, True])
def test_an_inner_convolution_has_to_make_its_inputs_gradient(inner: bool) -> None:
    case = model_cases.convolution(2, 3, 5, 4, None, inner)
    model = operations.convolution_model(case)
    model.compile("adam", "mse")
    before = [array.copy() for array in model.get_weights()]
    model.train_on_batch(*operations.images(case))
    assert [array.shape for array in before] == ([(1, 75)] if inner else []) + [(3, 3, 3, 4)]
    assert all((old != new).all() for old, new in zip(before, model.get_weights(), strict=True))
    for last in (False, True):
        operations.torch_convolution(case, last).step()


def test_the_share_of_the_peak_and_a_ceiling_are_judged() -> None:
    case = model_cases.CASES[-1]
    assert case.ceiling == 10e-6
    times = {case.own: [9e-6, 11e-6, 9e-6], cases.DEFAULT: [1e-3] * 3, model_cases.PEAK: [3e-6] * 3}
    part: dict[str, Any] = {
        "times": times,
        "notes": {name: {} for name in times},
        "versions": {},
        "failures": {},
        "others": 0.0,
    }
    result = judge.summary(case, [part])
    own, *_ = result["rows"]
    assert own["share"] == pytest.approx(1 / 3) and own["pass"] is True
    assert own["speed"] == pytest.approx(2 * (784 * 64 + 64 * 10) / 9e-6 / 1e9)
    text = report.case_table(result)
    assert "at most 10 µs" in text and "33.3 %" in text and "GFLOP/s" in text
    times[case.own] = [11e-6] * 3
    assert judge.verdict({"cases": [judge.summary(case, [part])]}) == "targets: 0 met, 1 missed, 0 not measured"
    part["failures"] = {case.own: "no library"}
    del times[case.own]
    assert judge.verdict({"cases": [judge.summary(case, [part])]}) == "targets: 0 met, 0 missed, 1 not measured"


def test_each_part_can_be_measured_alone() -> None:
    def chosen(only: str | None, case: list[str] | None) -> list[str]:
        return [found.name for found in compare.wanted(argparse.Namespace(only=only, case=case))]

    assert chosen("models", None) == [case.name for case in model_cases.CASES]
    assert chosen("optimizer", None) == [*(case.name for case in cases.CASES), cases.DENORMAL_CASE.name]
    assert chosen(None, ["predict", "mlp"]) == ["mlp", "predict"]
    assert chosen("optimizer", ["predict"]) == []
    assert len({case.name for case in compare.CASES}) == len(compare.CASES)


def test_a_refusal_of_the_library_is_an_error_and_no_time(tmp_path: Path) -> None:
    (calls,) = programs.compile_all(tmp_path)[model_cases.MARTLET_C]
    for line, wanted in {
        "load predict 1 4 3 2\nburst 0 0": ["ready", "seconds"],
        "load predict 1 4 -3 2": ["error"],
        "load matmul-5x7x6 1 5 7 6\nburst 0 0": ["ready", "seconds"],
    }.items():
        done = subprocess.run([calls], input=line + "\n", capture_output=True, text=True, check=True)
        assert [next(iter(json.loads(answer))) for answer in done.stdout.splitlines()] == wanted


def test_a_short_run_of_the_models_writes_its_files(tmp_path: Path) -> None:
    command = [sys.executable, str(HERE / "compare.py"), "--quick", "--rounds", "2", "--output", str(tmp_path)]
    command += ["--only", "models", "--case", "predict", "--peer", model_cases.PEAK, "--peer", model_cases.PEAK_ONE]
    done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert [case["name"] for case in results["cases"]] == ["predict"]
    own, *peaks = results["cases"][0]["rows"]
    assert own["share"] > 0 and own["most_seconds"] == 10e-6 and own["isa"] != "none"
    assert {row["peer"] for row in peaks} == set(model_cases.PEAKS)
    assert (tmp_path / "models.png").read_bytes().startswith(b"\x89PNG")
    assert "of peak" in (tmp_path / "results.md").read_text()
