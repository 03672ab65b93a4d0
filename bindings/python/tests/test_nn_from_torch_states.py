"""Models of torch's recurrent layers that begin with states: others', inputs, parameters; against torch in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from torch_agreeing import agree, refused, same_curve

X, Y = (torch.randn(4, *sizes, generator=torch.Generator().manual_seed(1)) for sizes in ((6, 4), (5, 3)))


class Translator(nn.Module):
    """A layer that begins with what is made of another's last states, each alike where there are two."""

    def __init__(
        self, kind: Any, begins: Callable[..., Any], layers: tuple[int, int] = (2, 2), ways: tuple[bool, bool] = (False,
        False), units: int = 5,
    ) -> None:  # fmt: skip
        super().__init__()
        self.encoder = kind(4, 5, layers[0], batch_first=True, bidirectional=ways[0])
        self.decoder = kind(3, units, layers[1], batch_first=True, bidirectional=ways[1])
        self.bridge, self.last = nn.Linear(10, units), nn.Linear(units * (1 + ways[1]), 2)
        self.begins = begins

    def forward(self, x: Any, y: Any) -> Any:
        _, states = self.encoder(x)
        if isinstance(states, tuple):
            first: Any = tuple(self.begins(self, one, x) for one in states)
        else:
            first = self.begins(self, states, x)
        return self.last(self.decoder(y, first)[0])


def both_ways(h: Any) -> Any:
    """Of each layer both ways beside one another."""
    return torch.cat([h[0 : h.size(0) : 2], h[1 : h.size(0) : 2]], 2)


BEGINS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "the same": (lambda module, h, x: h, {}),
    "one layer": (lambda module, h, x: h, {"layers": (1, 1)}),
    "three layers": (lambda module, h, x: h, {"layers": (3, 3)}),
    "both ways": (lambda module, h, x: h, {"ways": (True, True)}),
    "the last layer's": (lambda module, h, x: h[-1:], {"layers": (2, 1)}),
    "the last layer's for both": (lambda module, h, x: h[-1].unsqueeze(0).repeat(2, 1, 1), {}),
    "in another order": (lambda module, h, x: torch.stack([h[1], h[0]]), {}),
    "forward alone": (lambda module, h, x: h.view(2, 2, x.size(0), 5)[:, 0], {"ways": (True, False)}),
    "beside one another": (lambda module, h, x: both_ways(h), {"ways": (True, False), "units": 10}),
    "through a layer": (lambda module, h, x: module.bridge(both_ways(h)), {"ways": (True, False), "units": 7}),
    "through a layer and tanh": (
        lambda module, h, x: torch.tanh(module.bridge(torch.cat((h[-2], h[-1]), 1))).unsqueeze(0),
        {"layers": (1, 1), "ways": (True, False)},
    ),
    "computed": (lambda module, h, x: torch.tanh(h) * 2 + h, {}),
    "zeros behind": (lambda module, h, x: torch.cat([h[1:], torch.zeros_like(h[:1])]), {}),
    "zeros one way": (
        lambda module, h, x: torch.cat([h[:1], x.new_zeros(1, x.size(0), 5), h[2:]]), {"ways": (True, True)},
    ),
    "numbers": (lambda module, h, x: torch.full_like(h, 0.5), {}),
}  # fmt: skip


OTHER_KINDS = [("the same", nn.GRU), ("both ways", nn.RNN), ("through a layer", nn.GRU)]


@pytest.mark.parametrize(("how", "kind"), [*((how, nn.LSTM) for how in BEGINS), *OTHER_KINDS])
def test_layers_begin_with_anothers_states(how: str, kind: Any) -> None:
    torch.manual_seed(2)
    begins, options = BEGINS[how]
    agree(Translator(kind, begins, **options), X, Y)


