"""What hostile.py gives to the parameters of the model functions and the matrix product.

Values are as in hostile_values.py; `w->m` is the struct of hostile_model_world.h. Layers and training are in
hostile_layer_values.py, matrices in hostile_product_values.py.
"""

from collections.abc import Iterator

from hostile_layer_values import input_values, layer_values, training_values
from hostile_product_values import matmul_values
from hostile_values import config_values, handle_values, out_values, path_values
from hostile_words import INT32, INT64, ODD_DOUBLES, Value, assign

HUGE = ("INT64_MAX", "(int64_t)1 << 62", "((int64_t)1 << 56) + 1")
OTHERS = {
    "a destroyed model": "w->m.gone",
    "an optimizer": "(void *)w->optimizer",
    "an optimizer that is gone": "(void *)w->gone",
}
# What must have been called before, by the names of functions without "martlet_model_".
NEED_LAYER = {
    "compile", "groups_compile", "predict", "save", "export", "buffer_get", "view_count", "view_get", "sequence_reset",
}  # fmt: skip
NEED_COMPILE = {
    "train", "differentiate", "step", "fit", "evaluate", "set", "get", "group_count", "group_set", "config_get",
    "step_get", "grad_norm_get", "copy_set", "forward", "backward", "training_get", "epoch_get", "epoch_set",
    "score_get", "confusion_get", "tally_set",
}  # fmt: skip


def serves(function: str) -> bool:
    """Whether a function's values are here."""
    inits = ("layer_init", "training_init", "result_init", "loop_init", "matmul", "metric_name")
    return function.startswith("martlet_model_") or function.removeprefix("martlet_") in inits


def model_values(function: str) -> Iterator[Value]:
    """The handle."""
    yield from handle_values("model", "w->m.model", OTHERS, null_is_fine=function.endswith("_destroy"))
    verb = function.removeprefix("martlet_model_")
    if verb in NEED_LAYER:
        for model in ("flat", "image"):
            yield f"a model without a layer, {model}", f"a->model = w->m.{model};", "ORDER"
    if verb in NEED_COMPILE:
        for model in ("plain", "flat", "image"):
            yield f"a model that is not compiled, {model}", f"a->model = w->m.{model};", "ORDER"
    if verb in ("buffer_get", "view_count", "view_get"):
        gradients = "a->model = w->m.plain; a->buffer = MARTLET_BUFFER_GRADIENTS;"
        yield "gradients of a model that is not compiled", gradients, "ORDER"
    if verb == "add":
        for model in ("model", "plain"):
            code = f"a->model = w->m.{model}; a->inputs = NULL; a->input_count = 0;"
            yield f"a model whose parameters are made, {model}", code, "ORDER"
    if verb in ("compile", "buffer_get", "predict"):
        for units in ("1 << 30", "1 << 27"):
            code = f"add_dense(w->m.flat, {units}); a->model = w->m.flat;"
            if verb == "buffer_get":
                code += " a->buffer = MARTLET_BUFFER_PARAMETERS;"
            yield f"a layer of {units} units", code, "MEMORY|SHAPE"
    if verb.startswith("sequence"):
        other = "UNSUPPORTED" if verb == "sequence_reset" else "ORDER"
        yield "a model of no sequences", "a->model = w->m.plain;", other
    if verb == "reset":
        yield "a model without a layer", "a->model = w->m.flat;", "OK"


