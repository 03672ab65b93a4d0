"""martlet.torch.train: curves beside torch's own loop, what it takes for data, losses and optimizers, and refusals."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import martlet.nn
import martlet.torch
from martlet.torch import train
from torch_modules import ResNet18, Scored, Several, TextCNN, perceptron, sequences


def curve(module: Any, x: Any, y: Any, loss: Any, optimizer: Any, epochs: int) -> list[float]:
    """The mean loss of each epoch of torch's own training, 16 samples a batch, in their order."""
    module.train()
    found = []
    for _ in range(epochs):
        total = 0.0
        for start in range(0, len(x), 16):
            rows = slice(start, start + 16)
            optimizer.zero_grad()
            value = loss(module(x[rows]), y[rows])
            value.backward()
            optimizer.step()
            total += value.item() * len(x[rows])
        found.append(total / len(x))
    return found


def text(samples: int = 72) -> tuple[Any, Any, Any]:
    torch.manual_seed(1)
    return TextCNN(rate=0.0), torch.randint(0, 500, (samples, 20)), torch.randint(0, 3, (samples,))


CASES: dict[str, Any] = {
    "text, Adam": (text, F.cross_entropy, torch.optim.Adam, {"lr": 0.002, "weight_decay": 0.01}),
    "text, AdamW": (text, nn.CrossEntropyLoss(label_smoothing=0.1), torch.optim.AdamW, {"lr": 0.002, "fused": True}),
    "resnet, SGD": (
        lambda: (ResNet18(8), torch.randn(40, 3, 32, 32), torch.randint(0, 10, (40,))),
        nn.CrossEntropyLoss, torch.optim.SGD, {"lr": 0.002, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3},
    ),
    "sequences, RMSprop": (
        lambda: (sequences(), torch.randn(72, 4, 32), torch.rand(72, 3)),
        nn.MSELoss(), torch.optim.RMSprop, {"lr": 0.001},
    ),
    "two classes, martlet's": (
        lambda: (
            nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1)), torch.randn(72, 6), torch.rand(72, 1).round(),
        ),
        nn.BCEWithLogitsLoss(), martlet.torch.Adam, {"lr": 0.01, "amsgrad": True},
    ),
    "two classes, probabilities": (
        lambda: (nn.Sequential(nn.Linear(6, 1), nn.Sigmoid()), torch.randn(72, 6), torch.rand(72, 1).round()),
        nn.BCELoss(), torch.optim.NAdam, {"lr": 0.01},
    ),
    "numbers, Huber": (
        lambda: (nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 2)), torch.randn(72, 6), torch.randn(72, 2)),
        nn.HuberLoss(delta=0.5), torch.optim.Adagrad, {"lr": 0.05},
    ),
    "numbers, L1": (
        lambda: (nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(72, 6), torch.randn(72, 2)),
        nn.L1Loss(), torch.optim.Adamax, {"lr": 0.01},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_curve_beside_torchs(name: str) -> None:
    build, loss, kind, options = CASES[name]
    torch.manual_seed(5)
    module, x, y = build()
    other = copy.deepcopy(module)
    reference = loss() if isinstance(loss, type) else loss
    wanted = curve(other, x, y, reference, kind(other.parameters(), **options), 4)
    optimizer = kind(module.parameters(), **options)
    history = train(module, (x, y), loss, optimizer, epochs=4, batch_size=16, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], wanted, rtol=1e-4)
    assert not any(float(one["step"]) for one in optimizer.state.values())
    module.eval()
    other.eval()
    with torch.no_grad():
        np.testing.assert_allclose(module(x), other(x), atol=2e-2 if "resnet" in name else 1e-3)


def test_batches_of_a_loader() -> None:
    module, x, y = text()
    other = copy.deepcopy(module)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=16)
    wanted = curve(other, x, y, F.cross_entropy, torch.optim.Adam(other.parameters()), 2)
    adam = torch.optim.Adam(module.parameters())
    history = train(module, loader, nn.CrossEntropyLoss(), adam, epochs=2, metrics=["accuracy"], verbose=0)
    np.testing.assert_allclose(history.history["loss"], wanted, rtol=1e-5)
    assert len(history.history["accuracy"]) == 2


