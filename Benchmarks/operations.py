"""The peers of a matrix product, of a convolution, and of a prediction. It times nothing."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import cases
import model_cases
from model_cases import Convolution, Prediction, Product
from networks import torch_network
from peer import Peer, threads


def factors(case: Product) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    left, right = (case.rows, case.inner), (case.inner, case.columns)
    return rng.standard_normal(left, np.float32), rng.standard_normal(right, np.float32)


def product_call(case: Product) -> tuple[Callable[[], object], Any]:
    """A call of martlet_matmul through the package's ctypes, with its addresses made once, and what it writes to."""
    from martlet import _ffi

    left, right = factors(case)
    out = np.empty((case.rows, case.columns), np.float32)
    matmul = _ffi._library_handle["martlet_matmul"]
    matmul.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 3 + [ctypes.c_uint32]
    arrays = (out, left, right)
    call = partial(matmul, *(ctypes.c_void_p(array.ctypes.data) for array in arrays), *case.sizes, 0)

    def checked(kept: Any = arrays) -> None:
        if call():
            raise RuntimeError("martlet_matmul failed")

    return checked, out


def martlet_product(case: Product) -> Peer:
    return Peer(product_call(case)[0])


def torch_product(case: Product) -> Peer:
    import torch

    torch.set_num_threads(threads())
    left, right = map(torch.from_numpy, factors(case))
    # Numpy's memory for the results too, as Martlet has: where arrays are large it begins 16 bytes behind a cache line,
    # and torch's on one.
    out = torch.from_numpy(np.empty((case.rows, case.columns), np.float32))
    return Peer(partial(torch.matmul, left, right, out=out))


def images(case: Convolution) -> tuple[Any, Any]:
    """What goes into the convolution's network, and what should come out of it, channels last."""
    rng = np.random.default_rng(1)
    each = (1,) if case.inner else (case.size, case.size, case.channels)
    x = rng.standard_normal((case.batch, *each), np.float32)
    return x, rng.standard_normal((case.batch, case.size, case.size, case.filters), np.float32)


def convolution_model(case: Convolution) -> Any:
    from martlet import nn

    sizes = (case.size, case.size, case.channels)
    layers: list[Any] = [nn.Input(sizes)]
    if case.inner:
        layers = [nn.Input((1,)), nn.Dense(int(np.prod(sizes)), use_bias=False), nn.Reshape(sizes)]
    return nn.Sequential([*layers, nn.Conv2D(case.filters, 3, padding="same", use_bias=False)], seed=1)


def martlet_convolution(case: Convolution) -> Peer:
    """A training step, which has Adam's in it: the library has no call for less."""
    model = convolution_model(case)
    model.compile("adam", "mse")
    x, wanted = images(case)
    return Peer(partial(model.train_on_batch, x, wanted, check=False))


def torch_convolution(case: Convolution, last: bool = False) -> Peer:
    """Forward, loss and backward; no optimizer."""
    import torch

    torch.set_num_threads(threads())
    torch.manual_seed(1)
    layout = torch.channels_last if last else torch.contiguous_format
    found, targets = map(torch.from_numpy, images(case))
    wanted = targets.permute(0, 3, 1, 2).contiguous(memory_format=layout)
    convolution = torch.nn.Conv2d(case.channels, case.filters, 3, padding=1, bias=False).to(memory_format=layout)
    dense = torch.nn.Linear(1, case.size**2 * case.channels, bias=False)
    x = found if case.inner else found.permute(0, 3, 1, 2).contiguous(memory_format=layout)

    def read(x: Any) -> Any:
        if not case.inner:
            return x
        if last:
            return dense(x).view(case.batch, case.size, case.size, case.channels).permute(0, 3, 1, 2)
        return dense(x).view(case.batch, case.channels, case.size, case.size)

    def step() -> None:
        convolution.zero_grad()
        dense.zero_grad()
        torch.autograd.backward(torch.nn.functional.mse_loss(convolution(read(x)), wanted))

    return Peer(step)


def sample(case: Prediction) -> Any:
    return np.random.default_rng(1).standard_normal((1, *case.network.input), np.float32)


def martlet_prediction(case: Prediction) -> Peer:
    from martlet import nn

    first, last = case.network.units
    model = nn.Sequential([nn.Input(case.network.input), nn.Dense(first, activation="relu"), nn.Dense(last)], seed=1)
    return Peer(partial(model.predict, sample(case)))


def torch_prediction(case: Prediction) -> Peer:
    import torch

    torch.set_num_threads(threads())
    network, x = torch_network(case.network), torch.from_numpy(sample(case))

    def predict() -> None:
        with torch.inference_mode():
            network(x)

    return Peer(predict)


PRODUCTS: dict[str, Callable[[Product], Peer]] = {
    cases.MARTLET: martlet_product,
    cases.DEFAULT: torch_product,
}
CONVOLUTIONS: dict[str, Callable[[Convolution], Peer]] = {
    cases.MARTLET: martlet_convolution,
    model_cases.CONTIGUOUS: torch_convolution,
    model_cases.CHANNELS_LAST: partial(torch_convolution, last=True),
}
PREDICTIONS: dict[str, Callable[[Prediction], Peer]] = {
    cases.MARTLET: martlet_prediction,
    cases.DEFAULT: torch_prediction,
}