def samples_values(array: str, *, labels: bool, empty: str = "SHAPE") -> Iterator[Value]:
    """The fields that samples, labels and targets share; x is fp32, y (`labels`) INT32. empty: what comes of none."""
    yield from assign(f"{array}.data", ("NULL",), "NULL")
    for offset in (1, 2, 3):
        yield f"{array}.data misaligned by {offset}", f"{array}.data = (char *)w->scratch + {offset};", "ALIGNMENT"
    yield from assign(f"{array}.count", (-1, -1000, *INT64, *HUGE, "-((int64_t)1 << 56)"), "SHAPE")
    yield from assign(f"{array}.count", (0,), empty)
    yield from assign(f"{array}.count", (1, f"{array}.count - 1", f"{array}.count + 1"), "SHAPE")
    yield from assign(f"{array}.dtype", (0, -1, 16, 1000, *INT32), "TYPE")
    yield from assign(f"{array}.dtype", (1, 3, 4, 5, 9), "TYPE")
    yield from assign(f"{array}.dtype", (10, 11, 12, 13, 14, 15), "TYPE|UNSUPPORTED")
    if not labels:
        yield from assign(f"{array}.dtype", ("MARTLET_INT32", "MARTLET_INT64"), "TYPE")
        yield from assign(f"{array}.dtype", ("MARTLET_UINT8",), "OK")
    yield from assign(f"{array}.rank", (-1, 65, 1 << 20, *INT32), "SHAPE")
    good = f"lay(&w->m, &{array});"
    yield f"{array} with sizes", good, "OK"
    yield f"{array}.sizes = NULL", f"{good} {array}.sizes = NULL;", "NULL"
    yield f"{array}.strides = NULL", f"{good} {array}.strides = NULL;", "NULL"
    for field in ("sizes", "strides"):
        code = f"{good} {array}.{field} = (int64_t *)((char *)at_page_end(NULL, 64) + 4);"
        yield f"{array}.{field} misaligned", code, "ALIGNMENT"
    for size in (0, -1, 1, "SAMPLES - 1", "INT64_MAX", "INT64_MIN", "(int64_t)1 << 62", "(int64_t)1 << 32"):
        yield f"{array}.sizes[0] = {size}", f"{good} w->m.sizes[0] = {size};", "SHAPE"
    code = f"{good} w->m.sizes[0] = -2; w->m.sizes[1] = -{array}.count / 2;"
    yield f"{array}.sizes: two negative ones", code, "SHAPE"
    code = f"{good} w->m.sizes[0] = (int64_t)1 << 33; w->m.sizes[1] = (int64_t)1 << 31;"
    yield f"{array}.sizes: a product past 64 bits", code, "SHAPE"
    for stride in (0, -1, 3, *INT64, "(int64_t)1 << 62"):
        yield f"{array}.strides[0] = {stride}", f"{good} w->m.strides[0] = {stride};", "SHAPE"
    code = f"{array}.rank = 64; {array}.sizes = w->sizes; {array}.strides = w->strides;"
    yield f"{array}.rank = 64, zeros", code, "SHAPE"
    yield from assign(f"{array}.scales", ("(void *)w->scratch", "&w->path"), "UNSUPPORTED")
    yield from assign(f"{array}.block", (1, -1, *INT32), "UNSUPPORTED")
    yield from assign(f"{array}.scale_dtype", (1, -1, *INT32), "UNSUPPORTED")
    yield from assign(f"{array}.reserved", (1, "UINT64_MAX", "(uint64_t)1 << 63"), "STRUCT")


def copy_values() -> Iterator[Value]:
    """A copy of all parameters."""
    yield "NULL", "a->copy = NULL;", "OK"
    yield "misaligned", "a->copy = (void *)((char *)at_page_end(NULL, 128) + 4);", "ALIGNMENT"
    one = "(*a->copy)"
    yield from assign(f"{one}.data", ("NULL",), "NULL")
    yield from assign(f"{one}.data", ("(char *)w->scratch + 1", "(void *)(UINTPTR_MAX - 1)"), "ALIGNMENT|SHAPE")
    yield from assign(f"{one}.count", (-1, 0, 1, *INT64, *HUGE, f"{one}.count - 1", f"{one}.count + 1"), "SHAPE")
    yield from assign(f"{one}.dtype", (0, -1, 16, 1000, 10, 11, 12, 13, 14, 15, *INT32, "MARTLET_FP64"), "TYPE")
    yield from assign(f"{one}.dtype", ("MARTLET_FP32", "MARTLET_FP16", "MARTLET_BF16"), "OK")
    yield from assign(f"{one}.rank", (-1, 1, 2, 65, *INT32), "SHAPE")
    yield from assign(f"{one}.scales", ("(void *)w->scratch",), "UNSUPPORTED")
    yield from assign(f"{one}.block", (1, -1, *INT32), "UNSUPPORTED")
    yield from assign(f"{one}.reserved", (1, "UINT64_MAX"), "STRUCT")
    for buffer in ("PARAMETERS", "GRADIENTS", "STATISTICS"):
        get = f"REQUIRE(martlet_model_buffer_get(w->m.model, &w->m.data, NULL, MARTLET_BUFFER_{buffer}) == MARTLET_OK);"
        yield f"the model's {buffer}", f"{get} a->copy->data = w->m.data;", "OVERLAP"
        yield f"ends in its {buffer}", f"{get} a->copy->data = (char *)w->m.data + 2 - 2 * a->copy->count;", "OVERLAP"


