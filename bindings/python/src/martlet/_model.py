"""A native model: a typed face of the martlet_model_ functions.

It speaks in addresses, numbers and names; martlet.nn brings the numpy arrays and keeps them alive. No ctypes object
leaves it. Each call is its owner's; who holds the owner through several keeps other threads out between them.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from martlet import _algorithms, _ffi, _ffi_models, _ffi_optimizers, _memory
from martlet._config import Hyperparameters
from martlet._errors import OrderError
from martlet._owner import Owner
from martlet._records import Line, Node, OwnPass, Samples, Training, View, line_of, own_pass, parts

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def _alone(
    method: Callable[Concatenate[Model, _Arguments], _Result],
) -> Callable[Concatenate[Model, _Arguments], _Result]:
    """A method that one thread at a time is inside of."""

    @wraps(method)
    def call(model: Model, /, *given: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        with model.owner.inside():
            return method(model, *given, **named)

    return call


def _beside(
    method: Callable[Concatenate[Model, _Arguments], _Result],
) -> Callable[Concatenate[Model, _Arguments], _Result]:
    """A method that several threads may be inside of, and nobody who changes the model."""

    @wraps(method)
    def call(model: Model, /, *given: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        with model.owner.reading():
            return method(model, *given, **named)

    return call


class Model:
    """A handle, which the garbage collector frees. owner says who is inside, and may be shared with what stands for
    the model before and after."""

    def __init__(self, sizes: Sequence[int], seed: int, owner: Owner | None = None) -> None:
        self._prepare(owner)
        _ffi_models.martlet_model_create(self._token, _memory.int64s(sizes), len(sizes), seed)

    def _prepare(self, owner: Owner | None) -> None:
        """Before there is a handle, so that a signal's handler cannot leave one that nobody frees."""
        self._token, self.owner = _ffi_models.MODEL(), owner or Owner()
        self._lent: Any = None
        self._sizes: Sequence[tuple[int, ...]] = ()
        self.is_open = False
        """Whether batches may be of other sizes than those before."""
        self._functions: dict[int, Any] = {}
        self._finalizer = weakref.finalize(self, _ffi_models.martlet_model_destroy, self._token)
        # At exit the system takes the memory back, and a thread may still be inside.
        self._finalizer.atexit = False

    @classmethod
    def load(cls, path: bytes, owner: Owner | None = None) -> Model:
        model = cls.__new__(cls)
        model._prepare(owner)
        _ffi_models.martlet_model_load(model._token, path)
        return model

    @_alone
    def save(self, path: bytes) -> None:
        _ffi_models.martlet_model_save(self._token, path)

    @_alone
    def export(self, path: bytes) -> None:
        _ffi_models.martlet_model_export(self._token, path)

    # ---- layers ----

    @_alone
    def add(self, kind: int, name: str, fields: Mapping[str, Any], inputs: Sequence[int] = ()) -> int:
        """Adds a layer that reads these nodes; fields are those of martlet_layer. Returns its node."""
        layer, node = _ffi_models.Layer(), _ffi.Int32()
        _ffi_models.martlet_layer_init(layer, _ffi.struct_size(_ffi_models.Layer), kind)
        for field, value in fields.items():
            if isinstance(value, tuple):
                array = getattr(layer, field)
                for index, element in enumerate(value):
                    array[index] = element
            else:
                setattr(layer, field, value)
        layer.name = name.encode("utf-8", "surrogatepass")
        _ffi_models.martlet_model_add(self._token, layer, _memory.int32s(inputs) if inputs else None, len(inputs), node)
        return int(node.value)

    @_alone
    def apply(self, node: int, inputs: Sequence[int]) -> int:
        """Adds a node's layer once more, over other nodes. Returns the node that this is."""
        found = _ffi.Int32()
        _ffi_models.martlet_model_apply(self._token, node, _memory.int32s(inputs), len(inputs), found)
        return int(found.value)

    @_alone
    def compute(self, node: int, function: Callable[[OwnPass], None]) -> None:
        """Has the layer of a node, which is a user's own, computed by a function wherever it is. What that raises, the
        call raises that needs it."""
        this = weakref.ref(self)

        def call(_: Any, told: Any) -> int:
            try:
                function(own_pass(told.contents, this()))
            except BaseException as error:  # it cannot pass through the library
                _ffi.keep_raised(error)
                return 1
            return 0

        made = _ffi_models.OWN_FUNCTION(call)
        _ffi_models.martlet_model_own_set(self._token, node, made, None)
        self._functions[node] = made

    @_beside
    def node_count(self) -> int:
        count = _ffi.Int64()
        _ffi_models.martlet_model_node_count(self._token, count)
        return int(count.value)

    @_beside
    def node(self, index: int) -> Node:
        node = _ffi_models.Node()
        _ffi_models.martlet_model_node_get(self._token, node, index)
        return Node(
            (node.name or b"").decode("utf-8", "replace"),
            node.kind,
            tuple(node.sizes[: node.rank]),
            node.parameter_count,
            node.statistics_count,
            tuple(node.inputs[: node.input_count]),
            node.first,
            node.reads_mask,
            node.mask,
        )

    # ---- what was said of it ----

    @_beside
    def seed(self) -> int:
        seed = _ffi.UInt64()
        _ffi_models.martlet_model_seed_get(self._token, seed)
        return int(seed.value)

    @_beside
    def layer(self, index: int) -> Line:
        """What a node's layer was given; sizes are as many as there are."""
        layer = _ffi_models.Layer()
        _ffi_models.martlet_model_layer_get(self._token, layer, _ffi.struct_size(_ffi_models.Layer), index)
        line = line_of(layer)
        line["sizes"] = line["sizes"][: line["rank"]]
        return line

    @_beside
    def training(self, output: int = 0) -> Line | None:
        """What compile was given for an output; None before it."""
        training, size = _ffi_models.Training(), _ffi.struct_size(_ffi_models.Training)
        try:
            _ffi_models.martlet_model_training_get(self._token, training, size, output)
        except OrderError:
            return None
        return line_of(training)

    @_beside
    def note(self, key: bytes) -> bytes | None:
        """The note under a key."""
        text = _ffi.Text()
        _ffi_models.martlet_model_note_get(self._token, text, key)
        return text.value

    @_alone
    def set_note(self, key: bytes, text: bytes) -> None:
        _ffi_models.martlet_model_note_set(self._token, key, text)

    # ---- epochs ----

    @_beside
    def order(self, out: int, count: int, epoch: int) -> None:
        """Writes the order in which an epoch takes so many samples to out, the address of as many int64s."""
        _ffi_models.martlet_model_order_get(self._token, _memory.int64_at(out), count, epoch)

    @_beside
    def epoch(self) -> int:
        """How many epochs have been begun since compile."""
        epoch = _ffi.Int64()
        _ffi_models.martlet_model_epoch_get(self._token, epoch)
        return int(epoch.value)

    @_alone
    def set_epoch(self, epoch: int) -> None:
        _ffi_models.martlet_model_epoch_set(self._token, epoch)

    # ---- numbers ----

    @_beside
    def buffer(self, which: int) -> tuple[int, int]:
        """A buffer's address and count of floats."""
        address, count = _ffi_models.FLOATS(), _ffi.Int64()
        _ffi_models.martlet_model_buffer_get(self._token, address, count, which)
        return _memory.pointer_value(address), int(count.value)

    @_beside
    def views(self, which: int) -> list[View]:
        count, found = _ffi.Int64(), []
        _ffi_models.martlet_model_view_count(self._token, count, which)
        for index in range(count.value):
            view = _ffi_models.View()
            _ffi_models.martlet_model_view_get(self._token, view, which, index)
            name = (view.name or b"").decode("utf-8", "replace")
            sizes = tuple(view.sizes[: view.rank])
            found.append(View(name, view.node, sizes, view.offset, view.count, view.group))
        return found

    # ---- training ----

    @_alone
    def compile(
        self, outputs: Sequence[Training], groups: Sequence[Hyperparameters], of_views: Sequence[int] = ()
    ) -> None:
        """outputs: what each is trained for; groups: the numbers of each; of_views: the group of each view of the
        parameters, where there are several."""
        structs, configs = (_ffi_models.Training * len(outputs))(), (_ffi_optimizers.Config * len(groups))()
        for training, struct in zip(outputs, structs, strict=True):
            _ffi_models.martlet_training_init(struct, _ffi.struct_size(_ffi_models.Training), training.loss)
            setattr(struct, "from", training.origin)
            struct.metrics, struct.batch_size, struct.top = training.metrics, training.batch_size, training.top
            struct.label_smoothing, struct.delta = training.label_smoothing, training.delta
            struct.gamma, struct.alpha, struct.weight = training.gamma, training.alpha, training.weight
            struct.state_dtype = training.state_dtype
        for row, config in zip(groups, configs, strict=True):
            row.write(config)
        if len(groups) == 1:
            _ffi_models.martlet_model_compile(self._token, structs, configs)
        else:
            places, count = _memory.int32s(of_views), len(of_views)
            _ffi_models.martlet_model_groups_compile(self._token, structs, configs, len(groups), places, count)
        self._lent = None

    @_alone
    def lend_copy(self, hold: Any, address: int, dtype: int) -> None:
        """Has each step write the parameters there, contiguous, in this type. hold: what keeps the memory while that is
        so."""
        count, array = _ffi.Int64(), _ffi.Array()
        _ffi_models.martlet_model_buffer_get(self._token, None, count, _ffi_models.BUFFER_PARAMETERS)
        if not count.value:
            return
        array.data, array.count, array.dtype = address, count.value, dtype
        _ffi_models.martlet_model_copy_set(self._token, array)
        self._lent = hold

    @_alone
    def end_copy(self) -> None:
        """Has steps write no copy."""
        _ffi_models.martlet_model_copy_set(self._token, None)
        self._lent = None

    @_alone
    def set(self, hyperparameter: int, value: float) -> None:
        """A number of the first group's; the rates of all groups move together."""
        _ffi_models.martlet_model_set(self._token, hyperparameter, value)

    @_alone
    def group_set(self, group: int, hyperparameter: int, value: float) -> None:
        """A number of one group's alone."""
        _ffi_models.martlet_model_group_set(self._token, group, hyperparameter, value)

    @_beside
    def groups(self) -> list[Hyperparameters]:
        """The numbers of each group."""
        count, config, found = _ffi.Int64(), _ffi_optimizers.Config(), []
        _ffi_models.martlet_model_group_count(self._token, count)
        for group in range(count.value):
            _ffi_models.martlet_model_config_get(self._token, config, _algorithms.CONFIG_SIZE, group)
            found.append(Hyperparameters.read(config))
        return found

    @_beside
    def settle(self) -> None:
        """Moves the parameters to the trained point, where gradients are taken at another one."""
        _ffi_models.martlet_model_mode_set(self._token, _ffi_optimizers.EVALUATION)

    @_alone
    def unsettle(self) -> None:
        """Moves them to where the next gradient is taken."""
        _ffi_models.martlet_model_mode_set(self._token, _ffi_optimizers.TRAINING)

    @_beside
    def step(self) -> int:
        """Training steps since compile."""
        step = _ffi.Int64()
        _ffi_models.martlet_model_step_get(self._token, step)
        return int(step.value)

    @_alone
    def take_step(self) -> None:
        """Steps by what stands in the gradients."""
        _ffi_models.martlet_model_step(self._token)

    @_beside
    def grad_norm(self) -> float:
        """The Euclidean norm of what stands in the gradients."""
        norm = _ffi.Double()
        _ffi_models.martlet_model_grad_norm_get(self._token, norm)
        return float(norm.value)

    @_alone
    def forward(self, out: int, out_count: int, x: Any) -> None:
        """Runs a batch forward as training does, and writes the outputs to out, the address of out_count floats; x is
        what parts gives."""
        _ffi_models.martlet_model_forward(self._token, None, _memory.floats_at(out), out_count, x, None, None, None, 0)

    @_alone
    def backward(self, slopes: int, count: int, of_inputs: Any) -> None:
        """Goes back through that batch, given the address and count of a loss's slopes by its outputs, and writes those
        by its samples to what parts gives."""
        _ffi_models.martlet_model_backward(self._token, _memory.floats_at(slopes), count, of_inputs)

    @_alone
    def set_outputs(self, nodes: Sequence[int]) -> None:
        """The nodes that the model gives, in this order."""
        _ffi_models.martlet_model_outputs_set(self._token, _memory.int32s(nodes), len(nodes))

    def set_sizes(self, inputs: Sequence[tuple[int, ...]]) -> None:
        """Gives the inputs other sizes: those of a sample of each."""
        if self._sizes != inputs:
            self._set_sizes(inputs)

    @_alone
    def _set_sizes(self, inputs: Sequence[tuple[int, ...]]) -> None:
        sizes = [size for one in inputs for size in one]
        _ffi_models.martlet_model_sizes_set(self._token, _memory.int64s(sizes), len(sizes))
        self._sizes = inputs

    @_beside
    def outputs(self) -> list[int]:
        """Their numbers."""
        count, node, found = _ffi.Int64(), _ffi.Int32(), []
        _ffi_models.martlet_model_output_count(self._token, count)
        for output in range(count.value):
            _ffi_models.martlet_model_output_get(self._token, node, output)
            found.append(int(node.value))
        return found

    @_alone
    def confusion(self, output: int, classes: int, mode: int) -> list[int]:
        """How often each class was taken for each in the latest training or evaluation, row by row of those that were
        right."""
        counts = (_ffi.Int64 * (classes * classes))()
        _ffi_models.martlet_model_confusion_get(self._token, counts, len(counts), output, mode)
        return [int(count) for count in counts]

    @_beside
    def predict(
        self, out: int, out_count: int, inputs: Sequence[Samples], first: int, count: int, batch_size: int
    ) -> None:
        """Writes the outputs of samples first to first + count to out, the address of out_count floats."""
        loop = _ffi_models.Loop()
        _ffi_models.martlet_loop_init(loop, _ffi.struct_size(_ffi_models.Loop))
        loop.batch_size = batch_size
        x = parts(inputs, first, count)
        _ffi_models.martlet_model_predict(self._token, _memory.floats_at(out), out_count, x, loop)

    @_alone
    def begin_sequences(self, count: int) -> None:
        """Begins so many sequences, of which no step has been read."""
        _ffi_models.martlet_model_sequence_reset(self._token, count)

    def next_steps(self, out: int, out_count: int, x: Any) -> Callable[[], Any]:
        """What writes the outputs at the next steps of sequences to out, for who has the model alone; x is what parts
        gives."""
        return partial(_ffi_models.martlet_model_sequence_predict, self._token, _memory.floats_at(out), out_count, x)

    def bound_predict(self, out: int, out_count: int, inputs: Sequence[Samples]) -> tuple[Callable[[], int], object]:
        """A call that does the same of all samples each time, for as long as the model and the memory are there. It
        returns the status and raises nothing; the other object is to be kept for as long as it."""
        x = parts(inputs, 0, inputs[0].samples)
        token = _memory.pointer_value(self._token)
        return _ffi_models.bound_predict(token, out, out_count, _memory.address_of(x)), x
