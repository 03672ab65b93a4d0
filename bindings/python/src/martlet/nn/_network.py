"""What all models are but for training: a life, layers, shapes, and a place in another model.

A model's entries are layers, and models that were called as layers are. _built.py has the native side.
"""

from __future__ import annotations

import weakref
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

from martlet import _arguments
from martlet._errors import ArgumentError, MartletError, OrderError, ShapeError, UnsupportedError
from martlet._model import Model as Native
from martlet._owner import Owner
from martlet.nn import _open, _seeds, _trial, node
from martlet.nn._built import Built
from martlet.nn._early import early
from martlet.nn._layer import Layer
from martlet.nn._laying import Place, spoken, turn_of
from martlet.nn._open import Sizes
from martlet.nn._summary import summary
from martlet.nn._weights import Weights
from martlet.nn.node import Node

Self = TypeVar("Self", bound="Network")


class Network(Weights):
    """Layers that become a model. Not for use by itself."""

    def __init__(self, name: str, seed: int | None) -> None:
        self._name = name
        self._seed = _seeds.following() if seed is None else _arguments.seed(seed)
        self._layers: list[Any] = []
        self._built: Built | None = None
        self._owner = Owner()
        self._closed = False
        self._taken = False
        self._copy: Built | None = None
        self._gives: Sizes = ()  # within another model, the sizes of what it gives
        self._given: weakref.ref[Node] | None = None
        self._called: tuple[Sizes, ...] = ()
        _arguments.text(self.name, "name")

    @property
    def name(self) -> str:
        """What summary calls it."""
        return self._name

    @classmethod
    def _base_name(cls) -> str:
        return cls.__name__.lower()

    @property
    def seed(self) -> int:
        """Of initial values, dropout and the order of samples."""
        return self._seed

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} of {len(self._layers)} layers>"

    @property
    def trainable(self) -> bool:
        """Whether training changes any weight. Setting it sets all layers', which counts from the next compile on."""
        return any(layer.trainable for layer in self._leaves())

    @trainable.setter
    def trainable(self, value: Any) -> None:
        wanted = _arguments.flag(value, f"trainable of {self!r}")
        for layer in self._leaves():
            layer.trainable = wanted

    # ---- its life ----

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise UnsupportedError(f"{self!r} cannot be copied or pickled: save(path) and martlet.nn.load_model(path) make "
                               "another one with the same weights and moments")  # fmt: skip

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def close(self) -> None:
        """Gives the memory back, at once where no array from parameters or statistics is in use any more. No call that
        needs weights works from there on; closing twice is nothing. `with` closes at its end."""
        self._refuse_taken_model("close")
        with self._owner.inside():
            self._refuse_in_fit("close")
            self._forget()
            self._closed = True

    def _refuse_in_fit(self, call: str) -> None:
        """Raises where a training is going on, which the call would pull the ground from under."""

    def _refuse_closed(self) -> None:
        if self._closed:
            raise OrderError(f"{self!r} is closed; make another one, or load it")

    def _refuse_taken_model(self, call: str) -> None:
        """Raises for what a part of another model cannot do."""
        if self._taken:
            raise OrderError(f"{call} came to {self!r}, which is a part of another model, and has no numbers of its "
                             "own; wanted that model's, or martlet.nn.clone_model and set_weights")  # fmt: skip

    def _forget(self) -> None:
        """Gives the native model up."""
        self._built = self._copy = None
        for layer in self._leaves():
            layer._unsettle()

    def _tentative(self) -> AbstractContextManager[None]:
        """Where what follows fails, a model that it built is forgotten, and with it the shape of the samples."""
        return self._forgetting() if self._built is None else nullcontext()

    @contextmanager
    def _forgetting(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            if self._built is not None:
                self._forget()
            raise

    # ---- layers ----

    @property
    def layers(self) -> list[Any]:
        return [*self._layers]

    def _leaves(self) -> list[Layer]:
        """The layers, those of models among them too."""
        found: list[Layer] = []
        for entry in self._layers:
            found.extend(entry._leaves() if isinstance(entry, Network) else [entry])
        return found

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """The layer of this name, or the one at this place."""
        if (name is None) == (index is None):
            raise ArgumentError(f"name is {name!r} and index {index!r}; wanted one of them")
        if index is not None:
            place = _arguments.integer(index, "index", -len(self._layers))
            if place >= len(self._layers):
                raise ArgumentError(f"index is {index}; wanted less than {len(self._layers)}")
            return self._layers[place]
        for layer in self._layers:
            if layer.name == name:
                return layer
        raise ArgumentError(f"name is {name!r}; wanted one of {_arguments.listed(x.name for x in self._layers)}")

    def _refuse_name(self, name: str, more: list[str]) -> None:
        """Refuses a layer of this name, and of nodes of more names, where nodes have them, with a layer or without."""
        names = [layer.name for layer in self._layers]
        hidden = [own for layer in self._layers for own in layer._hidden_names(str(layer.name))]
        if name in names:
            raise ArgumentError(f"name is {name!r}, another layer's of {self!r}; wanted one of its own")
        if turn_of(name) or name in hidden:
            raise ArgumentError(f"name is {name!r}, which the model itself uses in its files; wanted another one")
        for own in more:
            if own in names:
                raise ArgumentError(f"name is {name!r}, for which the model needs {own!r} in its files, another "
                                    "layer's; wanted another one")  # fmt: skip

    def _free_name(self, base: str) -> str:
        taken = {layer.name for layer in self._layers}
        number = 0
        while (name := f"{base}_{number}" if number else base) in taken:
            number += 1
        return name

    def _hidden_names(self, name: str) -> list[str]:
        return []

    # ---- as a part of another model ----

    def _called_with(self, inputs: Any) -> Node:
        nodes = node.listed(inputs, f"the argument of {self!r}")
        given = _trial.given(self, self.name, nodes, self._called)
        self._called = self._called or tuple(one.sizes for one in nodes)
        found = Node(self, nodes, given.sizes, mask=given.mask)
        self._given = weakref.ref(found)
        return found

    @abstractmethod
    def _enter(self, built: Built, name: str, reads: Sequence[Place]) -> Place:
        """Lays its layers down over what it reads, in another model where it has this name; without name, in its
        own."""

    def _check_free(self) -> None:
        """Refuses a second place: a model's weights are one model's."""
        self._refuse_closed()
        if self._taken:
            raise OrderError(f"{self!r} is in a model already; make another one, as clone_model does")

    def _take(self, name: str) -> None:
        """Marks it as a part of another model."""
        self._name, self._taken = name, True

    def _leave(self) -> None:
        self._taken, self._built = False, None

    def _let_go(self) -> None:
        """Gives its native model up for that of which it becomes a part, and has its layers keep the weights that they
        have."""
        self._refuse_in_fit("a call by another model")
        if self._built is not None and self._built.is_finished:
            for layer in self._leaves():
                layer._keep_weights()
        self._forget()

    # ---- the native model ----

    @property
    def _is_settled(self) -> bool:
        return self._built is not None and self._built.is_finished and not self._taken

    def _ready(self) -> Built:
        """The native model with its parameters."""
        built = self._laid()
        built.finish()
        return built

    @abstractmethod
    def _laid(self) -> Built:
        """The native model with all layers that there are."""

    def _anew(self, sizes: Sequence[Sizes], *, settles: bool = True) -> Built:
        """A new native model with all layers, of inputs of these sizes."""
        *others, built = _open.tried(sizes, lambda at: self._made(at, settles))
        for other in others:
            _open.check_alike(built.model, other.model)
            built.open(sizes)
        return built

    def _made(self, sizes: Sequence[tuple[int, ...]], settles: bool) -> Built:
        return self._lay_in(Built(Native(sizes[0], self.seed, self._owner), settles=settles), sizes)

    @abstractmethod
    def _input_names(self) -> list[str]:
        """Of each input."""

    def _lay_in(self, built: Built, sizes: Sequence[tuple[int, ...]]) -> Built:
        """The same in a native model that has its first input."""
        built.graph.batch = self._batch()
        for name, size in zip(self._input_names()[1:], sizes[1:], strict=True):
            try:
                built.add_input(name, size)
            except MartletError as error:
                raise type(error)(spoken(str(error), name, {})) from None
        built.graph.places = self._enter_whole(built)
        return built

    @abstractmethod
    def _batch(self) -> int | None:
        """The samples of a batch, where an input says that."""

    @abstractmethod
    def _enter_whole(self, built: Built) -> list[Place]:
        """Lays the model down as the whole of a native one; returns where its outputs lie."""

    def _apart(self) -> Built:
        """Of a part of another model: a native model by itself, with the weights that the other one has now."""
        if self._copy is None:
            self._copy = self._anew(self._called, settles=False)
            self._copy.finish()
        for layer in self._leaves():
            if not layer._is_input:
                views = [pair for node in self._copy.laid[id(layer)] for pair in layer._views_in(self._copy, node)]
                for (_, array), (_, weight) in zip(views, layer._views(), strict=True):
                    array[...] = weight.reshape(array.shape)
        return self._copy

    def _lay_again(self) -> None:
        """A new native model with the weights of the old one, where layers' trainable has been set."""
        old = self._built
        if old is None or all(layer._is_as_laid() for layer in self._leaves()):
            return
        if old.is_finished:
            for layer in self._leaves():
                layer._keep_weights()
        self._built = self._anew(old.read_shapes)

    @property
    @early
    def input_shape(self) -> Any:
        """The sizes of a sample, with None for the batch; of several inputs a list."""
        return (None, *self._laid().input_shape)

    @property
    @early
    def output_shape(self) -> Any:
        """The sizes that it gives, with None for the batch; of several outputs a list."""
        if self._taken and self._gives:
            return (None, *self._gives)
        shapes = [(None, *sizes) for sizes in self._laid().given_shapes]
        return shapes[0] if len(shapes) == 1 else shapes

    def summary(self, *, print_fn: Callable[[str], Any] = print) -> None:
        """Prints a table of the layers, their shapes and parameters, "?" before the shape of the samples is known."""
        with self._owner.reading():
            self._refuse_closed()
            summary(self.name, self._layers, self._connections(), print_fn)

    def _connections(self) -> dict[Any, list[str]]:
        """What each entry reads, by name; nothing for a chain."""
        return {}


def checked_reads(model: Any, name: str, wanted: Sequence[Sizes], found: Sequence[Sizes]) -> None:
    """Raises ShapeError where a model that is called reads something else."""
    if len(wanted) != len(found) or not all(map(_open.fits, wanted, found)):
        shown = f"model {name!r} reads samples of shape {', '.join(map(str, wanted))}"
        raise ShapeError(f"{shown}, and was called with {', '.join(map(str, found))}")
