"""nn.PReLU, whose slope below 0 is trained: relu(x) and a product of the slope and what relu has taken away."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from martlet.nn.augmentations import Rescaling
from martlet.nn.basic import Activation, Dense, Reshape
from martlet.nn.convolutions import DepthwiseConv2D
from martlet.nn.merging import Add
from martlet.nn.modules._carrying import Part
from martlet.nn.modules._reading import Reading, Value, makes


@makes("prelu.default")
def _prelu(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    value = walk.value(node.args[0])
    value = value.turned if value.rank == 2 else value
    above = value.through(Activation("relu"))
    # At 0 its gradient is the slope's, as torch's is.
    below = Add()([value.node, above.through(Rescaling(-1.0)).node])
    return value._replace(node=Add()([above.node, _scaled(walk, node, value._replace(node=below), given["weight"])]))


def _scaled(walk: Reading, node: Any, value: Value, slope: Any) -> Any:
    """A value times its slope, or that of each of its channels."""
    (count,) = slope.meta["val"].shape
    name = walk.weight(node, slope).name
    if count == 1:
        layer = walk.layer(node, Dense, [Part(name, np.zeros((1, 1), int), (1,))], units=1, use_bias=False)
        return Reshape(value.laid)(layer(Reshape((math.prod(value.laid), 1))(value.node)))
    first = {"data_format": "channels_first"} if value.rank == 3 else {}
    image = value.laid if value.rank == 3 else (1, math.prod(value.laid[:-1]), count)
    weight = Part(name, np.arange(count).reshape(1, 1, count, 1), (count,))
    layer = walk.layer(node, DepthwiseConv2D, [weight], kernel_size=1, use_bias=False, **first)
    return Reshape(value.laid)(layer(Reshape(image)(value.node)))
