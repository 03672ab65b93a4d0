"""What layers of a user's own should not give, call or be: errors that name it, and models that go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import martlet
from martlet import nn
from own_layers import LOSS, Mine, Product, X, Y


class Bad(nn.OwnLayer):
    """Answers what it is told to, once its model is built."""

    def __init__(self, call: Any = None, gradient: Any = None, weight: bool = False) -> None:
        super().__init__()
        self.answers, self.weight = (call, gradient), weight

    def build(self, input_shape: Any) -> None:
        if self.weight:
            self.add_weight((7,), "ones", name="scale")

    def call(self, x: Any) -> Any:
        return x if self.answers[0] is None or len(x) == 2 else self.answers[0](x)

    def gradient(self, x: Any, slopes: Any) -> Any:
        if self.answers[1] is None:
            return (slopes, [np.ones(7)]) if self.weight else slopes
        return self.answers[1](x, slopes)


def raises(*given: Any) -> Any:
    raise RuntimeError("mine")


BAD: list[tuple[Callable[[], Bad], type[BaseException], str]] = [
    (lambda: Bad(lambda x: x[:-1]), martlet.ShapeError, r"call of <Bad 'bad'> gave shape \(31, 7\) for 32 samples of "
     r"\(7,\); wanted \(32, 7\)"),
    (lambda: Bad(lambda x: x[:, :3]), martlet.ShapeError, r"gave shape \(32, 3\) .*wanted \(32, 7\)"),
    (lambda: Bad(lambda x: None), martlet.DTypeError, "call of <Bad 'bad'> gave None; wanted an array of numbers"),
    (lambda: Bad(lambda x: x.astype(complex)), martlet.DTypeError, "gave an array of complex128; wanted an array of"),
    (lambda: Bad(lambda x: np.full(x.shape, "a")), martlet.DTypeError, "gave an array of <U1; wanted"),
    (lambda: Bad(lambda x: [[1, 2], [3]]), martlet.DTypeError, "gave a list of 2; wanted an array of numbers"),
    (lambda: Bad(raises), RuntimeError, "^mine$"),
    (lambda: Bad(None, raises), RuntimeError, "^mine$"),
    (lambda: Bad(None, lambda x, s: s.sum()), martlet.ShapeError, r"gradient of <Bad 'bad'> gave shape \(\) for x; "
     r"wanted \(32, 7\)"),
    (lambda: Bad(None, lambda x, s: s[:5]), martlet.ShapeError, r"gave shape \(5, 7\) for x"),
    (lambda: Bad(None, lambda x, s: None), martlet.DTypeError, "gradient of <Bad 'bad'> gave None; wanted an array"),
    (lambda: Bad(None, lambda x, s: s * np.nan), martlet.ArgumentError, "slopes for x that are not finite in float32"),
    (lambda: Bad(None, lambda x, s: s + 1e60), martlet.ArgumentError, "slopes for x that are not finite in float32"),
    (lambda: Bad(None, lambda x, s: s, weight=True), martlet.DTypeError, 'wanted a pair: slopes by x, .* "scale"'),
    (lambda: Bad(None, lambda x, s: (s, []), weight=True), martlet.DTypeError, "gave a list of 0 for its weights; "
     'wanted a list of 1: "scale"'),
    (lambda: Bad(None, lambda x, s: (s, [s]), weight=True), martlet.ShapeError, r"gave shape \(32, 7\) for weight "
     r"'scale'; wanted \(7,\)"),
    (lambda: Bad(None, lambda x, s: (s, [np.full(7, np.inf)]), weight=True), martlet.ArgumentError, "for weight "
     "'scale' that are not finite"),
    (lambda: Bad(lambda x: exec("raise KeyboardInterrupt")), KeyboardInterrupt, ""),
    (lambda: Bad(lambda x: exec("raise SystemExit")), SystemExit, ""),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(BAD)))
def test_what_a_layer_should_not_give(index: int) -> None:
    """Nothing has been stepped, statistics neither, and the model goes on once the layer does."""
    make, error, says = BAD[index]
    layer = make()
    models = [
        nn.Sequential([nn.Dense(7, input_shape=(7,)), nn.BatchNormalization(), one, nn.Dense(10)], seed=1)
        for one in (layer, Bad(weight=layer.weight))
    ]
    for model in models:
        model.compile("adam", LOSS)
    for call in (lambda: models[0].fit(X, Y, 32, verbose=0), lambda: models[0].train_on_batch(X[:32], Y[:32])):
        with pytest.raises(error, match=says):
            call()
    if layer.answers[0] is not None:
        for call in (lambda: models[0].predict(X[:32]), lambda: models[0].evaluate(X[:32], Y[:32])):
            with pytest.raises(error, match=says):
                call()
    layer.answers = (None, None)
    for model in models:
        model.train_on_batch(X, Y)
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        assert (one == other).all()


def test_what_a_layer_cannot_call_or_be() -> None:
    class Calls(Bad):
        def build(self, input_shape: Any) -> None:
            self.other = nn.Sequential([nn.Dense(2, input_shape=(7,))])

    model = nn.Sequential([nn.Input((7,)), Calls(lambda x: model.predict(x)), nn.Dense(10)])
    with pytest.raises(martlet.MartletError):
        model.predict(X)
    other = nn.Sequential([nn.Dense(2, input_shape=(7,))])
    model = nn.Sequential([nn.Input((7,)), Calls(lambda x: other.predict(x)), nn.Dense(10)])
    with pytest.raises(martlet.BusyError, match="inside a function that the library calls"):
        model.predict(X)
    with pytest.raises(TypeError, match="abstract"):
        type("Half", (nn.OwnLayer,), {"call": lambda self, x: x})()
    with pytest.raises(martlet.UnsupportedError, match="defines __call__, which nothing calls"):
        type("Half", (nn.OwnLayer,), {"__call__": lambda self, x: x})
    with pytest.raises(martlet.OrderError, match="add_weight of .* came outside of build"):
        Mine(3).add_weight((2,))
    with pytest.raises(martlet.DTypeError, match="gradient of <Lambda> is None; wanted a function"):
        nn.Lambda(np.square)
    with pytest.raises(AttributeError, match="'Mine' object has no attribute 'nothing'"):
        _ = Mine(3).nothing
    with pytest.raises(AttributeError, match="so it has no weights yet"):
        _ = Mine(3).weights


ADDED: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    (((0,),), {}, martlet.ArgumentError, "shape of a weight of .* is 0; wanted 1 or more"),
    (("a",), {}, martlet.DTypeError, "shape of"),
    (((3,), "nothing"), {}, martlet.ArgumentError, "initializer of"),
    (((3,), np.ones(2)), {}, martlet.ShapeError, r"initializer of .* is an array of shape \(2,\); wanted \(3,\)"),
    (((3,),), {"name": "a/b"}, martlet.ArgumentError, "name of a weight of .* is 'a/b'; wanted one of its own"),
    (((3,),), {"name": "known"}, martlet.ArgumentError, "'known'; wanted one of its own"),
    (((3,),), {"name": 3}, martlet.DTypeError, "name of a weight"),
    (((3,),), {"trainable": False}, martlet.UnsupportedError, "trainable of a weight"),
]


@pytest.mark.parametrize("index", range(len(ADDED)))
def test_weights_that_cannot_be(index: int) -> None:
    given, named, error, says = ADDED[index]

    class Adds(Product):
        def build(self, input_shape: Any) -> None:
            self.add_weight((2,), name="known")
            self.add_weight(*given, **named)

    with pytest.raises(error, match=says):
        nn.Sequential([Adds(input_shape=(7,))])


def test_shapes_that_call_does_not_say() -> None:
    """What compute_output_shape or output_shape says is held to what call gives."""

    class Halves(nn.OwnLayer):
        def call(self, x: Any) -> Any:
            return x[:, :3] if len(x) > 2 else raises()

        def gradient(self, x: Any, slopes: Any) -> Any:
            return np.pad(slopes, ((0, 0), (0, 4)))

        def compute_output_shape(self, input_shape: Any) -> Any:
            assert input_shape == (None, 7)
            return (None, 3)

    for layer in (
        Halves(input_shape=(7,)),
        nn.Lambda(lambda x: x[:, :3], (3,), gradient=lambda x, s: s, input_shape=(7,)),
    ):
        assert (nn.Sequential([layer]).predict(X) == X[:, :3]).all()
    with pytest.raises(martlet.ShapeError, match=r"gave shape \(1, 7\) for 2 samples of \(7,\); wanted \(2, ...\)"):
        nn.Sequential([nn.Lambda(lambda x: x[:1], gradient=lambda x, s: s, input_shape=(7,))])
    with pytest.raises(martlet.ShapeError, match=r"gave shape \(32, 3\) .*wanted \(32, 4\)"):
        nn.Sequential([nn.Lambda(lambda x: x[:, :3], (4,), gradient=lambda x, s: s, input_shape=(7,))]).predict(X)
