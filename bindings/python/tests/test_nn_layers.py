"""Layers as descriptions: names, shapes, where images are turned, and every wrong argument. Nothing is trained here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import martlet
from martlet import nn
from martlet.nn import _formats


@pytest.fixture(autouse=True)
def _format_put_back() -> Iterator[None]:
    yield
    nn.set_data_format(_formats.LAST)


def shapes(model: nn.Sequential) -> list[tuple[int | None, ...]]:
    return [layer.output_shape for layer in model.layers]


def nodes(model: nn.Sequential) -> list[str]:
    """The native model's nodes, with those that turn images."""
    model.get_weights()
    native = model._laid().model
    return [native.node(index).name for index in range(1, native.node_count())]


def test_scenario_3_has_its_shapes() -> None:
    model = nn.Sequential([nn.Dense(64, activation="relu", input_shape=(784,)), nn.Dense(10)])
    assert shapes(model) == [(None, 64), (None, 10)]
    assert model.input_shape == (None, 784) and model.output_shape == (None, 10)
    assert [layer.name for layer in model.layers] == ["dense", "dense_1"]
    assert [weight.shape for weight in model.get_weights()] == [(784, 64), (64,), (64, 10), (10,)]
    assert model.count_params() == 784 * 64 + 64 + 64 * 10 + 10
    assert model.layers[1].count_params() == 650 and model.layers[1].weight_names == ["dense_1/kernel", "dense_1/bias"]


def test_the_three_ways_to_say_the_input() -> None:
    layers: list[Callable[[], Any]] = [lambda: nn.Dense(3), lambda: nn.Dense(2)]
    one = nn.Sequential([nn.Input(shape=(4,)), *(make() for make in layers)])
    two = nn.Sequential([nn.Dense(3, input_shape=(4,)), nn.Dense(2)])
    three = nn.Sequential([make() for make in layers])
    four = nn.Sequential()
    for make in layers:
        four.add(make())
    three.predict(np.zeros((1, 4)))
    four.build((None, 4))
    assert shapes(one) == shapes(two) == shapes(three) == shapes(four) == [(None, 3), (None, 2)]


def test_names() -> None:
    model = nn.Sequential(
        [nn.Conv2D(2, 3, input_shape=(9, 9, 1)), nn.MaxPool2D(), nn.BatchNormalization(), nn.LeakyReLU(),
         nn.Conv2D(2, 1, name="last"), nn.ReLU(), nn.GlobalAveragePooling2D(), nn.Dense(2), nn.Dense(2)],
        name="net",
    )  # fmt: skip
    assert [layer.name for layer in model.layers] == [
        "conv2d", "max_pooling2d", "batch_normalization", "leaky_re_lu", "last", "re_lu", "global_average_pooling2d",
        "dense", "dense_1",
    ]  # fmt: skip
    assert repr(model) == "<Sequential 'net' of 9 layers>" and repr(model.layers[-1]) == "<Dense 'dense_1'>"


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.Conv2D(4, 3), (8, 10, 4)),
        (lambda: nn.Conv2D(4, (3, 5), padding="same"), (10, 12, 4)),
        (lambda: nn.Conv2D(4, 3, strides=2, padding="same"), (5, 6, 4)),
        (lambda: nn.Conv2D(4, 3, (2, 3), padding=1), (5, 4, 4)),
        (lambda: nn.Conv2D(4, 3, padding=(0, 1)), (8, 12, 4)),
        (lambda: nn.Conv2D(4, 3, padding=((1, 2), (0, 1))), (11, 11, 4)),
        (lambda: nn.Conv2D(4, 3, dilation_rate=2), (6, 8, 4)),
        (lambda: nn.Conv2D(4, 1, groups=2), (10, 12, 4)),
        (lambda: nn.MaxPooling2D(), (5, 6, 6)),
        (lambda: nn.MaxPooling2D(3, strides=2), (4, 5, 6)),
        (lambda: nn.AveragePooling2D((2, 3), padding="same"), (5, 4, 6)),
        (lambda: nn.AvgPool2D(3, 2, padding=1, count_padding=True), (5, 6, 6)),
        (lambda: nn.GlobalAveragePooling2D(), (6,)),
        (lambda: nn.GlobalAveragePooling2D(keepdims=True), (1, 1, 6)),
        (lambda: nn.Flatten(), (720,)),
        (lambda: nn.Reshape((20, -1)), (20, 36)),
        (lambda: nn.Permute((3, 1, 2)), (6, 10, 12)),
        (lambda: nn.Dropout(0.5), (10, 12, 6)),
        (lambda: nn.BatchNormalization(), (10, 12, 6)),
        (lambda: nn.Normalization(), (10, 12, 6)),
        (lambda: nn.Softmax(), (10, 12, 6)),
        (lambda: nn.Activation("gelu"), (10, 12, 6)),
        (lambda: nn.Dense(2), (10, 12, 2)),
    ],
)
def test_shapes(layer: Any, shape: tuple[int, ...]) -> None:
    model = nn.Sequential([nn.Input((10, 12, 6)), layer()])
    assert model.output_shape == (None, *shape)
    assert model.predict(np.zeros((2, 10, 12, 6))).shape == (2, *shape)


