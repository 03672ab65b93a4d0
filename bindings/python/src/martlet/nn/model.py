"""Model: a graph of layers, trained and run in the library, with Keras's names and meanings.

It brings together what its neighbours do: _network.py the layers, node.py what they are called with, _compilation.py
what compile was given, _inputs.py the data, _training.py the loops, _fit.py a whole training. sequential.py has the
special case of a chain.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from martlet import _arguments
from martlet._errors import ArgumentError, DTypeError, FileError, UnsupportedError
from martlet._samples import NDArray
from martlet.nn import inputs, node
from martlet.nn._built import Built
from martlet.nn._early import early
from martlet.nn._exporting import Exporting
from martlet.nn._laying import Place
from martlet.nn._network import Network, checked_reads
from martlet.nn._open import Sizes
from martlet.nn._states import WithStates
from martlet.nn._subclasses import refuse_methods
from martlet.nn.hashing import Hashing
from martlet.nn.inputs import Input, InputLayer
from martlet.nn.node import Node
from martlet.nn.text import TextVectorization

# The library's most.
_MOST_OUTPUTS = 16


class Model(Exporting):
    """What leads from inputs to an output: Model(inputs, outputs).

        a, b = Input((8,), name="a"), Input((3,), name="b")
        x = Concatenate()([Dense(16, activation="relu")(a), b])
        model = Model([a, b], Dense(1)(x))

    inputs    an Input, or a list of them, in the order in which fit takes their samples
    outputs   the node that the model gives, or up to 16 in a list or a dict by their names, each trained for a loss of
              its own; a model of several is no part of another one
    name      what summary calls it
    seed      of initial values, dropout and the order of samples, 0 to 2^64 - 1; None: a random one, which .seed tells

    layers are the inputs' and those that the output is made of, a model that was called among them as one, in Keras's
    order, which is that of their weights. What is made of other inputs raises ArgumentError, and a layer that another
    model has OrderError, which name it. A model that was called is a part of this one from here on: its layers' weights
    are this one's, which it begins with where it had some. It predicts with them, and is not trained or saved by
    itself. So does a model all of whose layers others have, such as Model(model.inputs, model.get_layer("x").output),
    which gives what a layer within gives.

    The same seed, data and calls give the same bits for any number of threads on one instruction set, whatever numpy's
    version.

    Up to 1,023 threads may be inside predict, get_weights and summary at once, and none beside them. Of other calls
    one thread at a time may be inside, for the whole of a call, fit too: a second one gets BusyError at once, and the
    first goes on. What reads or writes weights counts. The thread that is inside may call more, as callbacks do: all
    but compile and close. with Model(...) as model frees the memory at its end, and so does close().
    """

    _text: Any = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        refuse_methods(cls, "call", "train_step", "test_step", "predict_step", "compute_loss", "compute_metrics")

    def __init__(self, inputs: Any, outputs: Any, *, name: str | None = None, seed: int | None = None) -> None:
        super().__init__("model" if name is None else name, seed)
        self._inputs = _given_inputs(inputs)
        self._outputs, self._named_outputs = _given_outputs(outputs)
        self._nodes, self._layers = node.ordered(self._inputs, self._outputs)
        if all(entry._taken for entry in self._layers if not isinstance(entry, InputLayer)):
            for one in self._inputs:
                one.entry._take(one.name)
            self._taken, self._called = True, tuple(one.sizes for one in self._inputs)
            return
        with _taking(self):
            self._built = self._anew([one.sizes for one in self._inputs])

    # ---- its graph ----

    @property
    def inputs(self) -> list[Node]:
        """Its Inputs."""
        return [*self._inputs]

    @property
    def outputs(self) -> list[Node]:
        """The nodes that it gives."""
        return [*self._outputs]

    @property
    def input(self) -> Any:
        """Its Input, or a list of them."""
        return self._inputs[0] if len(self._inputs) == 1 else self.inputs

    @property
    def output(self) -> Any:
        """The node that it gives, or a list of them."""
        return self._outputs[0] if len(self._outputs) == 1 else self.outputs

    @property
    def output_names(self) -> list[str]:
        """By which fit finds targets in a dict, and histories losses: those of a dict, or of the layers."""
        return self._output_names()

    @property
    def input_names(self) -> list[str]:
        """By which fit finds samples in a dict."""
        return self._input_names()

    @property
    @early
    def input_shape(self) -> Any:
        """The sizes of a sample, with None for the batch; of several inputs a list."""
        shapes = [one.shape for one in self._inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    def _input_names(self) -> list[str]:
        return [one.name for one in self._inputs]

    def _input_types(self) -> list[str]:
        return [one.dtype for one in self._inputs]

    def _output_names(self) -> list[str]:
        if self._named_outputs:
            return self._named_outputs
        layers = [str(one.entry.name) for one in self._outputs]
        names: list[str] = []
        for place, name in enumerate(layers):
            if layers.count(name) > 1:  # a layer that was applied more than once
                name = f"{name}_{place}"
                while name in layers or name in names:
                    name = f"{name}_{place}"
            names.append(name)
        return names

    def _input_sizes(self) -> list[Sizes]:
        """Of a sample of each input, with None for what is open."""
        return [one.sizes for one in self._inputs]

    def _batch(self) -> int | None:
        return next((size for one in self._inputs if (size := inputs.batch_of(one)) is not None), None)

    def reset_states(self) -> None:
        """Sets what stateful layers keep to zeros. Raises OrderError before the shape of the samples is known."""
        for layer in self._leaves():
            if isinstance(layer, WithStates):
                layer.reset_states()

    def _laid(self) -> Built:
        self._refuse_closed()
        if self._taken and self._built is None:
            return self._apart()
        if self._built is None:
            self._built = self._anew([one.sizes for one in self._inputs])
        return self._built

    def _build_for(self, given: Sequence[tuple[str, NDArray]]) -> Built:
        """The native model with its parameters, for these samples."""
        return self._apart() if self._taken else self._ready()

    def _enter(self, built: Built, name: str, reads: Sequence[Place]) -> Place:
        if name:
            checked_reads(self, name, [one.sizes for one in self._inputs], [built.seen(place) for place in reads])
        if len(self._outputs) > 1:
            raise UnsupportedError(f"model {self.name!r} gives {len(self._outputs)} outputs; wanted one of a model "
                                   "that is a part of another: Model(inputs, [...]) of its layers' nodes, or a model "
                                   "for each")  # fmt: skip
        return self._entered(built, name, reads)[0]

    def _enter_whole(self, built: Built) -> list[Place]:
        return self._entered(built, "", built.inputs)

    def _entered(self, built: Built, name: str, reads: Sequence[Place]) -> list[Place]:
        """Lays the nodes down; returns where the outputs lie."""
        places = dict(zip(self._inputs, reads, strict=True))
        parts: dict[Node, list[Place]] = {}
        for one in self._nodes[len(self._inputs) :]:
            if one.part:
                places[one] = parts[one.inputs[0]][one.part]
                continue
            inner = f"{name}.{one.entry.name}" if name else str(one.entry.name)
            places[one] = built.add(one.entry, inner, [places[before] for before in one.inputs])
            parts[one] = built.graph.places
        found = [places[one] for one in self._outputs]
        built.hold(self, name, reads, found[0])
        return found

    def _connections(self) -> dict[Any, list[str]]:
        found: dict[Any, list[str]] = {entry: [] for entry in self._layers}
        for one in self._nodes[len(self._inputs) :]:
            found[one.entry].extend(before.name for before in one.inputs if not one.part)
        return found

    @property
    def text(self) -> Any:
        """The TextVectorization or Hashing that makes the model's numbers of texts, or None. Setting it keeps it with
        the model: save writes it, and load_model brings it back. The model calls it no time:
        model.predict(model.text(texts)). Raises DTypeError for anything else, and UnsupportedError for one that has a
        function, which no file can hold."""
        return self._text

    @text.setter
    def text(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, TextVectorization | Hashing):
                raise DTypeError(f"text is {value!r}; wanted a TextVectorization, a Hashing or None")
            value.get_config()
        self._text = value

    @property
    def classes(self) -> Any:
        """The classes of a martlet.sklearn classifier whose file it was loaded from, as an array in the order of its
        outputs; None of other models. Raises FormatError where the file's note of them is something else."""
        from martlet.nn import _notes

        return None if self._built is None else _notes.classes(self._built.model)

    def get_config(self) -> dict[str, Any]:
        """Its layers, and what each reads, as JSON takes them; from_config makes another model of it. Weights are no
        part of it."""
        from martlet.nn import _configs

        return _configs.of_model(self)

    @classmethod
    def from_config(cls, config: Any, custom_objects: Any = None) -> Any:
        """A model of what get_config gave, with initial weights. custom_objects: classes of one's own, by name. Raises
        DTypeError or ArgumentError for what it could not have given."""
        from martlet.nn import _configs

        return _configs.model_of(cls, config, custom_objects)

    def save(self, path: Any, overwrite: bool = True) -> None:
        """Saves layers, weights and statistics, and once compiled what training needs to go on to the bit.

        path is a file name, taken as it is: ".safetensors" is what the format calls itself, and nothing is appended.
        The file is whole at any moment: a kill leaves the old one or the new one. martlet.nn.load_model reads it, and
        so does C, to which it says all but names of metrics and classes of layers. Raises FileError where the system
        refuses, or where there is a file and overwrite is False, OrderError before the shape of the samples is known,
        and BusyError where another thread is inside, also to predict.
        """
        from martlet.nn import _notes

        self._refuse_taken_model("save")
        name = _arguments.file_name(path)
        if not _arguments.flag(overwrite, "overwrite") and os.path.lexists(name):
            raise FileError(f"{os.fsdecode(name)} is there already, and overwrite is False")
        with self._owner.inside():
            built = self._ready()
            if self._compilation is not None and not self._is_ready:
                self._prepare(32)
            _notes.write(built.model, _notes.of(self, self._compilation))
            built.model.save(name)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Saves weights and statistics alone, under the names of their layers. Errors as save's."""
        from martlet.nn import _weight_files

        _weight_files.save(self, filepath, overwrite)

    def load_weights(self, filepath: Any) -> None:
        """Reads weights and statistics from what save_weights or save of a model of the same layers wrote. Raises
        FileError where the system refuses, and FormatError, with nothing changed, where the file has not all in their
        shapes."""
        from martlet.nn import _weight_files

        _weight_files.load(self, filepath)