def x_values(function: str) -> Iterator[Value]:
    yield "NULL", "a->x = NULL;", "NULL"
    yield "misaligned", "a->x = (void *)((char *)at_page_end(NULL, 128) + 4);", "ALIGNMENT"
    along = function.endswith("sequence_predict")
    some = samples_values("(*a->x)", labels=False)
    # Sizes of steps are sequences, steps and features.
    yield from (value for value in some if not along or "lay(" not in value[1])
    if along:
        yield "sizes without the steps", "lay(&w->m, a->x);", "SHAPE"
        yield "more steps than there are", "a->x->count *= 3; a->x->data = w->scratch; a->out_count *= 3;", "SHAPE"
    code = "lay(&w->m, a->x); w->m.sizes[0] = w->m.strides[0] = FEATURES; w->m.sizes[1] = SAMPLES;"
    yield "sizes the wrong way round", code + " w->m.strides[0] = SAMPLES;", "SHAPE"
    yield "one sample less", "a->x->count -= FEATURES;", "SHAPE"
    yield "one sample more", "a->x->count += FEATURES; a->x->data = w->scratch;", "SHAPE"
    for what in ("NAN", "INFINITY", "-INFINITY", "1e-45f", "3e38f", "-0.0f"):
        yield f"an element is {what}", f"((float *)a->x->data)[3 * FEATURES] = {what};", "OK"
    if function.endswith("predict"):
        yield "the output", "a->x->data = w->m.out;", "OVERLAP"
        yield "ends in the output", "a->x->data = (char *)w->m.out - SAMPLES * FEATURES * 4 + 4;", "OVERLAP"
    else:
        yield from buffer_places("a->x->data", "SAMPLES * FEATURES * 4", function)


def buffer_places(target: str, size: str, function: str, before: str = "") -> Iterator[Value]:
    """Inputs of so many bytes that lie in the model's own numbers, which training writes and evaluate only reads."""
    if function == "martlet_model_evaluate":
        get = "REQUIRE(martlet_model_buffer_get(w->m.model, &w->m.data, NULL, MARTLET_BUFFER_GRADIENTS) == MARTLET_OK);"
        yield "the model's GRADIENTS", f"{before}{get} {target} = (void *)w->m.data;", "OK|ARGUMENT"
        return
    for buffer in ("PARAMETERS", "GRADIENTS", "STATISTICS"):
        get = "int64_t count; "
        get += (
            f"REQUIRE(martlet_model_buffer_get(w->m.model, &w->m.data, &count, MARTLET_BUFFER_{buffer}) == MARTLET_OK);"
        )
        yield f"the model's {buffer}", f"{before}{get} {target} = (void *)w->m.data;", "OVERLAP"
        last = "(void *)(((uintptr_t)(w->m.data + count) - 8) & ~(uintptr_t)7)"
        yield f"begins in the model's {buffer}", f"{before}{get} {target} = {last};", "OVERLAP"
        ends = f"(void *)((uintptr_t)w->m.data - {size} + 8)"
        yield f"ends in the model's {buffer}", f"{before}{get} {target} = {ends};", "OVERLAP"


