"""States of recurrent layers: those that they begin with, give, and keep from batch to batch."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from martlet import _arguments
from martlet._errors import ArgumentError, ShapeError
from martlet._records import Node as Described
from martlet._records import View
from martlet.nn import _conventions, node
from martlet.nn._layer import Layer
from martlet.nn._matching import NDArray, matched
from martlet.nn.basic import refuse_mask
from martlet.nn.node import Node

if TYPE_CHECKING:
    from martlet.nn._built import Built
    from martlet.nn._recurrence import Recurrent

_CONVENTIONS = {"keras": False, "torch": True}


class WithStates(Layer):
    """A layer that hands states from step to step. Not for use by itself."""

    _reads_any = True
    return_state: bool
    stateful: bool

    def __init__(self, *, name: str | None = None, input_shape: Any = None, trainable: bool = True) -> None:
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        self._kept_states: list[NDArray] = []

    @abstractmethod
    def _ways(self) -> list[Recurrent]:
        """What reads the sequence, itself or two."""

    def _state_sizes(self) -> list[int]:
        """Of each state that it begins with, and gives: the numbers of a sample."""
        return [layer.units for layer in self._ways() for _ in layer._states]

    @node.call
    def __call__(self, sequence: Any, initial_state: Any = None, mask: Any = None) -> Any:
        """What it gives for a node: a node, or with return_state a list of it and the last states.

        initial_state   nodes of the states before the first step, (units,) each: of LSTM a list of two, the state and
                        what is remembered; of Bidirectional those of the layer that reads forward, then the other's;
                        None: zeros
        mask            None: a mask is the sequence's, as Masking and SequenceMask make it; UnsupportedError else

        Raises as Layer's, and ShapeError for other states.
        """
        refuse_mask(self, "mask", mask)
        nodes = node.listed(sequence, f"the argument of {self!r}")
        if initial_state is not None:
            nodes += node.listed(initial_state, f"initial_state of {self!r}")
        return self._given_nodes(self._called_with(nodes))

    def _called_with(self, inputs: Any) -> Node:
        first, *states = node.listed(inputs, f"the argument of {self!r}")
        sizes = self._state_sizes()
        if states and len(states) != len(sizes):
            raise ShapeError(f"initial_state of {self!r} has {len(states)} nodes; wanted {len(sizes)}")
        for place, (one, size) in enumerate(zip(states, sizes, strict=False)):
            if one.sizes != (size,):
                where = f"initial_state[{place}] of {self!r}"
                raise ShapeError(f"{where} has shape {one.shape}; wanted (None, {size})")
        return super()._called_with([first, *states])

    def _given_nodes(self, whole: Node) -> Any:
        count = len(self._state_sizes()) if self.return_state else 0
        parts = [self._part(whole, 1 + place) for place in range(count)]
        return [whole, *parts] if parts else whole

    def _part(self, whole: Node, part: int) -> Node:
        sizes = self._state_sizes() if self.return_state else []
        if whole.entry is not self or whole.part or not 1 <= part <= len(sizes):
            raise ArgumentError(f"part is {part!r} of {whole!r}; wanted a state that {self!r} gives")
        return Node(self, [whole], (sizes[part - 1],), part=part)

    @property
    def output(self) -> Any:
        """The node that it gives, where it was first called; with return_state a list of it and the last states."""
        return self._given_nodes(super().output)

    # ---- weights ----

    def get_weights(self, convention: str = "keras") -> list[NDArray]:
        """Copies of its weights.

        convention   "keras", as the class says; or "torch", what torch's LSTM, GRU and RNN of one layer have as
                     parameters(): weight_ih, weight_hh, bias_ih and bias_hh, of Bidirectional of both ways, with
                     torch's order of gates. Where there is one bias here it is bias_ih, beside zeros

        Raises UnsupportedError for torch's weights of a GRU with reset_after=False, which torch has not.
        """
        found = super().get_weights()
        return self._to_torch(found) if _arguments.one_of(convention, _CONVENTIONS, "convention") else found

    def set_weights(self, weights: Any, convention: str = "keras") -> None:
        """Replaces its weights with arrays of the shapes that get_weights returns. convention: as get_weights's; both
        of torch's biases are added up where there is one here."""
        if not _arguments.one_of(convention, _CONVENTIONS, "convention"):
            return super().set_weights(weights)
        known = self._to_torch(super().get_weights())
        names = [name for layer in self._ways() for name in _conventions.NAMES[: layer._weight_count(by_torch=True)]]
        views = [View(name, 0, one.shape, 0, one.size) for name, one in zip(names, known, strict=True)]
        given, found = matched(weights, [*zip(views, known, strict=True)], f"layer {self.name!r}"), []
        for layer in self._ways():
            count = layer._weight_count(by_torch=True)
            found += _conventions.from_torch(given[:count], layer._torch_gates, layer._has_two_biases())
            given = given[count:]
        return super().set_weights(found)

    def _to_torch(self, weights: list[NDArray]) -> list[NDArray]:
        found: list[NDArray] = []
        for layer in self._ways():
            count = layer._weight_count()
            layer._check_torch()
            found += _conventions.to_torch(weights[:count], layer._torch_gates, layer._has_two_biases())
            weights = weights[count:]
        return found

    # ---- states that it keeps ----

    def reset_states(self) -> None:
        """Sets what a stateful layer keeps to zeros. Raises OrderError before its model knows the shape of samples."""
        place = self._place()
        with place.model.owner.inside():
            for array in self._state_arrays():
                array[...] = 0

    reset_state = reset_states

    def _state_arrays(self) -> list[NDArray]:
        built = self._place()
        views = [pair for node in self._weighted_nodes() for pair in built.views(node)] if self.stateful else []
        return [array for view, array in views if _is_state(view)]

    def _keep_weights(self) -> None:
        super()._keep_weights()
        self._kept_states = [array.copy() for array in self._state_arrays()]

    def _filled(self) -> None:
        super()._filled()
        kept, self._kept_states = self._kept_states, []
        for array, value in zip(self._state_arrays() if kept else [], kept, strict=True):
            if array.shape == value.shape:  # of batches as large
                array[...] = value

    def _views_in(self, built: Built, node: int) -> list[tuple[View, NDArray]]:
        return [pair for pair in super()._views_in(built, node) if not _is_state(pair[0])]

    def _described(self) -> list[Described]:
        return [one._replace(statistics_count=0) for one in super()._described()]


def _is_state(view: View) -> bool:
    return view.name.rpartition("/")[2] in ("state", "memory")
