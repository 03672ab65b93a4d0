"""Models of torch's modules: outputs, and weights there and back."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import martlet.nn
from martlet.nn import from_torch, to_torch
from torch_modules import ResNet18, Scored, Several, TextCNN, images, perceptron, sequences

CASES: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "perceptron": (perceptron, (1, 12, 12)),
    "images": (images, (3, 16, 20)),
    "sequences": (sequences, (4, 32)),
    "resnet18": (ResNet18, (3, 64, 64)),
    "text": (TextCNN, (20,)),
    "text by pools": (lambda: TextCNN(by_pool=True), (20,)),
}


def made(name: str) -> tuple[Any, Any]:
    """A module whose statistics are of some data, and samples."""
    torch.manual_seed(1)
    build, sizes = CASES[name]
    module = build()
    x = torch.randint(0, 500, (8, *sizes)) if "text" in name else torch.randn(8, *sizes)
    module.train()
    for _ in range(3):
        module(x)
    return module, x


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_the_modules(name: str) -> None:
    module, x = made(name)
    model = from_torch(module, x[:1])
    module.eval()
    exact = copy.deepcopy(module).double()(x if "text" in name else x.double()).detach().numpy()
    largest = np.abs(exact).max()
    theirs = np.abs(module(x).detach().numpy() - exact).max()
    ours = np.abs(model.predict(x) - exact).max()
    limit = 2e-6 if name == "perceptron" else 1e-5
    assert ours <= limit * largest, f"{ours / largest:.1e} of the largest output; torch's {theirs / largest:.1e}"
    np.testing.assert_array_equal(model.predict(x[:3]), model.predict(x)[:3])


@pytest.mark.parametrize("name", CASES)
def test_weights_go_there_and_back_to_the_bit(name: str) -> None:
    module, x = made(name)
    before = copy.deepcopy(module.state_dict())
    modes = [part.training for part in module.modules()]
    model = from_torch(module, x)
    for key, value in module.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert modes == [part.training for part in module.modules()]
    other = copy.deepcopy(module)
    with torch.no_grad():
        for value in (*other.parameters(), *other.buffers()):
            value.zero_()
    to_torch(model, other)
    for key, value in other.state_dict().items():
        assert torch.equal(value, before[key]) or key.endswith("num_batches_tracked"), key


def test_one_step_moves_weights_and_statistics_as_torchs() -> None:
    for name in ("images", "sequences", "resnet18"):
        module, x = made(name)
        if name == "resnet18":
            torch.manual_seed(1)
            module = ResNet18(8)
        y = torch.rand(module(x).shape)
        model = from_torch(module, x)
        start = copy.deepcopy(module.state_dict())
        model.compile(martlet.nn.SGD(0.1, semantics="torch"), "mse")
        loss = model.train_on_batch(x.numpy(), y.numpy())
        exact = copy.deepcopy(module).double().train()
        wanted = F.mse_loss(exact(x.double()), y.double())
        wanted.backward()
        torch.optim.SGD(exact.parameters(), lr=0.1).step()
        assert loss == pytest.approx(wanted.item(), rel=1e-5)
        to_torch(model, module)
        right = exact.state_dict()
        for key, value in module.state_dict().items():
            if not key.endswith("num_batches_tracked"):
                moved = (right[key] - start[key]).abs().max().item()
                assert (value - right[key]).abs().max().item() <= 1e-3 * moved + 1e-6, (name, key)


def test_several_inputs_and_outputs_and_a_layer_that_is_there_twice() -> None:
    torch.manual_seed(2)
    module, a, b = Several(), torch.randn(5, 6), torch.randn(5, 6)
    model = from_torch(module, (a, b), name="several", seed=4)
    assert (model.name, model.seed, model.input_names) == ("several", 4, ["a", "b"])
    assert [layer.name for layer in model.layers].count("shared") == 1
    for found, wanted in zip(model.predict([a, b]), module(a, b), strict=True):
        np.testing.assert_allclose(found, wanted.detach(), atol=1e-6)


def test_what_is_frozen_stays() -> None:
    module = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    module[0].requires_grad_(False)
    model = from_torch(module, torch.randn(3, 4))
    assert [layer.trainable for layer in model.layers if layer.count_params()] == [False, True]


def test_an_activation_is_its_layers_where_that_alone_is_read() -> None:
    class Branched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            x = self.first(x)
            return torch.relu(self.second(torch.relu(x) + x))

    module, x = Branched(), torch.randn(6, 4)
    model = from_torch(module, x)
    assert [getattr(layer, "activation", "") for layer in model.layers][-1] == "relu"
    np.testing.assert_allclose(model.predict(x), module(x).detach(), atol=1e-6)


def test_what_writes_in_place_is_read_as_it_was_written() -> None:
    class Written(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.LayerNorm(4)

        def forward(self, x: Any) -> Any:
            x = self.second(self.first(x))
            y = F.relu(x, inplace=True)
            y *= 2
            return x + y

    module, x = Written(), torch.randn(6, 4)
    np.testing.assert_allclose(from_torch(module, x).predict(x), module(x).detach(), atol=1e-6)


def test_what_writes_into_a_view_is_named_where_others_read_it() -> None:
    class Viewed(nn.Module):
        def forward(self, x: Any) -> Any:
            x = torch.tanh(x)
            y = x.flatten(1).relu_()
            return y + x.reshape(y.shape) if self.training else y

    with pytest.raises(martlet.UnsupportedError, match=r"relu_.* writes into a view .*x\.flatten\(1\)\.relu_\(\)"):
        from_torch(Viewed(), torch.randn(3, 2, 4))
    alone, x = nn.Sequential(nn.Tanh(), nn.Flatten(), nn.ReLU(inplace=True)), torch.randn(3, 2, 4)
    np.testing.assert_allclose(from_torch(alone, x).predict(x), alone(x), atol=1e-6)


@pytest.mark.parametrize("dim", [1, 2, -1])
def test_sequences_are_put_together_along_either_dimension(dim: int) -> None:
    class Beside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv1d(3, 4, 3, padding=1), nn.Conv1d(3, 4, 3, padding=1)

        def forward(self, x: Any) -> Any:
            both = torch.cat([self.first(x), self.second(x)], dim)
            return torch.cat([both, both.transpose(1, 2).contiguous().transpose(1, 2) * 2], dim).mean(1, keepdim=True)

    module, x = Beside(), torch.randn(3, 3, 7)
    found = from_torch(module, x).predict(x)
    np.testing.assert_allclose(found, module(x).detach(), atol=1e-6)
    assert found.shape == tuple(module(x).shape)


def test_one_number_of_a_sample_has_a_size() -> None:
    class Single(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 1)

        def forward(self, x: Any) -> Any:
            return torch.sigmoid(self.linear(x).squeeze(-1) * 2)

    module, x = Single(), torch.randn(5, 4)
    model = from_torch(module, x)
    np.testing.assert_allclose(model.predict(x), module(x).detach()[:, None], atol=1e-6)
    model.compile("sgd", "binary_crossentropy")
    labels = (torch.arange(5) % 2).float()
    wanted = F.binary_cross_entropy(module(x), labels).item()
    assert model.evaluate(x.numpy(), labels.numpy()) == pytest.approx(wanted, rel=1e-6)
    with pytest.raises(
        martlet.UnsupportedError, match=r"embedding.* gives samples of \(3,\), and layers would give \(1, 3\)"
    ):
        from_torch(nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2)), torch.arange(4))


def test_bytes_become_numbers_on_the_way() -> None:
    class Bytes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Any) -> Any:
            return self.conv(1 - x.float() / 255).mean((2, 3))

    module, x = Bytes(), torch.randint(0, 256, (4, 3, 9, 9), dtype=torch.uint8)
    model = from_torch(module, x)
    assert model.inputs[0].dtype == "uint8"
    np.testing.assert_allclose(model.predict(x.numpy()), module(x).detach(), atol=1e-5)


def test_a_loss_inside_is_the_loss() -> None:
    torch.manual_seed(3)
    module, x, labels = Scored(), torch.randn(7, 6), torch.randint(0, 3, (7,))
    model = from_torch(module, (x, labels))
    np.testing.assert_allclose(model.predict(x), module.net(x).detach(), atol=1e-6)
    model.compile("sgd", model.module_loss)
    assert model.evaluate(x.numpy(), labels.numpy()) == pytest.approx(module(x, labels).item(), rel=1e-6)
    assert from_torch(module.net, x).module_loss is None