def y_values(function: str) -> Iterator[Value]:
    yield from buffer_places("a->y->data", "SAMPLES * 4", function)
    by_hand, empty = function.endswith("forward"), "OK" if function.endswith(("forward", "evaluate")) else "SHAPE"
    yield "NULL", "a->y = NULL;", "ARGUMENT" if by_hand else "NULL"
    if by_hand:
        yield "NULL, as the weights are", "a->y = NULL; a->weights = NULL;", "OK"
    yield "misaligned", "a->y = (void *)((char *)at_page_end(NULL, 128) + 4);", "ALIGNMENT"
    yield from samples_values("(*a->y)", labels=True, empty=empty)
    types = {
        "MARTLET_INT32": (-1, "CLASSES", *INT32, 1 << 20),
        "MARTLET_INT64": (-1, "CLASSES", *INT64, "(int64_t)1 << 32", "-((int64_t)1 << 32)", "((int64_t)1 << 32) + 1"),
        "MARTLET_UINT8": ("CLASSES", 128, 255),
    }
    for dtype, values in types.items():
        yield f"{dtype}", f"label_as(&w->m, a->y, {dtype}, 1);", "OK"
        for value in values:
            yield f"{dtype}, a label of {value}", f"label_as(&w->m, a->y, {dtype}, {value});", "ARGUMENT"
        code = f"label_as(&w->m, a->y, {dtype}, 1); a->y->count"
        yield f"{dtype}, too few", f"{code} -= 1;", "SHAPE"
        yield f"{dtype}, none", f"{code} = 0;", empty
    for sizes in ("1, w->m.sizes[1] = SAMPLES", "SAMPLES / 2, w->m.sizes[1] = 2"):
        code = f"lay(&w->m, a->y); w->m.sizes[0] = {sizes}; w->m.strides[0] = w->m.sizes[1];"
        yield f"labels whose first size is {sizes}", code, "SHAPE"
    code = "a->x->count = (int64_t)1 << 56; a->model = rows_model(&w->m); a->x->data = w->m.inputs;"
    if not by_hand:  # which would look at the count of what it gives first
        yield "samples times rows of the output past 64 bits", code, "SHAPE"
    fp32 = "a->y->dtype = MARTLET_FP32; a->y->data = w->m.targets; a->y->count ="
    yield "targets", f"{fp32} SAMPLES * CLASSES;", "OK"
    for count in ("SAMPLES", "SAMPLES * CLASSES - 1", "SAMPLES * CLASSES - CLASSES", "0", "CLASSES", "INT64_MAX"):
        yield f"{count} targets", f"{fp32} {count};", empty if count == "0" else "SHAPE"
    for what in ("NAN", "INFINITY", "-1.0f", "3e38f"):
        yield f"a target is {what}", f"{fp32} SAMPLES * CLASSES; w->m.targets[5] = {what};", "OK"
    yield "targets that are the samples", "*a->y = *a->x; a->y->count = SAMPLES * CLASSES;", "OK"


def rows_values(name: str, other: str = "OK") -> Iterator[Value]:
    """The samples of a batch; other: what comes of another number of them than is good."""
    if name == "rows":
        yield "NULL with a count", "a->rows = NULL;", "NULL"
        yield "NULL and 0", "a->rows = NULL; a->row_count = 0;", other
        for offset in (1, 4):
            yield f"misaligned by {offset}", f"a->rows = (void *)((char *)w->scratch + {offset});", "ALIGNMENT"
        for value in (-1, "SAMPLES", *INT64, "(int64_t)1 << 32", "-((int64_t)1 << 32) + 1", "(int64_t)1 << 61"):
            for place in (0, 3):
                yield f"rows[{place}] = {value}", f"a->rows[{place}] = {value};", "ARGUMENT"
        yield from buffer_places("a->rows", "BATCH * 8", "martlet_model_train")
        yield "all the same", "a->rows[0] = a->rows[1] = a->rows[2] = a->rows[3] = 11;", "OK"
        yield "at a page's end", "a->rows = memset(at_page_end(NULL, 32), 0, 32);", "OK"
    else:
        yield from assign("a->row_count", (0, -1, *INT64, "((int64_t)1 << 31) + 1", "(int64_t)1 << 61"), "SHAPE")
        yield from assign("a->row_count", (1, 3, "BATCH + 1"), other)


def weight_values(array: str, code: str) -> Iterator[Value]:
    """Weights of samples in an array, which `code` hands over."""
    code += f" weigh(&w->m, &{array});"
    yield "weights", code, "OK"
    yield from ((f"weights of {count}", f"{code} {array}.count = {count};", "SHAPE") for count in (0, 1, "SAMPLES + 1"))
    yield "weights' data", f"{code} {array}.data = NULL;", "NULL"
    yield "weights' dtype", f"{code} {array}.dtype = MARTLET_INT32;", "TYPE"
    yield "misaligned weights", f"{code} {array}.data = (char *)w->scratch + 1;", "ALIGNMENT"
    for number in ("NAN", "-1.0f", "INFINITY", "-1e-30f"):
        yield f"a weight of {number}", f"{code} ((float *){array}.data)[3] = {number};", "ARGUMENT"


