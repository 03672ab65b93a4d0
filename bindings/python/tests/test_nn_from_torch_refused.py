"""What from_torch refuses of a module, by its line, and what it says of arguments that cannot be."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import martlet.nn
from martlet.nn import from_torch, to_torch
from torch_modules import Several


class Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 3, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.lstm(x)[0]


class Packed(Lstm):
    def forward(self, x: Any) -> Any:
        lengths = torch.tensor([5, 4, 2])
        return self.lstm(nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True))[1][0]


class PackedByLengths(Lstm):
    def forward(self, x: Any) -> Any:
        lengths = x[:, 0, 0].int()
        if lengths.min() < 1:
            lengths = lengths.clamp(min=1)
        return self.lstm(nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))[1][0]


class Decided(nn.Module):
    def forward(self, x: Any) -> Any:
        return x if x.sum() > 0 else -x


class Across(nn.Module):
    def forward(self, x: Any) -> Any:
        return x - x.mean(0)


class Regrouped(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.reshape(-1, 2)


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))

    def forward(self, x: Any) -> Any:
        return x * self.weight


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        x = self.linear(x)
        return F.layer_norm(x, (4,), self.linear.bias)


class Drawn(nn.Module):
    def forward(self, x: Any) -> Any:
        return x + torch.randn_like(x)


class Divided(nn.Module):
    def forward(self, x: Any) -> Any:
        return x / (x + 1)


class OfOneBatch(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.reshape(3, 4) * 2


@pytest.mark.parametrize(
    ("kind", "sizes", "texts"),
    [
        (Packed, (5, 4), ["packed sequences are not served", "nn.utils.rnn.pack_padded_sequence(x, lengths"]),
        (PackedByLengths, (5, 4), ["packed sequences are not served", "if lengths.min() < 1:"]),
        (Decided, (4,), ["torch.export", Path(__file__).name, "x.sum() > 0"]),
        (Across, (4,), ["aten.mean.dim", "return x - x.mean(0)"]),
        (Regrouped, (4,), ["samples are the first dimension", "return x.reshape(-1, 2)"]),
        (Scaled, (4,), ["parameter or buffer 'weight'", "return x * self.weight"]),
        (Tied, (4,), ["'linear.bias'", "return F.layer_norm(", "x = self.linear(x)"]),
        (Drawn, (4,), ["aten.randn_like", "return x + torch.randn_like(x)"]),
        (Divided, (4,), ["aten.div.Tensor", "return x / (x + 1)"]),
        (OfOneBatch, (4,), ["torch.export"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_cannot_be_taken_is_named_with_its_line(kind: Any, sizes: tuple[int, ...], texts: list[str]) -> None:
    module = kind().eval()
    before = copy.deepcopy(module.state_dict())
    with pytest.raises(martlet.UnsupportedError) as raised:
        from_torch(module, torch.randn(3, *sizes))
    for text in texts:
        assert text in str(raised.value)
    assert not any(part.training for part in module.modules())
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize(
    ("module", "sizes", "text"),
    [
        (nn.BatchNorm1d(4, track_running_stats=False), (4,), "no moving statistics"),
        (nn.BatchNorm1d(4, momentum=None), (4,), "a momentum of None"),
        (nn.BatchNorm1d(4).requires_grad_(False), (4,), "is frozen"),
        (nn.LayerNorm((3, 4)), (3, 4), "over 2 dimensions"),
        (nn.GELU("tanh"), (4,), "is approximate"),
        (nn.AvgPool2d(3, padding=1, ceil_mode=True), (1, 5, 5), "with ceil_mode"),
        (nn.LogSoftmax(1), (4,), "log_softmax.* wanted the module without it, and CrossEntropyLoss"),
        (nn.Linear(4, 3).double(), (4,), "parameter '0.weight' of the module is torch.float64"),
        (nn.Linear(4, 3).half(), (4,), "torch.float16"),
    ],
    ids=str,
)
def test_layers_that_mean_something_else_are_named(module: Any, sizes: tuple[int, ...], text: str) -> None:
    with pytest.raises(martlet.UnsupportedError, match=text):
        from_torch(nn.Sequential(module), torch.randn(3, *sizes))


class Moded(nn.Module):
    """Linear, and then something that may ask whether it trains."""

    def __init__(self, then: Any) -> None:
        super().__init__()
        self.linear, self.then = nn.Linear(4, 3), then

    def forward(self, x: Any) -> Any:
        return self.then(self.linear(x), self.training)


@pytest.mark.parametrize(
    ("then", "text"),
    [
        (lambda y, trains: y if trains else y.softmax(-1), r"aten\.softmax\.int differs between training .* line "),
        (lambda y, trains: y * 2 if trains else y, r"aten\.mul\.Tensor differs between training .* line "),
        (lambda y, trains: y * 2 if trains else y * 3, r"aten\.mul\.Tensor differs between training .* line "),
        (lambda y, trains: (y, y) if trains else y, "what the module returns differs between training"),
        (lambda y, trains: F.dropout(y, 0.5 if trains else 0.2, trains), r"aten\.dropout\.default differs"),
        (lambda y, trains: F.dropout(y, 0.5), r"aten\.dropout\.default does in evaluation what it does in training"),
    ],
    ids=range(6),
)
def test_what_evaluation_does_otherwise_is_named(then: Any, text: str) -> None:
    with pytest.raises(martlet.UnsupportedError, match=text):
        from_torch(Moded(then), torch.randn(3, 4))


def test_what_dropout_does_otherwise_is_taken() -> None:
    module, x = Moded(lambda y, trains: F.dropout(y, 0.5, trains)), torch.randn(3, 4)
    np.testing.assert_allclose(from_torch(module, x).predict(x), module.eval()(x).detach(), atol=1e-6)


@pytest.mark.parametrize("part", [nn.BatchNorm1d(3), nn.Dropout(0.5)], ids=str)
def test_a_part_in_another_mode_is_named(part: Any) -> None:
    module, x = nn.Sequential(nn.Linear(4, 3), part), torch.randn(3, 4)
    part.eval()
    with pytest.raises(martlet.UnsupportedError, match="layer '1' of the module is in evaluation mode, and the module"):
        from_torch(module, x)
    from_torch(module.eval(), x)
    assert not module.training


@pytest.mark.parametrize(
    "made", [lambda x: x * 200, lambda x: x + x, lambda x: 1 - x, lambda x: -x, lambda x: x - 1], ids=range(5)
)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_arithmetic_of_integers_is_named(made: Any, dtype: Any) -> None:
    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 1)

        def forward(self, x: Any) -> Any:
            return self.linear(made(x).float())

    with pytest.raises(martlet.UnsupportedError, match=r"gives numbers of torch\.u?int"):
        from_torch(Whole(), torch.ones(3, 2, dtype=dtype))


def test_a_threshold_of_softplus_is_named() -> None:
    x = torch.tensor([[-3.0, 2.0, 30.0]])
    for threshold in (20, 100):
        module = nn.Sequential(nn.Softplus(threshold=threshold))
        np.testing.assert_allclose(from_torch(module, x).predict(x), module(x), rtol=1e-6)
    with pytest.raises(martlet.UnsupportedError, match=r"has a threshold of 1\.0, and 20 or more"):
        from_torch(nn.Sequential(nn.Softplus(1, 1.0)), x)


def test_lines_of_packages_whose_names_begin_like_torchs_are_the_modules() -> None:
    from martlet.nn.modules import _exporting

    place = os.path.dirname(torch.__file__)
    own, theirs = os.path.join(f"{place}vision", "models.py"), os.path.join(place, "nn.py")
    frames = f'File "{own}", line 7, in forward\n    x = f(x)\nFile "{theirs}", line 9, in f\n    g(x)\n'
    assert _exporting.line(SimpleNamespace(meta={"stack_trace": frames})) == "models.py, line 7, 'x = f(x)'"


def test_arguments_that_cannot_be() -> None:
    module, x = nn.Linear(4, 3), torch.randn(2, 4)
    with pytest.raises(TypeError, match=r"wanted a torch\.nn\.Module"):
        from_torch(lambda x: x, x)
    with pytest.raises(TypeError, match="example is empty"):
        from_torch(module, ())
    with pytest.raises(TypeError, match=r"example\[0\] is str"):
        from_torch(module, "x")
    with pytest.raises(TypeError, match=r"example\[0\] is torch.float64"):
        from_torch(module, x.double())
    with pytest.raises(ValueError, match="wanted as many samples"):
        from_torch(Several(), (torch.randn(2, 6), torch.randn(3, 6)))
    with pytest.raises(TypeError, match="wanted one that from_torch made"):
        to_torch(martlet.nn.Sequential(), module)
    model = from_torch(module, x)
    with pytest.raises(TypeError, match=r"wanted a torch\.nn\.Module"):
        to_torch(model, 3)
    with pytest.raises(ValueError, match="has no 'weight'"):
        to_torch(model, nn.Sequential(nn.Linear(4, 3)))
    other = nn.Linear(4, 2)
    before = other.bias.detach().clone()
    with pytest.raises(ValueError, match=r"'weight' of the module has shape \(2, 4\)"):
        to_torch(model, other)
    assert torch.equal(other.bias, before)