@pytest.mark.parametrize("how", [0, 1])
def test_one_of_two_states_is_zeros(how: int) -> None:
    class Halved(Translator):
        def forward(self, x: Any, y: Any) -> Any:
            _, states = self.encoder(x)
            zeros = x.new_zeros(2, x.size(0), 5)
            return self.last(self.decoder(y, (states[0], zeros) if how else (zeros, states[1]))[0])

    torch.manual_seed(3)
    agree(Halved(nn.LSTM, BEGINS["the same"][0]), X, Y)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_zeros_that_are_said_are_zeros(kind: Any) -> None:
    module = Translator(kind, lambda module, h, x: torch.zeros(2, x.size(0), 5, dtype=x.dtype))
    assert {layer.name for layer in agree(module, X, Y).layers}.isdisjoint({"encoder"})


@pytest.mark.parametrize(("how", "kind"), [("both ways", nn.LSTM), ("through a layer and tanh", nn.GRU)])
def test_curves_beside_torchs(kind: Any, how: str) -> None:
    torch.manual_seed(4)
    begins, options = BEGINS[how]
    given = torch.randn(24, 6, 4), torch.randn(24, 5, 3)
    same_curve(Translator(kind, begins, **options), given, torch.randn(24, 5, 2))


class Stepwise(nn.Module):
    """Reads what it has given, a step at a time."""

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.encoder, self.decoder = kind(4, 5, 2, batch_first=True), kind(2, 5, 2, batch_first=True)
        self.last = nn.Linear(5, 2)

    def forward(self, x: Any) -> Any:
        _, states = self.encoder(x)
        step, found = x[:, -1:, :2], []
        for _ in range(3):
            step, states = self.decoder(step, states)
            step = self.last(step)
            found.append(step)
        return torch.cat(found, 1)


class Repeating(nn.Module):
    """An autoencoder whose last state is each step that the decoder reads."""

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.encoder, self.decoder = kind(4, 5, batch_first=True), kind(5, 4, batch_first=True)

    def forward(self, x: Any) -> Any:
        states = self.encoder(x)[1]
        last = states[0][-1] if isinstance(states, tuple) else states[-1]
        return self.decoder(last.unsqueeze(1).repeat(1, x.size(1), 1))[0]


@pytest.mark.parametrize(("module", "kind"), [(Stepwise, nn.LSTM), (Repeating, nn.GRU)])
def test_decoders_of_what_is_made(module: Any, kind: Any) -> None:
    torch.manual_seed(5)
    agree(module(kind), X)
    steps = 3 if module is Stepwise else 6
    same_curve(module(kind), (torch.randn(24, 6, 4),), torch.randn(24, steps, 2 if module is Stepwise else 4))


class Learned(nn.Module):
    """States that are parameters, or made of what they are called with."""

    def __init__(self, kind: Any, sizes: Any, begins: Any, layers: int = 2, is_first: bool = True) -> None:
        super().__init__()
        self.layer, self.last = kind(4, 5, layers, batch_first=is_first), nn.Linear(5, 2)
        count = 2 if kind is nn.LSTM else 1
        self.first = nn.ParameterList(nn.Parameter(torch.randn(sizes)) for _ in range(count))
        self.begins, self.is_first = begins, is_first

    def forward(self, x: Any) -> Any:
        states = tuple(self.begins(one, x) for one in self.first)
        x = x if self.is_first else x.transpose(0, 1)
        found = self.last(self.layer(x, states if len(states) > 1 else states[0])[0])
        return found if self.is_first else found.transpose(0, 1)


LEARNED: list[tuple[Any, Callable[..., Any], int]] = [
    ((2, 1, 5), lambda first, x: first.expand(-1, x.size(0), -1).contiguous(), 2),
    ((2, 5), lambda first, x: first.unsqueeze(1).repeat(1, x.size(0), 1), 2),
    ((1, 1, 5), lambda first, x: first.repeat(1, x.size(0), 1), 1),
]


@pytest.mark.parametrize(("kind", "case"), [(nn.LSTM, 0), (nn.GRU, 1), (nn.RNN, 2)])
def test_states_that_are_learned(kind: Any, case: int) -> None:
    torch.manual_seed(6)
    sizes, begins, layers = LEARNED[case]
    agree(Learned(kind, sizes, begins, layers, is_first=case != 1), X)
    same_curve(Learned(kind, sizes, begins, layers), (torch.randn(24, 6, 4),), torch.randn(24, 6, 2))