def test_channels_first_turns_images_once_in_and_once_out() -> None:
    nn.set_data_format("channels_first")
    assert nn.get_data_format() == "channels_first"
    model = nn.Sequential(
        [nn.Conv2D(4, 3, input_shape=(3, 8, 9)), nn.ReLU(), nn.BatchNormalization(), nn.MaxPooling2D(), nn.Dropout(0.1),
         nn.Conv2D(6, 2), nn.Flatten(), nn.Dense(5)]
    )  # fmt: skip
    seen = [(4, 6, 7), (4, 6, 7), (4, 6, 7), (4, 3, 3), (4, 3, 3), (6, 2, 2), (24,), (5,)]
    assert shapes(model) == [(None, *shape) for shape in seen]
    turns = [name for name in nodes(model) if name.startswith("to_")]
    assert turns == ["to_channels_last_1", "to_channels_first_2"]
    assert model.layers[0].get_weights()[0].shape == (3, 3, 3, 4)
    assert nodes(nn.Sequential([nn.Input((3, 8, 8)), nn.Conv2D(2, 3)])) == [
        "to_channels_last_1", "conv2d", "to_channels_first_2"
    ]  # fmt: skip
    assert nodes(nn.Sequential([nn.Input((3, 8, 8)), nn.GlobalAveragePooling2D(), nn.Dense(2)])) == [
        "to_channels_last_1", "global_average_pooling2d", "dense"
    ]  # fmt: skip


def test_one_layer_may_differ_from_the_default() -> None:
    model = nn.Sequential([nn.Conv2D(2, 3, data_format="channels_first", input_shape=(3, 8, 9)), nn.Conv2D(4, 1)])
    assert shapes(model) == [(None, 2, 6, 7), (None, 2, 6, 4)]


def test_axis_of_normalisation() -> None:
    for axis, count in ((-1, 9), (3, 9), (1, 3)):
        model = nn.Sequential([nn.BatchNormalization(axis=axis, input_shape=(3, 8, 9))])
        assert model.get_weights()[0].shape == (count,) and model.output_shape == (None, 3, 8, 9)
    nn.set_data_format("channels_first")
    model = nn.Sequential([nn.BatchNormalization(input_shape=(3, 8, 9))])
    assert model.get_weights()[0].shape == (3,)
    with pytest.raises(martlet.ShapeError, match="layer 'batch_normalization' has axis 2 and reads samples of shape"):
        nn.Sequential([nn.BatchNormalization(axis=2, input_shape=(3, 8, 9))])


def test_summary(capsys: pytest.CaptureFixture[str]) -> None:
    model = nn.Sequential([nn.Dense(64, input_shape=(7,)), nn.BatchNormalization(), nn.Dense(3)], name="small")
    model.summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Model: small"
    assert lines[3].split("  ") == ["dense (Dense)", *lines[3].split("  ")[1:]] and lines[3].endswith("512")
    assert "(None, 64)" in lines[4] and lines[4].endswith("256")
    assert lines[-1] == "Parameters: 963, of which training changes 835"
    model.add(nn.Dense(2))  # looking at a model does not close it
    found: list[str] = []
    model.summary(print_fn=found.append)
    assert len(found) == len(lines) + 1