def test_all_batches_of_a_generator() -> None:
    module, x, y = text()
    other = copy.deepcopy(module)
    wanted = curve(other, x, y, F.cross_entropy, torch.optim.Adam(other.parameters()), 1)
    adam = torch.optim.Adam(module.parameters())
    batches = ((x[start : start + 16], y[start : start + 16]) for start in range(0, len(x), 16))
    history = train(module, batches, nn.CrossEntropyLoss(), adam, verbose=0)
    np.testing.assert_allclose(history.history["loss"], wanted, rtol=1e-5)
    endless = ((x[:8], y[:8]) for _ in range(6))
    assert train(module, endless, nn.CrossEntropyLoss(), epochs=3, steps_per_epoch=2, verbose=0).epoch == [0, 1, 2]
    once = iter([(x, y)])
    with pytest.raises(ValueError, match="epochs is 2, and data is a list_iterator, which gives its batches once"):
        train(module, once, nn.CrossEntropyLoss(), epochs=2, verbose=0)
    assert next(once)[0] is x


def test_batches_are_counted_as_torch_counts_them() -> None:
    torch.manual_seed(2)
    layer = nn.BatchNorm1d(4)
    module = nn.Sequential(layer, nn.Linear(4, 4), layer, nn.BatchNorm1d(4))
    other, x, y = copy.deepcopy(module), torch.randn(40, 4), torch.randn(40, 4)
    train(module, (x, y), nn.MSELoss(), epochs=2, batch_size=16, verbose=0)
    curve(other, x, y, nn.MSELoss(), torch.optim.Adam(other.parameters()), 2)
    for name, count in other.named_buffers():
        if name.endswith("num_batches_tracked"):
            assert module.get_buffer(name) == count, name


def test_a_module_with_its_own_loss() -> None:
    torch.manual_seed(4)
    module, x, y = Scored(), torch.randn(64, 6), torch.randint(0, 3, (64,))
    before = module(x, y).item()
    history = train(module, (x, y), optimizer=martlet.nn.Adam(0.02), epochs=20, verbose=0, validation_data=(x, y))
    assert history.history["val_loss"][-1] == pytest.approx(module(x, y).item(), rel=1e-5)
    assert module(x, y).item() < 0.9 * before


def test_ctrl_c_leaves_the_module_as_after_the_last_step() -> None:
    class Stop(martlet.nn.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 1:
                self.weights = self.model.get_weights()
                raise KeyboardInterrupt

    module, x, y = text()
    stop = Stop()
    with pytest.raises(KeyboardInterrupt):
        train(module, (x, y), "sparse_categorical_crossentropy", verbose=0, batch_size=16, callbacks=[stop])
    np.testing.assert_array_equal(module.table.weight.detach(), stop.weights[0])


@pytest.mark.parametrize(
    ("loss", "make", "error", "text"),
    [
        (nn.CrossEntropyLoss(weight=torch.ones(10)), None, martlet.UnsupportedError, "weight of loss"),
        (nn.MSELoss(reduction="sum"), None, martlet.UnsupportedError, "reduction of loss"),
        (nn.CrossEntropyLoss(ignore_index=3), None, martlet.UnsupportedError, "ignore_index of loss"),
        (nn.CTCLoss(), None, martlet.UnsupportedError, "loss is CTCLoss"),
        (None, None, TypeError, "is not called with 2 tensors"),
        (nn.CrossEntropyLoss(), lambda m: torch.optim.LBFGS(m.parameters()), martlet.UnsupportedError, "a LBFGS"),
        (nn.CrossEntropyLoss(), lambda m: torch.optim.SGD(m[1].parameters()), ValueError, "has other parameters"),
        (
            nn.CrossEntropyLoss(),
            lambda m: torch.optim.SGD([{"params": m[1].parameters()}, {"params": m[4].parameters()}]),
            martlet.UnsupportedError, "has 2 groups",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_named_and_nothing_trained(loss: Any, make: Any, error: Any, text: str) -> None:
    module, x, y = perceptron(), torch.randn(20, 1, 12, 12), torch.randint(0, 10, (20,))
    before = copy.deepcopy(module.state_dict())
    with pytest.raises(error, match=text):
        train(module, (x, y), loss, "adam" if make is None else make(module), verbose=0)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.CrossEntropyLoss, F.nll_loss])
def test_classes_that_are_not_last_are_refused(loss: Any) -> None:
    module, x, y = nn.Conv1d(3, 6, 1), torch.randn(4, 3, 6), torch.randint(0, 6, (4, 6))
    with pytest.raises(
        martlet.UnsupportedError, match=r"samples of \(6, 6\), the output, whose classes torch has first"
    ):
        train(module, (x, y), loss, verbose=0)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=2)
    with pytest.raises(martlet.UnsupportedError, match="whose classes torch has first"):
        train(module, loader, loss, verbose=0)


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.L1Loss, F.huber_loss, nn.SmoothL1Loss()])
def test_targets_that_torch_would_spread_are_refused(loss: Any) -> None:
    module, x, y = nn.Linear(5, 1), torch.randn(4, 5), torch.randn(4)
    with pytest.raises(martlet.UnsupportedError, match=r"y has samples of \(\), and the output \(1,\)"):
        train(module, (x, y), loss, verbose=0)
    flat = nn.Sequential(module, nn.Flatten(0))
    with pytest.raises(martlet.UnsupportedError, match=r"y has samples of \(1,\), and the output \(\)"):
        train(flat, (x, y[:, None]), loss, verbose=0)
    train(module, (x, y[:, None]), loss, verbose=0)
    train(flat, (x, y), loss, verbose=0)