def loop_values(function: str) -> Iterator[Value]:
    """The loop of fit, evaluate and predict."""
    yield "NULL", "a->loop = NULL;", "OK"
    yield "misaligned", "a->loop = (void *)((char *)at_page_end(NULL, 128) + 4);", "ALIGNMENT"
    yield from assign("a->loop->struct_size", (0, 1, 55, 4097, 65536, "UINT32_MAX"), "STRUCT")
    yield "the first version's loop", "a->loop->struct_size = 56;", "OK"
    yield "a longer loop whose tail is not zero", "a->loop->struct_size = 80; w->m.loop.tail[7] = 1;", "STRUCT"
    yield "the longest loop, last byte set", "a->loop->struct_size = 4096; w->m.loop.tail[4023] = 1;", "STRUCT"
    yield "the longest loop, zero tail", "a->loop->struct_size = 4096;", "OK"
    yield from assign("a->loop->flags", ("2u", "0x80000000u", "0xFFFFFFFFu", "1u << 20"), "ARGUMENT")
    yield from assign("a->loop->flags", ("MARTLET_KEEP_ORDER",), "OK")
    epochs = (0, -1, *INT64, "(int64_t)1 << 31", "(int64_t)1 << 62")
    yield from assign("a->loop->epochs", epochs, "ARGUMENT" if function.endswith("fit") else "ANY")
    most = "((int64_t)1 << 31) + 1"
    yield from assign("a->loop->batch_size", (-1, most, *INT64, "(int64_t)1 << 62"), "ARGUMENT")
    yield from assign("a->loop->batch_size", (1, 3, "BATCH + 1", "SAMPLES + 1"), "OK")
    yield from assign("a->loop->batch_size", ("(int64_t)1 << 31", "(int64_t)1 << 28"), "OK|MEMORY")
    if not function.endswith("predict"):
        yield from weight_values("w->array", "a->loop->weights = &w->array;")
    if not function.endswith("fit"):
        return
    yield "validation_x alone", "a->loop->validation_x = &w->m.x;", "NULL"
    yield "validation_y alone", "a->loop->validation_y = &w->m.y;", "NULL"
    both = "a->loop->validation_x = &w->array, a->loop->validation_y = &w->out_array;"
    both += " w->array = w->m.x, w->out_array = w->m.y;"
    yield "validation by the samples themselves", both, "OK"
    yield from buffer_places("w->array.data", "SAMPLES * FEATURES * 4", function, both)
    yield from buffer_places("w->out_array.data", "SAMPLES * 4", function, both)
    yield "validation_x.dtype", f"{both} w->array.dtype = MARTLET_FP64;", "TYPE"
    yield "validation_x.count", f"{both} w->array.count -= 1;", "SHAPE"
    yield "validation_x.data", f"{both} w->array.data = NULL;", "NULL"
    yield "validation_y.count", f"{both} w->out_array.count -= 1;", "SHAPE"
    yield "validation_y.data", f"{both} w->out_array.data = (char *)w->scratch + 1;", "ALIGNMENT"
    yield "validation_y.reserved", f"{both} w->out_array.reserved = 1;", "STRUCT"
    label = f"{both} w->out_array.dtype = MARTLET_INT64; w->out_array.data = w->m.labels64; w->m.labels64[11]"
    for value in (-1, "CLASSES", "(int64_t)1 << 32"):
        yield f"a validation label of {value}", f"{label} = {value};", "ARGUMENT"


def result_values() -> Iterator[Value]:
    yield "NULL", "a->out_result = NULL;", "OK"
    yield from assign("a->out_result->struct_size", (0, 1, 103, 4097, "UINT32_MAX"), "STRUCT")
    yield "a longer result", "a->out_result->struct_size = 304; w->m.result.tail[7] = 1;", "OK"
    yield "fields that are not set", "memset((char *)a->out_result + 4, 0xAB, 100);", "OK"
    yield "misaligned", "a->out_result = (void *)((char *)at_page_end(NULL, 256) + 4);", "ALIGNMENT"
    inside = "a->out_result = (void *)w->m.inputs; a->out_result->struct_size = 296;"
    yield "the result lies in the samples", inside, "OVERLAP|OK"


def out_floats(function: str) -> Iterator[Value]:
    """The output of predictions and forward."""
    yield "NULL", "a->out = NULL;", "NULL"
    for offset in (1, 2, 3):
        yield f"misaligned by {offset}", f"a->out = (void *)((char *)w->scratch + {offset});", "ALIGNMENT"
    yield "the samples", "a->out = w->m.inputs;", "OVERLAP"
    yield "the last of the samples", "a->out = w->m.inputs + SAMPLES * FEATURES - 1;", "OVERLAP"
    yield "ends in the samples", "a->out = w->m.inputs - a->out_count + 1;", "OVERLAP"
    yield "at a page's end", "a->out = at_page_end(NULL, (size_t)a->out_count * 4);", "OK"
    for buffer in ("PARAMETERS",) if function.endswith("sequence_predict") else ("PARAMETERS", "STATISTICS"):
        get = f"REQUIRE(martlet_model_buffer_get(a->model, &a->out, NULL, MARTLET_BUFFER_{buffer}) == MARTLET_OK);"
        yield f"the model's {buffer}", get, "OVERLAP"
        yield f"ends in the model's {buffer}", f"{get} a->out -= a->out_count - 1;", "OVERLAP"


