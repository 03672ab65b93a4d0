"""One sample of fp32 after the other, as a program that answers questions asks for them: all that a prediction needs is
there from the one before, so that it takes little longer than its arithmetic."""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from martlet import _arrays, _ffi
from martlet._model import Model
from martlet._records import Samples

if TYPE_CHECKING:
    from martlet.nn._network import Network

NDArray = np.ndarray[Any, np.dtype[np.float32]]
_FP32 = np.dtype(np.float32)
# A sample's numbers, its outputs, the native call from the ones to the others, and what that refers to.
_Room = tuple[NDArray, NDArray, Callable[[], int], object]


class Single:
    """Room for one sample and what a model gives for it, as often as threads predict at once."""

    __slots__ = ("_gives", "_model", "rooms", "shape")

    def __init__(self, model: Model, reads: tuple[int, ...], gives: tuple[int, ...]) -> None:
        self._model = model
        self.shape, self._gives = (1, *reads), (1, *gives)
        self.rooms: list[_Room] = []

    def room(self) -> _Room:
        """Room that nobody uses."""
        x, out = np.zeros(self.shape, np.float32), np.zeros(self._gives, np.float32)
        samples = Samples(_arrays.address(x), 1, x.size, _ffi.FP32, None)
        call, arrays = self._model.bound_predict(_arrays.address(out), out.size, [samples])
        return x, out, call, arrays


def predict(network: Network, x: NDArray) -> NDArray | None:
    """What the model gives for an array of one sample; None: this is for predict, which makes what is missing, or
    refuses."""
    resting, me = network._owner.resting, get_ident()
    # The turn has no name of its own, which a traceback would keep.
    try:
        held = [resting.pop(me)]
    except KeyError:
        return None
    try:
        built = network._built
        single = None if built is None or network._taken else built.single
        if single is None or x.dtype is not _FP32 or x.shape != single.shape:
            return None
        try:
            room = single.rooms.pop()
        except IndexError:
            room = single.room()
        room[0][...] = x
        status = room[2]()
        found = room[1].copy()
        single.rooms.append(room)
        if status:
            raise _ffi.failure_of(status)
        return found
    finally:
        resting[me] = held.pop()