def test_losses_inside_a_module_are_of_one_shape() -> None:
    class Inside(nn.Module):
        def __init__(self, layer: Any, loss: Any) -> None:
            super().__init__()
            self.layer, self.loss = layer, loss

        def forward(self, x: Any, y: Any) -> Any:
            return self.loss(self.layer(x), y)

    data = torch.randn(4, 3, 6), torch.randint(0, 6, (4, 6))
    over_steps = Inside(nn.Conv1d(3, 6, 1), nn.CrossEntropyLoss())
    before = over_steps(*data).item()
    assert train(over_steps, data, verbose=0).history["loss"] == [pytest.approx(before, rel=1e-5)]
    images = torch.randn(4, 3, 6, 6), torch.randint(0, 6, (4, 6, 6))
    with pytest.raises(martlet.UnsupportedError, match="whose classes torch has first.*return self.loss"):
        train(Inside(nn.Conv2d(3, 6, 1), nn.CrossEntropyLoss()), images, verbose=0)
    numbers = torch.randn(4, 5), torch.randn(4, 1)
    with pytest.raises(martlet.UnsupportedError, match=r"samples of \(3,\) and \(1,\).*return self.loss"):
        train(Inside(nn.Linear(5, 3), nn.MSELoss()), numbers, verbose=0)
    module = Inside(nn.Linear(5, 1), nn.MSELoss())
    before = module(*numbers).item()
    assert train(module, numbers, verbose=0).history["loss"] == [pytest.approx(before, rel=1e-5)]


def test_an_optimizer_that_has_stepped_is_refused() -> None:
    module, x, y = perceptron(), torch.randn(20, 1, 12, 12), torch.randint(0, 10, (20,))
    adam = torch.optim.Adam(module.parameters())
    F.cross_entropy(module(x), y).backward()
    adam.step()
    with pytest.raises(martlet.UnsupportedError, match="has taken steps"):
        train(module, (x, y), nn.CrossEntropyLoss(), adam)
    with pytest.raises(TypeError, match="wanted \\(x, y\\)"):
        train(module, x, nn.CrossEntropyLoss())
    with pytest.raises(TypeError, match="y of data is None; wanted"):
        train(module, (x, None), nn.CrossEntropyLoss())


def test_several_inputs_and_outputs() -> None:
    torch.manual_seed(6)
    module, a, b = Several(), torch.randn(40, 6), torch.randn(40, 6)
    y = [torch.randint(0, 3, (40,)), torch.rand(40, 1).round()]
    losses = [nn.CrossEntropyLoss(), nn.BCELoss()]
    history = train(module, ((a, b), y), losses, epochs=30, verbose=0)
    left, right = module(a, b)
    total = losses[0](left, y[0]) + losses[1](right, y[1])
    assert history.history["loss"][-1] == pytest.approx(total.item(), rel=0.1)
    assert history.history["loss"][-1] < history.history["loss"][0]