def note_values(function: str, name: str) -> Iterator[Value]:
    """A note's key, or its text."""
    target = f"a->{name}"
    yield "NULL", f"{target} = NULL;", "NULL" if name == "key" else "OK"
    yield "empty", f'{target} = "";', "ARGUMENT" if name == "key" else "OK"
    for text in ("x\\xff\\xfe", "x\\xe2\\x82", "\\x80", "\\xc0\\x80", "\\xed\\xa0\\x80", "\\xf5\\x80\\x80\\x80"):
        yield f"not UTF-8, {text!r}", f'{target} = "{text}";', "ARGUMENT"
    longest = 200 if name == "key" else 1 << 24
    yield "one byte too long", f"{target} = long_text({longest + 1});", "ARGUMENT"
    yield "the longest", f"{target} = long_text({longest});", "OK"
    yield "with %s and quotes", f'{target} = "%s%n\\"\\\\\\n";', "OK"
    yield "ends at a page", f'{target} = at_page_end("a text", 7);', "OK"


def number_values(function: str, name: str) -> Iterator[Value]:
    """Numbers by value."""
    target = f"a->{name}"
    if name == "struct_size":
        yield from assign(target, (0, 1, 4, 47, 4097, "SIZE_MAX", "SIZE_MAX / 2", "(size_t)1 << 32"), "STRUCT")
    elif name == "kind":
        yield from assign(target, (-1, 44, 1000, *INT32), "ARGUMENT")
    elif name == "node":
        yield from assign(target, (-1, 0, 2, 1000, *INT32), "ARGUMENT")
    elif name == "loss":
        yield from assign(target, (0, -1, 14, 1000, *INT32), "ARGUMENT")
    elif name == "rank":
        yield from assign(target, (0, -1, 9, 64, *INT64, "(int64_t)1 << 32"), "SHAPE")
    elif name == "seed":
        yield from assign(target, (0, "UINT64_MAX", "(uint64_t)1 << 63"), "OK")
    elif name == "input_count":
        yield from assign(target, (-1, *INT64, "(int64_t)1 << 32", 1025), "ARGUMENT")
        yield "two", "a->input_count = 2;", "ARGUMENT"
        yield "none", "a->input_count = 0; a->inputs = NULL;", "OK"
    elif name == "out_count":
        yield from assign(
            target, (0, 1, -1, "SAMPLES * CLASSES - 1", "SAMPLES * CLASSES + 1", *INT64, *HUGE), "SHAPE|OVERLAP"
        )
    elif name == "buffer":
        yield from assign(target, (-1, 3, 1000, 1 << 16, *INT32), "ARGUMENT")
    elif name == "mode":
        yield from assign(target, (-1, 2, 1000, 1 << 16, *INT32), "ARGUMENT")
    elif name == "output":
        yield from assign(target, (-1, 1, 1000, 1 << 16, *INT32), "ARGUMENT")
    elif name == "keeps":
        yield from assign(target, (-1, 2, 1000, 1 << 16, *INT32), "ARGUMENT")
    elif name == "metric":
        yield from assign(target, (-1, 11, 16, 1000, 1 << 16, *INT32), "ARGUMENT")
    elif name == "count" and function.endswith("sequence_reset"):
        yield from assign(target, (0, -1, -1000, *INT64, *HUGE, "((int64_t)1 << 31) + 1"), "ARGUMENT")
        yield from assign(target, (1, "SAMPLES", "SAMPLES + 1"), "OK")
    elif name == "count" and function.endswith("order_get"):
        yield from assign(target, (-1, -1000, *INT64, *HUGE, "((int64_t)1 << 40) + 1"), "ARGUMENT")
        yield from assign(target, (0, 1), "OK")
    elif name == "count":
        yield from assign(target, (0, -1, 15, 17, 1 << 20, *INT64, *HUGE), "SHAPE")
    elif name == "index":
        yield from assign(target, (-1, 6, 1000, "(int64_t)1 << 32", *INT64), "ARGUMENT")
    elif name == "epoch":
        yield from assign(target, (-1, -2, -1000, "INT64_MIN", "-((int64_t)1 << 32)"), "ARGUMENT")
        yield from assign(target, (0, "INT64_MAX"), "OK")
    elif name == "group":
        yield from assign(target, (-1, 1, 1000, 1 << 16, *INT32), "ARGUMENT")
    elif name == "hyperparameter":
        yield from assign(target, (0, -1, 4, 7, 8, 1000, *INT32), "ARGUMENT")
    elif name == "value":
        for number in ("MARTLET_LR", "MARTLET_BETA1", "MARTLET_EPS", "MARTLET_WEIGHT_DECAY"):
            for value in ODD_DOUBLES:
                yield f"{number} {value}", f"a->hyperparameter = {number}; {target} = {value};", "ARGUMENT"
        for value in ("1.0", "1e308"):
            yield f"MARTLET_BETA2 {value}", f"a->hyperparameter = MARTLET_BETA2; {target} = {value};", "ARGUMENT"