def test_weights_go_in_and_out() -> None:
    model = nn.Sequential([nn.Dense(3, input_shape=(2,)), nn.BatchNormalization(), nn.Dense(1, use_bias=False)], seed=1)
    weights = model.get_weights()
    assert [weight.shape for weight in weights] == [(2, 3), (3,), (3,), (3,), (3,), (3,), (3, 1)]
    assert [weight.tolist() for weight in weights[2:6]] == [[1] * 3, [0] * 3, [0] * 3, [1] * 3]
    new = [np.full(weight.shape, index, np.float32) for index, weight in enumerate(weights)]
    model.set_weights(new)
    for ours, given in zip(model.get_weights(), new, strict=True):
        assert (ours == given).all()
    model.layers[0].set_weights([np.eye(2, 3), [1, 2, 3]])
    assert model.layers[0].get_weights()[1].tolist() == [1, 2, 3]
    parameters = model.parameters()
    assert parameters.size == 6 + 3 + 3 + 3 + 3 and model.statistics().size == 6
    parameters[:] = 7
    assert (model.layers[-1].get_weights()[0] == 7).all()
    weights[0][:] = 9  # a copy
    assert (model.parameters() == 7).all()


def test_views_outlive_their_model() -> None:
    parameters = nn.Sequential([nn.Dense(100, kernel_initializer="ones", input_shape=(100,))]).parameters()
    assert parameters.sum() == 10_000
    parameters += 1
    assert parameters.sum() == 20_100


@pytest.mark.parametrize(
    ("weights", "error", "says"),
    [
        ([np.zeros((2, 3))], martlet.ShapeError, "has 2 weights, and 1 were given"),
        ([np.zeros((3, 2)), np.zeros(3)], martlet.ShapeError, r"'dense/kernel' of .* has shape \(2, 3\), and \(3, 2\)"),
        (
            [np.zeros((2, 3)), ["a"] * 3],
            martlet.DTypeError,
            "'dense/bias' of .*its dtype is str.*wanted an array of real numbers",
        ),
        ([np.full((2, 3), 1j), np.zeros(3)], martlet.DTypeError, "'dense/kernel' of .*its dtype is complex128"),
        (np.zeros((2, 3)), martlet.DTypeError, "wanted a list of arrays"),
    ],
)
def test_wrong_weights_change_nothing(weights: Any, error: type[Exception], says: str) -> None:
    model = nn.Sequential([nn.Dense(3, input_shape=(2,))], seed=1)
    before = model.get_weights()
    for target in (model, model.layers[0]):
        with pytest.raises(error, match=says):
            target.set_weights(weights)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_initializers() -> None:
    def kernel(initializer: Any, shape: tuple[int, int] = (200, 100)) -> Any:
        model = nn.Sequential([nn.Dense(shape[1], kernel_initializer=initializer, input_shape=(shape[0],))], seed=3)
        return model.get_weights()[0]

    for name, variance in (("glorot", 2 / 300), ("he", 2 / 200), ("lecun", 1 / 200)):
        uniform, normal = kernel(f"{name}_uniform"), kernel(f"{name}_normal")
        assert abs(uniform.var() / variance - 1) < 0.05 and abs(normal.var() / variance - 1) < 0.05
        assert abs(uniform).max() <= np.float32((3 * variance) ** 0.5) < abs(normal).max()
    assert (kernel("zeros") == 0).all() and (kernel("ones") == 1).all() and (kernel(nn.Constant(0.5)) == 0.5).all()
    assert abs(kernel(nn.RandomNormal(stddev=0.3)).std() / 0.3 - 1) < 0.05
    limited = kernel(nn.RandomUniform(-0.2, 0.2))
    assert 0.19 < abs(limited).max() <= np.float32(0.2)
    assert (kernel("glorot_uniform") == kernel(nn.GlorotUniform())).all()


BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: nn.Dense(0), martlet.ArgumentError, "units of <Dense> is 0; wanted 1 or more"),
    (lambda: nn.Dense(2.5), martlet.DTypeError, "units of <Dense> is 2.5 of type float"),  # type: ignore[arg-type]
    (lambda: nn.Dense(True), martlet.DTypeError, "units of <Dense> is True of type bool"),
    (lambda: nn.Dense(2, "relux"), martlet.ArgumentError, "activation of <Dense> is 'relux'; wanted one of \"linear\""),
    (lambda: nn.Dense(2, np.tanh), martlet.DTypeError, "activation of <Dense> is a function"),  # type: ignore[arg-type]
    (lambda: nn.Dense(2, use_bias="no"), martlet.DTypeError, "use_bias of <Dense> is 'no'"),  # type: ignore[arg-type]
    (
        lambda: nn.Dense(2, kernel_initializer="magic"),
        martlet.ArgumentError,
        "kernel_initializer of <Dense> is 'magic'",
    ),
    (lambda: nn.Dense(2, bias_initializer=3), martlet.DTypeError, "bias_initializer of <Dense> is 3"),
    (lambda: nn.Dense(2, name=3), martlet.DTypeError, "name is 3 of type int"),  # type: ignore[arg-type]
    (lambda: nn.Dense(2, input_shape=784), martlet.DTypeError, r"input_shape of <Dense> is 784; .* as in \(784,\)"),
    (lambda: nn.Dense(2, input_shape=(0,)), martlet.ArgumentError, r"input_shape of <Dense>\[0\] is 0"),
    (lambda: nn.Dense(2, input_shape=()), martlet.ArgumentError, r"is \(\); wanted 1 to 8 sizes"),
    (lambda: nn.Input("ab"), martlet.DTypeError, "shape of Input is 'ab'"),
    (lambda: nn.Conv2D(2, 0), martlet.ArgumentError, "kernel_size of <Conv2D> is 0"),
    (lambda: nn.Conv2D(2, (3, 3, 3)), martlet.DTypeError, "kernel_size of <Conv2D> is"),
    (lambda: nn.Conv2D(2, 3, strides=(1, 0)), martlet.ArgumentError, r"strides of <Conv2D>\[1\] is 0"),
    (
        lambda: nn.Conv2D(2, 3, padding="full"),
        martlet.ArgumentError,
        "padding of <Conv2D> is 'full'; wanted one of \"va",
    ),
    (lambda: nn.Conv2D(2, 3, padding=-1), martlet.ArgumentError, "padding of <Conv2D> is -1; wanted 0 or more"),
    (lambda: nn.Conv2D(2, 3, padding=((1, 1),)), martlet.DTypeError, "padding of <Conv2D> is"),
    (lambda: nn.Conv2D(2, 3, padding=((1, 1), 2.5)), martlet.DTypeError, r"padding of <Conv2D>\[1\] is 2.5"),
    (lambda: nn.Conv2D(2, 3, data_format="NCHW"), martlet.ArgumentError, "data_format of <Conv2D> is 'NCHW'"),
    (lambda: nn.Conv2D(2, 3, data_format="channels_first", activation="softmax"), martlet.UnsupportedError, "softmax"),
    (lambda: nn.MaxPooling2D("a"), martlet.DTypeError, "pool_size of <MaxPooling2D> is 'a'"),
    (lambda: nn.Dropout(1.0), martlet.ArgumentError, "rate of <Dropout> is 1.0; wanted 0 or more and less than 1"),
    (lambda: nn.Dropout(float("nan")), martlet.ArgumentError, "rate of <Dropout> is nan"),
    (lambda: nn.LeakyReLU(-1), martlet.ArgumentError, "negative_slope of <LeakyReLU> is -1"),
    (lambda: nn.ReLU(6.0), martlet.UnsupportedError, "max_value and threshold are not served"),
    (lambda: nn.Permute((0, 1)), martlet.ArgumentError, r"dims of <Permute>\[0\] is 0"),
    (lambda: nn.Permute((1, 1)), martlet.ShapeError, "wanted each of 1 to 2 once"),
    (lambda: nn.Reshape(3), martlet.DTypeError, "target_shape of <Reshape> is 3"),  # type: ignore[arg-type]
    (lambda: nn.Reshape((0, 2)), martlet.ArgumentError, r"target_shape of <Reshape>\[0\] is 0"),
    (lambda: nn.BatchNormalization(momentum=1.5), martlet.ArgumentError, "momentum of .* is 1.5; wanted 0 to 1"),
    (lambda: nn.BatchNormalization(epsilon=0), martlet.ArgumentError, "epsilon of <BatchNormalization> is 0"),
    (lambda: nn.Normalization(mean=1), martlet.ArgumentError, "lacks a statistic, or has one too many"),
    (lambda: nn.Normalization(mean=1, variance=-1), martlet.ArgumentError, "variance of <Normalization> is -1.0"),
    (lambda: nn.Normalization(mean="a", variance=1), martlet.DTypeError, "mean of <Normalization> is 'a'"),
    (lambda: nn.Normalization(mean=np.nan, variance=1), martlet.ArgumentError, "wanted finite numbers"),
    (lambda: nn.RandomNormal(stddev=-1), martlet.ArgumentError, "stddev is -1"),
    (lambda: nn.Constant("a"), martlet.DTypeError, "value is 'a'"),  # type: ignore[arg-type]
    (lambda: nn.set_data_format("first"), martlet.ArgumentError, "data_format is 'first'"),
    (lambda: nn.Sequential("ab"), martlet.DTypeError, "layers is 'ab'"),
    (lambda: nn.Sequential([3]), martlet.DTypeError, r"layers\[0\] is 3; wanted a layer"),
    (lambda: nn.Sequential(seed=-1), martlet.ArgumentError, "seed is -1"),
    (lambda: nn.Sequential(seed=1.5), martlet.DTypeError, "seed is 1.5"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("index", range(len(BAD)))
def test_bad_arguments(index: int) -> None:
    call, error, says = BAD[index]
    with pytest.raises(error, match=says) as caught:
        call()
    assert isinstance(caught.value, martlet.MartletError)


@pytest.mark.parametrize(
    ("layers", "error", "says"),
    [
        (
            lambda: [nn.Conv2D(2, 3, input_shape=(8,))],
            martlet.ShapeError,
            r"layer 'conv2d' reads samples of shape \(8,\)",
        ),
        (lambda: [nn.Conv2D(2, 9, input_shape=(8, 8, 1))], martlet.ShapeError, "conv2d"),
        (
            lambda: [nn.Input((20,)), nn.Dense(3, input_shape=(9,))],
            martlet.ShapeError,
            r"input_shape is \(9,\), and the model's input \(20,\)",
        ),
        (lambda: [nn.Conv2D(4, 3, groups=3, input_shape=(8, 8, 3))], martlet.ArgumentError, "groups"),
        (lambda: [nn.Conv2D(2, 3, padding=3, input_shape=(8, 8, 1))], martlet.ArgumentError, "padding of layer"),
        (lambda: [nn.Reshape((3, 3), input_shape=(8,))], martlet.ShapeError, "reshape"),
        (lambda: [nn.Permute((2, 1), input_shape=(8,))], martlet.ShapeError, "permute"),
        (lambda: [nn.Dense(2, name="a/b", input_shape=(8,))], martlet.ArgumentError, "a/b"),
        (lambda: [nn.Dense(2, name="a", input_shape=(8,)), nn.Dense(2, name="a")], martlet.ArgumentError, "another"),
        (lambda: [nn.Softmax(axis=1, input_shape=(8, 3))], martlet.UnsupportedError, "axis is 1"),
        (
            lambda: [nn.Normalization(mean=[1, 2], variance=[1, 2], input_shape=(3,))],
            martlet.ShapeError,
            "of 2 channels",
        ),
        (lambda: [nn.Dense(2, input_shape=(2,)), nn.Input((2,))], martlet.OrderError, "wanted first of all"),
    ],
)
def test_layers_that_do_not_fit(layers: Any, error: type[Exception], says: str) -> None:
    made = layers()
    with pytest.raises(error, match=says):
        nn.Sequential(made)


def test_a_layer_is_of_one_model() -> None:
    layer = nn.Dense(2, input_shape=(2,))
    nn.Sequential([layer])
    with pytest.raises(martlet.OrderError, match="<Dense 'dense'> is in a model already"):
        nn.Sequential([layer])
    again = nn.Dense(2, input_shape=(2,))
    with pytest.raises(martlet.DTypeError):
        nn.Sequential([again, "relu"])
    nn.Sequential([again])  # the failed model took nothing


def test_calls_that_come_too_early_or_too_late() -> None:
    model = nn.Sequential([nn.Dense(2)])
    layer = model.layers[0]
    calls: list[Callable[[], Any]] = [
        model.get_weights, model.parameters, lambda: model.save("x"), lambda: model.output_shape,
        layer.get_weights, lambda: layer.output_shape,
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(martlet.OrderError, match="input_shape="):
            call()
    with pytest.raises(martlet.OrderError, match="has no layer"):
        nn.Sequential().get_weights()
    for shape, message in (((3,), "as in"), (3, "as in"), ((-1, 3), r"\[0\] is -1")):
        with pytest.raises(martlet.MartletError, match=f"input_shape.*{message}"):
            model.build(shape)
    with pytest.raises(martlet.ShapeError, match='a size of the input is None, and .* layer "dense"'):
        model.build((None, None))
    model.build((None, 3))
    with pytest.raises(martlet.OrderError, match=r"reads samples of \(3,\) already, and not of \(4,\)"):
        model.build((32, 4))
    model.get_weights()
    with pytest.raises(martlet.OrderError):
        model.add(nn.Dense(2))
    assert model.output_shape == (None, 2) and len(model.layers) == 1