class Given(nn.Module):
    """States by inputs."""

    def __init__(self, begins: Callable[..., Any], kind: Any = nn.GRU, layers: int = 1) -> None:
        super().__init__()
        self.layer, self.begins = kind(4, 5, layers, batch_first=True), begins

    def forward(self, x: Any, *given: Any) -> Any:
        return self.layer(x, self.begins(*given))[0]


@pytest.mark.parametrize(
    ("begins", "kind", "layers", "sizes"),
    [
        (lambda h: h.unsqueeze(0), nn.GRU, 1, [(5,)]),
        (lambda h: h.transpose(0, 1).contiguous(), nn.RNN, 2, [(2, 5)]),
        (lambda h: h.view(-1, 2, 5).permute(1, 0, 2).contiguous(), nn.GRU, 2, [(10,)]),
        (lambda h, c: (h[None], torch.tanh(c)[None]), nn.LSTM, 1, [(5,), (5,)]),
        (lambda h, c: (torch.stack((h, c)), torch.stack([c, h * 2])), nn.LSTM, 2, [(5,), (5,)]),
    ],
    ids=range(5),
)
def test_states_that_are_inputs(begins: Any, kind: Any, layers: int, sizes: Any) -> None:
    agree(Given(begins, kind, layers), X, *(torch.randn(4, *size) for size in sizes))


def test_states_are_read_further_where_they_stand() -> None:
    class Captions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.LSTM(3, 5, batch_first=True)
            self.h, self.c, self.last = nn.Linear(6, 5), nn.Linear(6, 5), nn.Linear(5, 9)

        def forward(self, image: Any, words: Any) -> Any:
            h, c = self.h(image).unsqueeze(0), torch.tanh(self.c(image))[None]
            steps, (last, _) = self.layer(words, (h, c))
            return self.last(steps), last[-1] + h.squeeze(0)

    agree(Captions(), torch.randn(4, 6), Y)