def slopes_values(name: str) -> Iterator[Value]:
    """Slopes of outputs, and where those of inputs go."""
    if name == "slopes":
        yield "NULL", "a->slopes = NULL;", "NULL"
        yield "misaligned", "a->slopes = (void *)((char *)w->scratch + 2);", "ALIGNMENT"
        yield "the input's", "a->slopes = w->array.data;", "OVERLAP"
        for buffer in ("PARAMETERS", "GRADIENTS", "STATISTICS"):
            get = f"martlet_model_buffer_get(w->m.model, &w->m.data, NULL, MARTLET_BUFFER_{buffer})"
            code = f"REQUIRE({get} == MARTLET_OK); a->slopes = w->m.data;"
            yield f"the model's {buffer}", code, "OVERLAP"
        for what in ("NAN", "INFINITY", "3e38f"):
            yield f"one is {what}", f"w->m.targets[3] = {what};", "OK"
    elif name == "slope_count":
        wrong = (0, 1, -1, "BATCH * CLASSES - 1", "BATCH * CLASSES + 1", *INT64, *HUGE)
        yield from assign("a->slope_count", wrong, "SHAPE")
    else:
        yield "NULL", "a->input_slopes = NULL;", "OK"
        yield "misaligned", "a->input_slopes = (void *)((char *)at_page_end(NULL, 128) + 4);", "ALIGNMENT"
        one = "(*a->input_slopes)"
        yield "none wanted", f"{one}.count = 0;", "OK"
        yield from assign(f"{one}.data", ("NULL",), "NULL")
        yield from assign(f"{one}.data", ("(char *)w->scratch + 1",), "ALIGNMENT")
        yield from assign(f"{one}.data", ("w->m.targets",), "OVERLAP")
        yield from assign(f"{one}.count", (-1, 1, *INT64, *HUGE, "FEATURES", "BATCH * FEATURES + FEATURES"), "SHAPE")
        yield from assign(f"{one}.dtype", (0, -1, 14, 1000, *INT32, 6, 7, 8), "TYPE")
        yield from assign(f"{one}.rank", (-1, 65, *INT32), "SHAPE")
        yield from assign(f"{one}.reserved", (1, "UINT64_MAX"), "STRUCT")


def outputs_values(name: str) -> Iterator[Value]:
    """The nodes that are a model's outputs."""
    if name == "nodes":
        yield "NULL", "a->nodes = NULL;", "NULL"
        yield "misaligned", "a->nodes = (void *)((char *)w->scratch + 2);", "ALIGNMENT"
        yield from assign("a->nodes[1]", (-1, 0, 1, 3, 1000, *INT32), "ARGUMENT")
        yield "at a page's end", "a->nodes = at_page_end((const char *)(const int32_t[]){2, 1}, 8);", "OK"
    else:
        yield from assign("a->count", (0, -1, 17, 1 << 20, *INT64, *HUGE), "ARGUMENT")
        yield "one", "a->count = 1;", "OK"


