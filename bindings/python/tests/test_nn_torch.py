"""Models beside torch's, from the same weights and batches: outputs, losses, gradients, one step, and curves.

torch computes in fp64 where a single step is looked at, so that what is seen is our error. Curves are torch's in fp32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import martlet
from martlet import nn
from networks import as_torch, convolutional, digits_like, give_torch, mlp, split, torch_convolutional, torch_mlp

ADAM: dict[str, Any] = {"learning_rate": 0.01, "epsilon": 1e-8, "semantics": "torch"}


def pair(kind: str) -> tuple[nn.Sequential, torch.nn.Module, Any, Any]:
    """A model, torch's with the same weights, and data."""
    if kind == "mlp":
        model, module = mlp(), torch_mlp()
        x, y = digits_like(33, (20,))
    else:
        model, module = convolutional(data_format="channels_first"), torch_convolutional()
        x, y = digits_like(17, (3, 8, 8))
    give_torch(model, module)
    return model, module, x, y


@pytest.mark.parametrize("kind", ["mlp", "convolutional"])
def test_one_step(kind: str) -> None:
    model, module, x, y = pair(kind)
    module = module.double()
    inputs, labels = torch.from_numpy(x).double(), torch.from_numpy(y)
    np.testing.assert_allclose(model.predict(x), module(inputs).detach(), rtol=2e-5, atol=2e-5)

    optimizer = torch.optim.Adam(module.parameters(), lr=0.01, eps=1e-8)
    loss = F.cross_entropy(module(inputs), labels)
    loss.backward()
    theirs = [parameter.grad.numpy() for parameter in module.parameters()]
    before = model.get_weights()

    model.compile(nn.Adam(**ADAM), "sparse_categorical_crossentropy", ["accuracy"])
    found = model.train_on_batch(x, y, return_dict=True)
    assert abs(found["loss"] / loss.item() - 1) < 1e-6
    assert found["accuracy"] == (module(inputs).argmax(1) == labels).double().mean().item()
    largest = max(abs(gradient).max() for gradient in theirs)
    for ours, wanted in zip(split(model, model.gradients()), theirs, strict=True):
        np.testing.assert_allclose(as_torch(ours), wanted, rtol=1e-4, atol=2e-6 * largest)
    norm = np.sqrt(sum((gradient**2).sum() for gradient in theirs))
    assert abs(model.gradient_norm() / norm - 1) < 1e-5

    # The step is Adam's on our gradients: torch's on its own would flip where they are near 0.
    optimizer.zero_grad()
    for parameter, weight, gradient in zip(module.parameters(), before, split(model, model.gradients()), strict=True):
        parameter.data = torch.from_numpy(as_torch(weight).copy()).double()
        parameter.grad = torch.from_numpy(as_torch(gradient).copy()).double()
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01, eps=1e-8)
    optimizer.step()
    for weight, parameter in zip(model.get_weights(), module.parameters(), strict=True):
        np.testing.assert_allclose(as_torch(weight), parameter.detach(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", ["mlp", "convolutional"])
def test_a_curve_beside_torchs(kind: str) -> None:
    """100 steps over the same batches: losses agree to 1e-4 relative."""
    model, module, _, _ = pair(kind)
    x, y = digits_like(640, (20,) if kind == "mlp" else (3, 8, 8), seed=4)
    rate = 0.003 if kind == "mlp" else 0.001
    optimizer = torch.optim.Adam(module.parameters(), lr=rate)
    model.compile(nn.Adam(rate, epsilon=1e-8, semantics="torch"), "sparse_categorical_crossentropy")
    rng = np.random.default_rng(7)
    ours, theirs = [], []
    for _ in range(100):
        rows = rng.choice(len(x), 32, replace=False)
        ours.append(model.train_on_batch(x[rows], y[rows]))
        optimizer.zero_grad()
        loss = F.cross_entropy(module(torch.from_numpy(x[rows])), torch.from_numpy(y[rows]))
        loss.backward()
        optimizer.step()
        theirs.append(loss.item())
    assert theirs[-1] < 0.9 * theirs[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_fit_takes_the_same_steps_as_train_on_batch() -> None:
    x, y = digits_like(100, (20,))
    by_fit, by_hand = mlp(), mlp()
    for model in (by_fit, by_hand):
        model.compile("adam", "sparse_categorical_crossentropy")
    history = by_fit.fit(x, y, batch_size=32, epochs=2, shuffle=False, verbose=0).history["loss"]
    for epoch in range(2):
        losses = [by_hand.train_on_batch(x[start : start + 32], y[start : start + 32]) for start in range(0, 100, 32)]
        assert abs(history[epoch] - np.average(losses, weights=[32, 32, 32, 4])) < 1e-12
    assert (by_fit.parameters() == by_hand.parameters()).all()


LAYERS: dict[str, tuple[Any, Any, tuple[int, ...]]] = {
    "strides": (lambda: nn.Conv2D(4, 3, strides=2, padding=1), lambda: torch.nn.Conv2d(6, 4, 3, 2, 1), (6, 9, 8)),
    "dilation": (lambda: nn.Conv2D(4, 3, dilation_rate=2), lambda: torch.nn.Conv2d(6, 4, 3, dilation=2), (6, 9, 8)),
    "groups": (lambda: nn.Conv2D(4, 3, groups=2), lambda: torch.nn.Conv2d(6, 4, 3, groups=2), (6, 9, 8)),
    "uneven": (
        lambda: nn.Conv2D(4, (2, 3), (1, 2), (1, 0)), lambda: torch.nn.Conv2d(6, 4, (2, 3), (1, 2), (1, 0)), (6, 9, 8),
    ),
    "max": (lambda: nn.MaxPooling2D(3, 2, 1), lambda: torch.nn.MaxPool2d(3, 2, 1), (6, 9, 8)),
    "mean": (
        lambda: nn.AveragePooling2D(3, 2, 1), lambda: torch.nn.AvgPool2d(3, 2, 1, count_include_pad=False), (6, 9, 8),
    ),
    "mean with zeros": (
        lambda: nn.AveragePooling2D(3, 2, 1, count_padding=True), lambda: torch.nn.AvgPool2d(3, 2, 1), (6, 9, 8),
    ),
    "global": (lambda: nn.GlobalAveragePooling2D(), lambda: torch.nn.AdaptiveAvgPool2d(1), (6, 9, 8)),
    "batch": (
        lambda: nn.BatchNormalization(momentum=0.9, epsilon=1e-5, unbiased_variance=True),
        lambda: torch.nn.BatchNorm2d(6), (6, 9, 8),
    ),
    "gelu": (lambda: nn.Activation("gelu"), torch.nn.GELU, (30,)),
    "silu": (lambda: nn.Activation("silu"), torch.nn.SiLU, (30,)),
    "tanh": (lambda: nn.Activation("tanh"), torch.nn.Tanh, (30,)),
    "sigmoid": (lambda: nn.Activation("sigmoid"), torch.nn.Sigmoid, (30,)),
    "leaky": (lambda: nn.LeakyReLU(0.1), lambda: torch.nn.LeakyReLU(0.1), (30,)),
    "softmax": (nn.Softmax, lambda: torch.nn.Softmax(-1), (5, 30)),
    "permute": (lambda: nn.Permute((3, 1, 2)), lambda: Moved(3, 1, 2), (6, 9, 8)),
    "reshape": (lambda: nn.Reshape((9, -1)), lambda: torch.nn.Unflatten(1, (9, -1)), (90,)),
}  # fmt: skip


class Moved(torch.nn.Module):
    def __init__(self, *dims: int) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, *self.dims)


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    """A layer between two that are known, trained on mean squared error: what it gives, and its gradients."""
    ours, theirs, shape = LAYERS[name]
    nn.set_data_format("channels_first")
    try:
        x, _ = digits_like(7, shape)
        model = nn.Sequential([nn.Input(shape), ours(), nn.Flatten(), nn.Dense(3)], seed=2)
        before: Any = []
        if len(shape) == 3:
            # One before it, so that the gradient of its input is seen too.
            model = nn.Sequential([nn.Conv2D(6, 1, input_shape=shape), ours(), nn.Flatten(), nn.Dense(3)], seed=2)
            before = [torch.nn.Conv2d(6, 6, 1)]
        middle = theirs()
        module = torch.nn.Sequential(*before, middle, torch.nn.Flatten(), torch.nn.LazyLinear(3)).double()
        inputs = torch.from_numpy(x).double()
        module(inputs)
        moving = model.statistics()
        weights = [weight for layer in model.layers for weight in layer.get_weights()[:2]]
        for parameter, weight in zip(module.parameters(), weights, strict=True):
            parameter.data = torch.from_numpy(as_torch(weight).copy()).double()
        if isinstance(middle, torch.nn.BatchNorm2d):
            middle.reset_running_stats()
        targets = np.random.default_rng(3).standard_normal((7, 3))
        loss = F.mse_loss(module(inputs), torch.from_numpy(targets))
        loss.backward()
        model.compile("adam", "mse")
        assert abs(model.train_on_batch(x, targets) / loss.item() - 1) < 1e-5
        gradients, start = model.gradients(), 0
        largest = max(float(parameter.grad.abs().max()) for parameter in module.parameters())
        for parameter, weight in zip(module.parameters(), weights, strict=True):
            part = gradients[start : start + weight.size].reshape(weight.shape)
            start += weight.size
            wanted = parameter.grad.numpy()
            np.testing.assert_allclose(as_torch(part), wanted, rtol=1e-4, atol=3e-6 * largest)
        if isinstance(middle, torch.nn.BatchNorm2d):
            np.testing.assert_allclose(moving[:6], middle.running_mean, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(moving[6:], middle.running_var, rtol=1e-5)
    finally:
        nn.set_data_format("channels_last")


LOSSES: dict[str, tuple[Any, Any, str]] = {
    "smoothed": (
        nn.SparseCategoricalCrossentropy(label_smoothing=0.1),
        lambda out, y: F.cross_entropy(out, y, label_smoothing=0.1), "labels",
    ),
    "one-hot": (nn.CategoricalCrossentropy(), F.cross_entropy, "rows"),
    "binary": (nn.BinaryCrossentropy(), F.binary_cross_entropy_with_logits, "rows"),
    "mse": (nn.MeanSquaredError(), F.mse_loss, "rows"),
    "mae": (nn.MeanAbsoluteError(), F.l1_loss, "rows"),
    "huber": (nn.Huber(0.3), lambda out, y: F.huber_loss(out, y, delta=0.3), "rows"),
    "nll": (nn.NLL(), F.nll_loss, "labels"),
    "hinge": (nn.Hinge(), lambda out, y: (1 - out * torch.where(y > 0.1, 1, -1)).clamp(min=0).mean(), "signs"),
    "log cosh": (nn.LogCosh(), lambda out, y: (out - y).cosh().log().mean(), "rows"),
    "cosine": (nn.CosineSimilarity(), lambda out, y: -F.cosine_similarity(out, y, dim=1).mean(), "rows"),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str) -> None:
    ours, theirs, kind = LOSSES[name]
    model, module, x, labels = pair("mlp")
    module = module.double()
    y = labels if kind == "labels" else np.random.default_rng(2).dirichlet(np.ones(10), len(x))
    loss = theirs(module(torch.from_numpy(x).double()), torch.from_numpy(y))
    if kind == "signs":
        y = np.where(y > 0.1, 1.0, 0.0)
    loss.backward()
    model.compile("adam", ours)
    assert abs(model.evaluate(x, y, verbose=0) - loss.item()) < 1e-6 * max(abs(loss.item()), 1)
    assert abs(model.train_on_batch(x, y) - loss.item()) < 1e-6 * max(abs(loss.item()), 1)
    for part, parameter in zip(split(model, model.gradients()), module.parameters(), strict=True):
        wanted = parameter.grad.numpy()
        np.testing.assert_allclose(as_torch(part), wanted, rtol=2e-4, atol=1e-5 * abs(wanted).max())


def test_losses_of_outputs_over_zero() -> None:
    """Of probabilities, as softmax gives them: the divergence of two distributions, and Poisson's."""
    x = pair("mlp")[2]
    y = np.random.default_rng(2).dirichlet(np.ones(10), len(x)).astype(np.float32)
    soft = nn.Sequential([nn.Dense(10, activation="softmax", input_shape=x.shape[1:])], seed=4)
    for loss, wanted in (
        (nn.KLDivergence(), lambda p: (y * (np.log(y) - np.log(p))).sum(axis=1).mean()),
        (nn.Poisson(), lambda p: (p - y * np.log(p + 1e-7)).mean()),
    ):
        soft.compile("adam", loss)
        p = soft.predict(x).astype(np.float64)
        assert abs(soft.evaluate(x, y, verbose=0) - wanted(p)) < 1e-5
        kernel = soft.get_weights()[0]
        soft.train_on_batch(x, y)
        gradient, width = soft.gradients()[: kernel.size].reshape(kernel.shape), 1e-4
        soft.compile("adam", loss)
        weights = soft.get_weights()
        for place in ((0, 0), (3, 7)):
            sides = []
            for side in (width, -width):
                moved = weights[0].astype(np.float64)
                moved[place] += side
                logits = x.reshape(len(x), -1).astype(np.float64) @ moved + weights[1]
                odds = np.exp(logits - logits.max(axis=1, keepdims=True))
                sides.append(wanted(odds / odds.sum(axis=1, keepdims=True)))
            slope = (sides[0] - sides[1]) / (2 * width)
            soft.train_on_batch(x, y)
            found = soft.gradients()[: kernel.size].reshape(kernel.shape)[place]
            assert abs(found - slope) < 1e-4 * max(abs(slope), 1e-2)
            soft.set_weights(weights)
        assert np.isfinite(gradient).all()


def test_metrics() -> None:
    model, module, x, y = pair("mlp")
    output = module(torch.from_numpy(x)).detach().numpy()
    model.compile("adam", "sparse_categorical_crossentropy", ["acc", nn.TopK(3, name="top3")])
    found = model.evaluate(x, y, batch_size=8, verbose=0, return_dict=True)
    assert list(found) == ["loss", "acc", "top3"]
    ranks = (-output).argsort(axis=1)
    assert abs(found["acc"] - (ranks[:, 0] == y).mean()) < 1e-12
    assert abs(found["top3"] - (ranks[:, :3] == y[:, None]).any(axis=1).mean()) < 1e-12
    targets = np.eye(10)[y]
    model.compile("adam", "mse", ["mae", "mse"])
    loss, mae, mse = model.evaluate(x, targets, verbose=0)
    assert abs(mae - abs(output - targets).mean()) < 1e-6 and abs(mse - ((output - targets) ** 2).mean()) < 1e-6
    assert abs(loss - mse) < 1e-7


def test_binary_accuracy_from_logits_and_from_probabilities() -> None:
    x, labels = digits_like(50, (20,))
    y = labels > 4
    for activation, threshold in ((None, 0.0), ("sigmoid", 0.5)):
        model = nn.Sequential([nn.Dense(1, activation=activation, input_shape=(20,))], seed=3)
        model.compile("adam", "binary_crossentropy", ["accuracy"])
        loss, accuracy = model.evaluate(x, y, verbose=0)
        output = model.predict(x)[:, 0].astype(np.float64)
        assert abs(accuracy - ((output > threshold) == y).mean()) < 1e-12
        p = output if activation else 1 / (1 + np.exp(-output))
        assert abs(loss - -np.log(np.where(y, p, 1 - p)).mean()) < 1e-6


@pytest.mark.parametrize("semantics", ["torch", "keras"])
def test_weight_decay_and_amsgrad_reach_the_optimizer(semantics: str) -> None:
    x, y = digits_like(33, (20,))
    for optimizer in (
        nn.Adam(0.01, amsgrad=True, semantics=semantics), nn.Adam(0.01, weight_decay=0.1, semantics=semantics),
        nn.AdamW(0.01, weight_decay=0.1, semantics=semantics), martlet.optim.Adam(lr=0.01, weight_decay=0.1),
    ):  # fmt: skip
        model = mlp()
        model.compile(optimizer, "sparse_categorical_crossentropy")
        row = model.optimizer.hyperparameters()
        parameters = model.parameters().copy()
        state: dict[str, Any] = {}
        function = martlet.adamw if isinstance(optimizer, nn.AdamW) else martlet.adam
        for _ in range(5):
            model.train_on_batch(x, y)
            function(
                parameters, model.gradients(), state, lr=row.lr, betas=(row.beta1, row.beta2), eps=row.eps,
                weight_decay=row.weight_decay, amsgrad=row.amsgrad, semantics=row.semantics,
            )  # fmt: skip
            assert (model.parameters() == parameters).all()