class Shown(nn.Module):
    """Keeps what nothing of it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(4, 5, batch_first=True)

    def forward(self, x: Any) -> Any:
        found, self.shown = self.layer(x)
        return found


class Left(nn.Module):
    """begins: the state of a call, of the module that keeps that of the call before in `state`."""

    def __init__(self, begins: Callable[..., Any], kind: Any = nn.GRU) -> None:
        super().__init__()
        self.layer, self.begins, self.state = kind(4, 5, batch_first=True), begins, None

    def forward(self, x: Any) -> Any:
        found, self.state = self.layer(x, self.begins(self, x))
        return found


def zeros(x: Any) -> Any:
    return torch.zeros(1, x.size(0), 5, dtype=x.dtype)


KEPT: dict[str, Callable[..., Any]] = {
    "by its name": lambda module, x: module.state,
    "by getattr": lambda module, x: getattr(module, "state"),  # noqa: B009
    "among the attributes": lambda module, x: module.__dict__["state"],
    "if it is there": lambda module, x: zeros(x) if module.state is None else module.state,
    "if it is a tensor": lambda module, x: module.state * 2 if isinstance(module.state, torch.Tensor) else zeros(x),
    "if it fits": lambda module, x: (
        zeros(x) if getattr(module.state, "shape", None) != (1, x.size(0), 5) else module.state
    ),
    "in a sum": lambda module, x: zeros(x) if module.state is None else zeros(x) + module.state,
    "in a function of torch's": lambda module, x: zeros(x) if module.state is None else torch.tanh(module.state),
}


@pytest.mark.parametrize("how", KEPT)
def test_what_is_kept_from_call_to_call_is_refused_where_it_is_read(how: str) -> None:
    refused(Left(KEPT[how]), X, r"Left keeps self\.state from call to call, which a model does not: test_.*, line \d+")
    refused(nn.Sequential(Left(KEPT[how])), X, r"Left keeps self\.0\.state from call to call")


def begun(module: Any, x: Any) -> Any:
    """What each call writes before it reads it."""
    module.state = (zeros(x), zeros(x)) if isinstance(module.layer, nn.LSTM) else zeros(x)
    return module.state


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_what_a_call_has_written_itself_is_its_own(kind: Any) -> None:
    module = Left(begun, kind)
    agree(module, X)
    assert module.state is None
    shown = Shown()
    agree(shown, X)
    assert not hasattr(shown, "shown")


OTHERS: dict[str, tuple[Callable[..., Any], str]] = {
    "in another order of samples": (lambda module, h, x: h.flip(1), "aten.flip"),
    "the next sample's": (lambda module, h, x: h.roll(1, 1), "aten.roll"),
    "by a list": (lambda module, h, x: h[:, torch.arange(x.size(0) - 1, -1, -1)], "takes some of the samples"),
    "the first sample's": (
        lambda module, h, x: h[:, :1].expand(-1, x.size(0), -1).contiguous(), "states of other samples than its own",
    ),
    "moved and not turned": (lambda module, h, x: h.transpose(0, 1).reshape(h.shape), "torch.export"),
    "less their mean over samples": (lambda module, h, x: h - h.mean(1, keepdim=True), "its steps are taken"),
    "by how many samples there are": (lambda module, h, x: h * x.size(0), "aten.mul.Tensor"),
    "zeros in batches of 4": (lambda module, h, x: torch.zeros_like(h) + (x.size(0) - 4), "something else than float"),
    "random": (lambda module, h, x: torch.randn_like(h), "aten.randn_like"),
    "zeros in part": (
        lambda module, h, x: torch.cat([h[..., :3], torch.zeros_like(h[..., :2])], 2), "zeros in part",
    ),
    "a product of parameters": (
        lambda module, h, x: (module.bridge.bias[None, None] * 2).expand(2, x.size(0), 5).contiguous(),
        "begins with what is computed of parameters",
    ),
    "one parameter's for both": (
        lambda module, h, x: module.bridge.bias.expand(2, x.size(0), 5).contiguous(), "else than a row for each of 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", OTHERS)
def test_other_states_are_refused_by_their_line(how: str) -> None:
    begins, text = OTHERS[how]
    refused(Translator(nn.GRU, begins), (X, Y), text)


def test_states_that_lie_otherwise_are_refused() -> None:
    refused(Given(lambda h: h.view(2, -1, 5), layers=2), (X, torch.randn(4, 10)), "torch.export")
    for begins in (lambda first, x: first, lambda first, x: first[:, : x.size(0)]):
        refused(Learned(nn.GRU, (1, 4, 5), begins, 1), X, "torch.export")


class Repeated(nn.Module):
    def __init__(self, how: Callable[[Any], Any]) -> None:
        super().__init__()
        self.linear, self.how = nn.Linear(4, 5), how

    def forward(self, x: Any) -> Any:
        return self.how(self.linear(x))


@pytest.mark.parametrize(
    "how",
    [
        lambda h: h.repeat(1, 3, 1), lambda h: h.repeat(1, 1, 2), lambda h: h[:, 0].repeat(1, 2),
        lambda h: h[:, :1].expand(-1, 3, -1), lambda h: h[:, :, :1].expand(-1, -1, 4),
        lambda h: h.transpose(1, 2).repeat(1, 2, 1), lambda h: h.transpose(0, 1).repeat(2, 1, 1).transpose(0, 1),
        lambda h: h.transpose(0, 1)[:1].expand(3, -1, -1).transpose(0, 1), lambda h: h.transpose(0, 1).relu()[-1],
    ],
    ids=range(9),
)  # fmt: skip
def test_what_repeats_and_lies_second(how: Any) -> None:
    agree(Repeated(how), X)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        (lambda h: h.repeat(2, 1, 1), "repeats samples"), (lambda h: h[:, 0].repeat(2, 1), "repeats samples"),
        (lambda h: h[:1].expand(h.size(0), -1, -1), "takes some of the samples"),
        (lambda h: h.repeat(1, 2, 3), "repeats two dimensions"), (lambda h: h.repeat(2, 1, 1, 1), "further dim"),
    ],
    ids=range(5),
)  # fmt: skip
def test_repeated_samples_are_refused(how: Any, text: str) -> None:
    refused(Repeated(how), X, text)