def sizes_values(name: str) -> Iterator[Value]:
    """Other sizes of a model's inputs, where a dense layer reads the last."""
    if name == "sizes":
        yield "NULL", "a->sizes = NULL;", "NULL"
        yield "misaligned", "a->sizes = (void *)((char *)w->scratch + 4);", "ALIGNMENT"
        yield from assign("w->sizes[0]", (-1, 0, 1, 3, 1 << 41, *INT64, *HUGE), "SHAPE")
        yield "at a page's end", "a->sizes = at_page_end((const char *)(const int64_t[]){FEATURES}, 8);", "OK"
    else:
        yield from assign("a->count", (0, -1, 2, 1 << 20, *INT64, *HUGE), "ARGUMENT")


def group_values(name: str) -> Iterator[Value]:
    """Groups of parameters, and which view is of which."""
    if name == "groups":
        yield "NULL", "a->groups = NULL;", "NULL"
        yield "misaligned", "a->groups = (void *)((char *)at_page_end(NULL, 1024) + 4);", "ALIGNMENT"
        yield from config_values("a->groups[1]", tail=False)
        yield "a short first group", "a->groups[0].struct_size = 72;", "STRUCT"
        yield "Muon for a bias", "martlet_config_init(&a->groups[1], sizeof *a->groups, MARTLET_MUON);", "SHAPE"
        muon = "martlet_config_init(&a->groups[0], sizeof *a->groups, MARTLET_MUON);"
        yield "Muon for the kernel", muon, "OK"
        yield "Muon with blocks that do not divide the outputs", f"{muon} a->groups[0].blocks = 3;", "SHAPE"
    elif name == "group_count":
        yield from assign("a->group_count", (0, -1, 1, 1025, *INT64, "(int64_t)1 << 32"), "ARGUMENT")
    elif name == "view_groups":
        yield "NULL", "a->view_groups = NULL;", "NULL"
        yield "misaligned", "a->view_groups = (void *)((char *)w->scratch + 2);", "ALIGNMENT"
        yield from assign("a->view_groups[1]", (-1, 2, 1000, *INT32), "ARGUMENT")
        yield "at a page's end", "a->view_groups = memset(at_page_end(NULL, 8), 0, 8);", "OK"
    else:
        yield from assign("a->view_count", (0, -1, 1, 3, *INT64, "((int64_t)1 << 32) + 2"), "ARGUMENT")


def values_for(function: str, kind: str, name: str) -> Iterator[Value]:
    """The hostile values of one declared parameter."""
    if function == "martlet_matmul":
        yield from matmul_values(name)
    elif kind == "martlet_model *":
        yield from model_values(function)
    elif name == "out_result" and not function.endswith("init"):
        yield from result_values()
    elif kind.endswith("*") and name.startswith("out_"):
        optional = function.endswith(("_add", "_apply", "buffer_get"))
        sized = "init" in function or function.endswith(("config_get", "layer_get", "training_get", "score_get"))
        lists = {"out_rows": "8 * (size_t)a->count", "out_counts": "sizeof w->m.counts"}
        size = "a->struct_size" if sized else lists.get(name, "")
        yield from out_values(kind, name, may_be_null=optional, size=size)
    elif kind == "martlet_layer *":
        yield from layer_values()
    elif kind == "martlet_training *":
        yield from training_values()
    elif function.endswith("groups_compile"):
        yield from group_values(name)
    elif kind == "martlet_config *":
        yield "NULL", "a->optimizer = NULL;", "OK"
        yield from config_values("(*a->optimizer)", tail=True)
    elif kind == "martlet_loop *":
        yield from loop_values(function)
    elif name == "copy":
        yield from copy_values()
    elif function.endswith("_backward"):
        yield from slopes_values(name)
    elif name in ("function", "user"):
        yield "NULL", f"a->{name} = NULL;", "OK"
    elif function.endswith("outputs_set"):
        yield from outputs_values(name)
    elif function.endswith("sizes_set"):
        yield from sizes_values(name)
    elif name in ("sizes", "inputs"):
        yield from input_values(name)
    elif name == "x":
        yield from x_values(function)
    elif name == "y":
        yield from y_values(function)
    elif name in ("rows", "row_count"):
        yield from rows_values(name, "SHAPE" if function.endswith("_forward") else "OK")
    elif name == "weights":
        yield "NULL", "a->weights = NULL;", "OK"
        yield from weight_values("w->array", "a->weights = &w->array;")
    elif name == "out":
        yield from out_floats(function)
    elif name in ("key", "text"):
        yield from note_values(function, name)
    elif kind == "char *":
        yield from path_values(function)
    else:
        yield from number_values(function, name)