def _given_inputs(inputs: Any) -> list[Node]:
    found = list(inputs.values()) if isinstance(inputs, dict) else node.listed(inputs, "inputs")
    for place, one in enumerate(found):
        if not isinstance(one, Input):
            raise DTypeError(f"inputs[{place}] is {one!r}; wanted an Input")
        if one in found[:place]:
            raise ArgumentError(f"inputs has {one!r} twice; wanted each once")
    return found


def _given_outputs(outputs: Any) -> tuple[list[Node], list[str]]:
    """The nodes, and their names where a dict has them."""
    names = [_arguments.text(name, "a key of outputs") for name in outputs] if isinstance(outputs, dict) else []
    if "" in names:
        raise ArgumentError("outputs has '' as a key; wanted a name, under which losses are reported")
    found = node.listed(list(outputs.values()) if isinstance(outputs, dict) else outputs, "outputs")
    if len(found) > _MOST_OUTPUTS:
        raise ArgumentError(f"outputs has {len(found)} nodes; wanted {_MOST_OUTPUTS} at most")
    for place, one in enumerate(found):
        if isinstance(one, Input):
            raise ArgumentError(f"outputs[{place}] is {one!r}; wanted what a layer gives")
        if one in found[:place]:
            raise ArgumentError(f"outputs has {one!r} twice; wanted each once")
    return found, names


@contextmanager
def _taking(model: Model) -> Iterator[None]:
    """Makes a model's entries its own, under their names or free ones; free again where what follows fails."""
    entries, model._layers = model._layers, []
    try:
        for entry in entries:
            entry._check_free()
        for entry in sorted(entries, key=lambda entry: entry.name is None):  # those who have names first
            name = model._free_name(entry._base_name()) if entry.name is None else str(entry.name)
            model._refuse_name(name, entry._hidden_names(name))
            if isinstance(entry, Network):
                entry._let_go()
            entry._take(name)
            model._layers.append(entry)
        taken, model._layers = model._layers, entries
        yield
    except BaseException:
        for entry in model._layers if model._layers is not entries else taken:
            entry._leave()
        raise
