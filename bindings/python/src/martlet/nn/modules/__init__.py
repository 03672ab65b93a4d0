"""torch's modules as models, and back: from_torch and to_torch.

torch.export writes a module down in training mode, as operations on samples of any batch; each of them becomes a layer,
or is refused with the line of the module that it stands in. Nothing here trains; torch is imported by the first call.
"""

from __future__ import annotations

from typing import Any

from martlet import _forks
from martlet._errors import DTypeError
from martlet.nn.model import Model


def from_torch(module: Any, example: Any, *, name: str | None = None, seed: int | None = None) -> Model:
    """A model that computes what a torch.nn.Module does, with copies of its weights and statistics.

    module    of float32; its layers are those that martlet.nn has: linear, convolutional, recurrent, pooling,
              normalization and embedding layers, attention, activations, dropout, sums, products and
              concatenations, and what renames, moves or takes parts of sizes
    example   what it is called with: a tensor or an array, or several in a tuple, of any number of samples, which are
              their first dimension; values count nothing
    name, seed   as Model's

    Images are (channels, height, width) and sequences (channels, length), as in torch. The module is exported in
    training mode, so that dropout and the batch's statistics are the model's too, and is left as it was. Frozen
    parameters are frozen; a layer that is called twice is one layer. One number of a sample, (samples,) in torch, is
    (samples, 1) here.

    nn.LSTM, nn.GRU and nn.RNN begin with zeros or with states of (layers, samples, units), for each sample its own:
    another's last ones, in whatever order and through whatever layers, an input's, what is computed, or parameters and
    numbers that are the same for all. What is read of them may be all steps, the last, or the states behind it. An
    LSTM's and an RNN's two biases are one here, their sum: where the model is trained otherwise than by
    martlet.torch.train it moves half as far as both in torch.

    nn.MultiheadAttention is a MultiHeadAttention, as is scaled_dot_product_attention between linear layers, or what
    says the same by hand: softmax(queries keysᵀ / root of a head's numbers) values, with no mask or the one that hides
    what comes later, by -inf, or where nothing else is hidden by -1e7 or less. Its key_padding_mask, and so an
    encoder's src_key_padding_mask, or the opposite as an attn_mask of scaled_dot_product_attention, (samples, 1, 1,
    steps), may be an input of bools, what ids == 0 and the like give of an input of whole numbers, and
    torch.arange(steps) >= lengths[:, None], in which an input says how many steps are seen. A sample of padding alone,
    of which torch makes NaN, has zeros for what is attended. The mean of the steps that such an input shows, (x *
    seen[..., None]).sum(1) / seen.sum(1, keepdim=True), is a GlobalAveragePooling1D behind a mask.

    A linear layer whose weight is the table of an embedding before it, or h @ table.weight.T, is a TiedDense of that:
    one weight, which to_torch writes once; a product with another parameter is a Dense, and a buffer a weight that is
    not trained. What is added to each sample alike, a row for each step, is a PositionEmbedding of the example's steps;
    of parameters with more rows the others stay. One step, and a part of the features, is picked by a Dense of ones and
    zeros that is not trained, which also repeats steps. nn.PReLU is a product of its slope and what relu takes away, to
    torch's gradients, at 0 too.

    A module that returns its loss, such as cross_entropy, of what it computes and of an input with targets, alone or
    behind its scores, becomes a model of what it computes, without that input; model.module_loss is the loss for
    compile, None of other modules. A negative ignore_index is taken, and targets that have it are refused by fit. What
    a module gives as None is no output.

    What cannot be taken raises UnsupportedError, with the line of the module: packed sequences, other masks of
    attention, states of other samples, tensors that forward keeps in attributes and reads in the next call, buffers
    that it writes into, control flow that depends on samples or on the batch's size, what differs in evaluation but by
    dropout and batch normalization, these in another mode than the module's, arithmetic of integers, parameters of
    other types, used by two kinds of layer (but for tied heads) or as two weights of one, views into parameters, random
    numbers but dropout's. DTypeError: module or example is no such thing.
    """
    with _forks.held_off:
        from martlet.nn.modules import _models

    return _models.model_of(module, example, name, seed)


def to_torch(model: Any, module: Any) -> None:
    """Writes a model's weights and statistics into a module like the one that from_torch made it of.

    model    as from_torch made it in this process: one that was loaded from a file knows no module's names

    Raises DTypeError for a model that from_torch did not make, and ShapeError or ArgumentError where the module lacks a
    parameter or has another shape; nothing is written then.
    """
    carried = getattr(model, "_carried", None)
    if carried is None:
        raise DTypeError(f"model is {model!r}; wanted one that from_torch made")
    with _forks.held_off:
        from martlet.nn.modules import _carrying

    _carrying.write_back(carried, module)
