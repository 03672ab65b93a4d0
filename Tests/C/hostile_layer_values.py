"""What hostile.py gives as a layer, as a training, and as the sizes and nodes of a model.

Values are as in hostile_values.py. A layer is added to a model of 8 x 8 x 3 images; `make_layer` of
hostile_model_world.h turns the call's layer into a good one of another kind.
"""

from collections.abc import Iterator

from hostile_words import INT32, INT64, Value, assign

BELOW_ONE = (0, -1, *INT64)
# What fp32 cannot hold: these numbers are used in it.
TOO_NEAR_ONE = ("1.0", "0.9999999999999999", "0.99999999")
NO_NUMBERS = ("NAN", "INFINITY", "-INFINITY", "-1.0", "-5e-324", "-1e308")
BIG = ("((int64_t)1 << 30) + 1", "(int64_t)1 << 40", "(int64_t)1 << 62", "INT64_MAX")


def of_kind(kind: str, field: str, values: tuple[object, ...], expected: str, more: str = "") -> Iterator[Value]:
    """A layer of a kind with one field spoiled; `more` is done before."""
    for value in values:
        code = f"make_layer(&w->m, MARTLET_LAYER_{kind}); {more} a->layer->{field} = {value};"
        yield f"{kind}: {more.replace('a->layer->', '')} {field} = {value}", code, expected


def layer_values() -> Iterator[Value]:
    yield "NULL", "a->layer = NULL;", "NULL"
    yield "misaligned", "a->layer = (void *)((char *)at_page_end(NULL, 512) + 4);", "ALIGNMENT"
    yield from assign("a->layer->struct_size", (0, 1, 247, 4097, 65536, "UINT32_MAX", "INT32_MAX"), "STRUCT")
    yield "the first version's layer", "a->layer->struct_size = 248;", "OK"
    yield (
        "a longer layer whose tail is not zero",
        "a->layer->struct_size = sizeof(martlet_layer) + 8; w->m.layer.tail[7] = 1;",
        "STRUCT",
    )
    yield "a longer layer, zero tail", "a->layer->struct_size = sizeof(martlet_layer) + 8;", "OK"
    yield (
        "the longest layer, last byte set",
        "a->layer->struct_size = 4096; w->m.layer.tail[4095 - sizeof(martlet_layer)] = 1;",
        "STRUCT",
    )
    yield "the longest layer, zero tail", "a->layer->struct_size = 4096;", "OK"
    yield from assign("a->layer->kind", (-1, 44, 1000, *INT32), "ARGUMENT")
    yield from assign("a->layer->activation", (-1, 14, 1000, *INT32), "ARGUMENT")
    yield from assign("a->layer->activation", tuple(range(14)), "OK")
    yield from assign("a->layer->flags", ("524288u", "0x80000000u", "0xFFFFFFFFu", "1u << 20", "1u << 21"), "ARGUMENT")
    for kind, flags in {
        "DENSE": 17,
        "CONV2D": 17,
        "BATCH_NORM": 23,
        "LAYER_NORM": 19,
        "GROUP_NORM": 19,
        "RMS_NORM": 18,
        "DEPTHWISE_CONV2D": 17,
        "CONV2D_TRANSPOSE": 17,
        "AVERAGE_POOL2D": 8,
        "GLOBAL_MAX_POOL2D": 0,
        "MAX_POOL2D": 0,
        "DROPOUT": 0,
        "FLATTEN": 0,
        "NORMALIZATION": 0,
        "GLOBAL_AVERAGE_POOL2D": 0,
        "ACTIVATION": 0,
        "RANDOM_FLIP": 96,
        "UP_SAMPLING2D": 0,
        "RESCALING": 0,
        "GAUSSIAN_NOISE": 0,
        "RANDOM_CROP": 0,
    }.items():
        for bit in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192):
            yield from of_kind(kind, "flags", (f"{bit}u",), "OK" if flags & bit else "ARGUMENT")
        convolutions = ("CONV2D", "DEPTHWISE_CONV2D", "CONV2D_TRANSPOSE")
        if kind not in ("DENSE", "BATCH_NORM", "ACTIVATION", *convolutions):
            yield from of_kind(kind, "activation", (1, 7), "ARGUMENT")
        if kind not in ("AVERAGE_POOL2D", "MAX_POOL2D", *convolutions):
            explicit = "a->layer->padding = MARTLET_PADDING_EXPLICIT;"
            yield from of_kind(kind, "pads[0]", (1, "INT64_MIN"), "ARGUMENT", explicit)
            yield from of_kind(kind, "pads[3]", (7,), "ARGUMENT", explicit)
    yield from assign("a->layer->padding", (-1, 3, *INT32), "ARGUMENT")
    for field in ("kernel", "bias"):
        yield from assign(f"a->layer->{field}_initializer", (-1, 20, 1000, *INT32), "ARGUMENT")
        for number in (1, 8, 9, 10, 11, 15, 19):
            chosen = f"a->layer->{field}_initializer = {number};"
            for value in ("NAN", "INFINITY", "-INFINITY", "1e308", "-1e39"):
                yield f"{field}: {number}, {value}", f"{chosen} a->layer->{field}_value = {value};", "ARGUMENT"
            wanted = "OK" if number == 1 else "ARGUMENT"
            yield f"{field}: {number}, -1", f"{chosen} a->layer->{field}_value = -1.0;", wanted
    for number in range(10, 20):
        wanted = "ARGUMENT" if number == 10 else "OK"
        yield f"bias: {number}", f"a->layer->bias_initializer = {number}; a->layer->bias_value = 1;", wanted
        code = f"a->layer->kernel_initializer = {number}; a->layer->kernel_value ="
        yield f"kernel: {number}, 2", f"{code} 2;", "OK"
        yield f"kernel: {number}, 0", f"{code} 0;", "ARGUMENT"
    code = "add_dense(w->m.flat, 5000); a->model = w->m.flat; a->inputs = NULL; a->input_count = 0;"
    orthogonal = "a->layer->units = 5000; a->layer->kernel_initializer = 10; a->layer->kernel_value = 1;"
    yield "5000 orthogonal vectors", f"{code} {orthogonal}", "UNSUPPORTED"
    for field in ("l1", "l2"):
        yield from assign(f"a->layer->{field}", (*NO_NUMBERS, "2e38", "1e39"), "ARGUMENT")
        yield from assign(f"a->layer->{field}", ("0.0", "-0.0", "1e-3", "1e38"), "OK")
        yield from of_kind("ACTIVATION", field, ("1e-3",), "ARGUMENT")
        yield from of_kind("BATCH_NORM", field, ("1e-3",), "ARGUMENT")
    yield from assign("a->layer->units", (*BELOW_ONE, *BIG), "ARGUMENT")
    yield from assign("a->layer->units", (1, 1000, "(int64_t)1 << 30"), "ANY")
    yield from of_kind("ACTIVATION", "slope", NO_NUMBERS, "ARGUMENT", "a->layer->activation = 2;")
    yield from of_kind("ACTIVATION", "slope", ("0.0", "5e-324", "3e38"), "OK", "a->layer->activation = 2;")
    yield from of_kind("ACTIVATION", "slope", ("1e39", "1e308"), "ARGUMENT", "a->layer->activation = 2;")
    yield from of_kind("DROPOUT", "rate", (*NO_NUMBERS, *TOO_NEAR_ONE, "1.0000000000000002", "2.0"), "ARGUMENT")
    yield from of_kind("DROPOUT", "rate", ("0.0", "-0.0", "5e-324", "0.9999999"), "OK")
    yield from of_kind("GAUSSIAN_NOISE", "rate", (*NO_NUMBERS, "1e39"), "ARGUMENT")
    yield from of_kind("GAUSSIAN_NOISE", "rate", ("0.0", "5e-324", "2.0", "3e38"), "OK")
    for field in ("scale", "offset"):
        yield from of_kind("RESCALING", field, ("NAN", "INFINITY", "-INFINITY", "1e39", "-1e308"), "ARGUMENT")
        yield from of_kind("RESCALING", field, ("0.0", "-1.0", "3e38", "5e-324"), "OK")
    yield from of_kind("BATCH_NORM", "momentum", (*NO_NUMBERS, "1.0000000000000002"), "ARGUMENT")
    yield from of_kind("BATCH_NORM", "momentum", ("0.0", "1.0"), "OK")
    for kind in ("BATCH_NORM", "LAYER_NORM", "RMS_NORM", "GROUP_NORM"):
        yield from of_kind(kind, "epsilon", (*NO_NUMBERS, "0.0", "-0.0", "5e-324", "1e-46", "1e39"), "ARGUMENT")
    yield from window_values()
    yield from frame_values()
    yield from sequence_values()
    yield from graph_values()
    yield from size_values()
    yield from name_values()
    framing = ("ZERO_PADDING2D", "UP_SAMPLING2D", "RANDOM_FLIP", "RANDOM_CROP", "RANDOM_TRANSLATION")
    for kind in ("MAX_POOL2D", "AVERAGE_POOL2D", "GLOBAL_AVERAGE_POOL2D", "CONV2D", "DEPTHWISE_CONV2D", *framing):
        code = f"make_layer(&w->m, MARTLET_LAYER_{kind}); a->model = w->m.flat;"
        yield f"{kind} over samples that are no images", code, "SHAPE"
    for kind in ("FLATTEN", "NORMALIZATION", "GLOBAL_AVERAGE_POOL2D", "RESHAPE", "PERMUTE"):
        yield f"{kind}", f"make_layer(&w->m, MARTLET_LAYER_{kind});", "OK"


def window_values() -> Iterator[Value]:
    """Convolution and pools."""
    for place in (0, 1):
        for kind in ("CONV2D", "MAX_POOL2D", "AVERAGE_POOL2D"):
            sizes = (*BELOW_ONE, (1 << 20) + 1, "(int64_t)1 << 62")
            yield from of_kind(kind, f"kernel[{place}]", sizes, "ARGUMENT")
            yield from of_kind(kind, f"kernel[{place}]", (9, 1 << 20), "SHAPE")
            yield from of_kind(kind, f"kernel[{place}]", (1 << 20,), "ANY", "a->layer->padding = MARTLET_PADDING_SAME;")
            yield from of_kind(kind, f"kernel[{place}]", (8,), "OK")
            yield from of_kind(kind, f"stride[{place}]", (-1, *INT64, (1 << 20) + 1), "ARGUMENT")
            yield from of_kind(kind, f"stride[{place}]", (1, 9, 1 << 20), "ANY")
            yield from of_kind(kind, f"dilation[{place}]", (*BELOW_ONE, (1 << 20) + 1), "ARGUMENT")
        yield from of_kind("CONV2D", f"stride[{place}]", (0,), "ARGUMENT")
        for kind in ("DEPTHWISE_CONV2D", "CONV2D_TRANSPOSE"):
            for field in ("kernel", "stride", "dilation"):
                sizes = (*BELOW_ONE, (1 << 20) + 1, "(int64_t)1 << 62")
                yield from of_kind(kind, f"{field}[{place}]", sizes, "ARGUMENT")
                yield from of_kind(kind, f"{field}[{place}]", (1, 9, 1 << 20), "ANY")
        padding = f"output_padding[{place}]"
        yield from of_kind("CONV2D_TRANSPOSE", padding, (-2, (1 << 20) + 1, *INT64), "ARGUMENT")
        yield from of_kind("CONV2D_TRANSPOSE", padding, (-1, 0, 5, 1 << 20), "OK")
        yield from of_kind("CONV2D", f"dilation[{place}]", (4, 1 << 20), "SHAPE")
        yield from of_kind("MAX_POOL2D", f"dilation[{place}]", (2, 1 << 20), "UNSUPPORTED")
    for kind in ("CONV2D", "MAX_POOL2D", "AVERAGE_POOL2D"):
        for place in range(4):
            explicit = "a->layer->padding = MARTLET_PADDING_EXPLICIT;"
            yield from of_kind(kind, f"pads[{place}]", (-1, 3, *INT64, 1 << 20), "ARGUMENT", explicit)
            yield from of_kind(kind, f"pads[{place}]", (1,), "OK", explicit)
        for place in range(4):
            yield from of_kind(kind, f"pads[{place}]", (-1, 1, 1 << 20, *INT64), "ARGUMENT")
        wide = "a->layer->kernel[0] = 9; a->layer->pads[1] = 1;"
        yield from of_kind(kind, "pads[0]", ("INT64_MAX",), "ARGUMENT", wide)
        wide += " a->layer->padding = MARTLET_PADDING_SAME;"
        yield from of_kind(kind, "pads[0]", ("INT64_MAX",), "ARGUMENT", wide)
    wide = "a->layer->padding = MARTLET_PADDING_EXPLICIT; a->layer->dilation[0] = 3;"
    yield from of_kind("CONV2D", "pads[0]", (6,), "OK", wide)
    yield from of_kind("CONV2D", "pads[0]", (7, 8), "ARGUMENT", wide)
    for kind in ("DEPTHWISE_CONV2D", "CONV2D_TRANSPOSE"):
        explicit = "a->layer->padding = MARTLET_PADDING_EXPLICIT;"
        yield from of_kind(kind, "pads[1]", (-1, 3, *INT64), "ARGUMENT", explicit)
        yield from of_kind(kind, "pads[1]", (1,), "OK", explicit)
        yield from of_kind(kind, "units", (*BELOW_ONE, *BIG), "ARGUMENT")
        yield from of_kind(kind, "groups", (0, 7, "INT64_MIN"), "OK")
    wide = "a->layer->padding = MARTLET_PADDING_EXPLICIT; a->layer->kernel[0] = 20; a->layer->pads[0] = 19;"
    yield from of_kind("CONV2D_TRANSPOSE", "pads[1]", (7,), "OK", wide)
    yield from of_kind("CONV2D_TRANSPOSE", "pads[1]", (8, 19), "SHAPE", wide)
    yield from of_kind("GROUP_NORM", "groups", (*BELOW_ONE, 65537, "(int64_t)1 << 62"), "ARGUMENT")
    yield from of_kind("GROUP_NORM", "groups", (2, 6, 65536), "SHAPE")
    yield from of_kind("GROUP_NORM", "groups", (1, 3), "OK")
    yield from of_kind("CONV2D", "groups", (*BELOW_ONE, 4, 7, "(int64_t)1 << 62"), "ARGUMENT")
    yield from of_kind("CONV2D", "groups", (2, 6), "SHAPE")
    yield from of_kind("CONV2D", "groups", (3,), "OK")
    yield from of_kind("CONV2D", "units", (*BELOW_ONE, *BIG), "ARGUMENT")
    huge = "a->layer->padding = MARTLET_PADDING_SAME; a->layer->kernel[0] = a->layer->kernel[1] = 1 << 20;"
    yield from of_kind("CONV2D", "units", (1, 6, "(int64_t)1 << 30"), "SHAPE", huge)


def frame_values() -> Iterator[Value]:
    """Images in another frame."""
    for place in range(4):
        yield from of_kind("ZERO_PADDING2D", f"pads[{place}]", (-1, (1 << 20) + 1, *INT64), "ARGUMENT")
        yield from of_kind("ZERO_PADDING2D", f"pads[{place}]", (0, 5, 1 << 20), "OK")
    all_around = "a->layer->pads[0] = a->layer->pads[1] = a->layer->pads[2] = 1 << 20;"
    yield from of_kind("ZERO_PADDING2D", "pads[3]", (1 << 20,), "SHAPE", all_around)
    for place in (0, 1):
        for kind in ("UP_SAMPLING2D", "RANDOM_CROP"):
            yield from of_kind(kind, f"kernel[{place}]", (*BELOW_ONE, (1 << 20) + 1), "ARGUMENT")
        yield from of_kind("UP_SAMPLING2D", f"kernel[{place}]", (1, 7, 1 << 20), "OK")
        yield from of_kind("RANDOM_CROP", f"kernel[{place}]", (1, 8), "OK")
        yield from of_kind("RANDOM_CROP", f"kernel[{place}]", (9, 1 << 20), "SHAPE")
        yield from of_kind("RANDOM_TRANSLATION", f"kernel[{place}]", (-1, *INT64, (1 << 20) + 1), "ARGUMENT")
        yield from of_kind("RANDOM_TRANSLATION", f"kernel[{place}]", (0, 1, 8, 1 << 20), "OK")
    yield from of_kind("UP_SAMPLING2D", "kernel[1]", (1 << 20,), "SHAPE", "a->layer->kernel[0] = 1 << 20;")
    most = "(int64_t)1 << 36"
    for place in (0, 2):
        yield from of_kind("RANDOM_TRANSLATION", f"pads[{place}]", (1, f"-({most}) - 1", *INT64), "ARGUMENT")
        yield from of_kind("RANDOM_TRANSLATION", f"pads[{place}]", (0, -1, f"-({most})"), "OK")
        yield from of_kind("RANDOM_TRANSLATION", f"pads[{place + 1}]", (-1, f"({most}) + 1", *INT64), "ARGUMENT")
        yield from of_kind("RANDOM_TRANSLATION", f"pads[{place + 1}]", (0, 1, most), "OK")
    yield from of_kind("RANDOM_TRANSLATION", "flags", (0, "2048u", "4096u", "2048u | 8192u", "16384u"), "OK")
    yield from of_kind("RANDOM_TRANSLATION", "flags", ("4096u | 8192u", "28672u", "1u", "1024u"), "ARGUMENT")
    yield from of_kind("RANDOM_TRANSLATION", "offset", ("NAN", "INFINITY", "1e39"), "ARGUMENT")


def sequence_values() -> Iterator[Value]:
    """Layers over sequences, and tables: the model of plain samples has no sequence, but may name rows."""
    for kind in ("CONV1D", "MAX_POOL1D", "AVERAGE_POOL1D", "GLOBAL_AVERAGE_POOL1D", "GLOBAL_MAX_POOL1D"):
        for model in ("flat", "image"):
            code = f"make_layer(&w->m, MARTLET_LAYER_{kind}); a->model = w->m.{model};"
            yield f"{kind} over samples of {model}, which are no sequences", code, "SHAPE"
    for kind in ("CONV1D", "MAX_POOL1D", "AVERAGE_POOL1D"):
        yield from of_kind(kind, "kernel[0]", (*BELOW_ONE, (1 << 20) + 1, "(int64_t)1 << 62"), "ARGUMENT")
        yield from of_kind(kind, "kernel[1]", (0, -1, *INT64), "SHAPE")
        yield from of_kind(kind, "stride[0]", (-1, *INT64), "ARGUMENT")
        explicit = "a->layer->padding = MARTLET_PADDING_EXPLICIT;"
        yield from of_kind(kind, "pads[1]", (-1, 7, *INT64), "ARGUMENT", explicit)
        yield from of_kind(kind, "pads[2]", (1, -1, *INT64), "ARGUMENT", explicit)
    for number in ("NAN", "INFINITY", "1e39"):
        yield from of_kind("MASKING", "offset", (number,), "ARGUMENT")
    for model in ("flat", "image"):
        code = f"make_layer(&w->m, MARTLET_LAYER_MASKING); a->model = w->m.{model};"
        yield f"MASKING over samples of {model}, which are no sequences", code, "SHAPE"
        code = f"make_layer(&w->m, MARTLET_LAYER_POSITION); a->model = w->m.{model};"
        yield f"POSITION over samples of {model}, which are no sequences", code, "SHAPE"
    yield from of_kind("POSITION", "flags", ("1u", "262144u"), "ARGUMENT")
    for model in ("flat", "image"):
        code = f"make_layer(&w->m, MARTLET_LAYER_CROPPING1D); a->model = w->m.{model};"
        yield f"CROPPING1D over samples of {model}, which are no sequences", code, "SHAPE"
    yield from of_kind("CROPPING1D", "units", (-1, (1 << 30) + 1, *INT64), "ARGUMENT")
    yield from of_kind("CROPPING1D", "units", (0, 1, 1 << 30), "SHAPE")
    for place in (0, 1):
        yield from of_kind("CROPPING1D", f"pads[{place}]", (-1, (1 << 20) + 1, *INT64), "ARGUMENT")
        yield from of_kind("CROPPING1D", f"pads[{place + 2}]", (-1, 1, *INT64), "ARGUMENT")
    yield from of_kind("MASKING", "flags", ("1u", "2097152u"), "ARGUMENT")
    yield from of_kind("MASKING", "flags", ("4194304u",), "SHAPE")
    for count, flags, status in ((2, 0, "SHAPE"), (2, 4194304, "SHAPE"), (3, 4194304, "ARGUMENT"), (3, 0, "ARGUMENT")):
        more = f"memset(a->inputs, 0, sizeof *a->inputs * {count}); a->input_count = {count};"
        code = f"make_layer(&w->m, MARTLET_LAYER_MASKING); a->layer->flags = {flags}u; {more}"
        yield f"MASKING of {count} nodes with flags {flags}", code, status
    three = "a->inputs[0] = a->inputs[1] = a->inputs[2] = 0; a->input_count = 3;"
    yield "ATTENTION of one", "make_layer(&w->m, MARTLET_LAYER_ATTENTION);", "ARGUMENT"
    yield "ATTENTION of images", f"make_layer(&w->m, MARTLET_LAYER_ATTENTION); {three}", "SHAPE"
    yield from of_kind("ATTENTION", "groups", (*BELOW_ONE, 65537, "(int64_t)1 << 62"), "ARGUMENT", three)
    yield from of_kind("ATTENTION", "flags", ("16u", "1u", "128u"), "ARGUMENT", three)
    yield from of_kind("ATTENTION", "rate", ("1.0", "-0.1", "NAN", "INFINITY", "0.99999999"), "ARGUMENT", three)
    all_steps, backward, order, zero = 128, 256, 65536, 131072
    for kind in ("LSTM", "GRU", "SIMPLE_RNN"):
        for flags in (order, order + all_steps, order + backward, zero, zero + backward):
            yield from of_kind(kind, "flags", (f"{flags}u",), "ARGUMENT")
        kept = "a->layer->flags |= MARTLET_STATEFUL;"
        yield from of_kind(kind, "groups", (*BELOW_ONE, (1 << 20) + 1, "(int64_t)1 << 62"), "ARGUMENT", kept)
        yield from of_kind(kind, "groups", (1, 1 << 20), "SHAPE", kept)
        yield from of_kind(kind, "groups", (*BELOW_ONE, 1 << 20), "SHAPE")
        yield from of_kind(kind, "flags", ("524288u", "1048576u", "1572992u"), "SHAPE")
        for count in (2, 3, 4):
            status = "SHAPE" if count <= (3 if kind == "LSTM" else 2) else "ARGUMENT"
            more = f"memset(a->inputs, 0, sizeof *a->inputs * {count}); a->input_count = {count};"
            yield f"{kind} of {count} nodes", f"make_layer(&w->m, MARTLET_LAYER_{kind}); {more}", status
        yield from of_kind(kind, "flags", (f"{order + zero + all_steps + backward}u",), "SHAPE")
    for kind, flags in {"LSTM": 913, "GRU": 2097553, "SIMPLE_RNN": 401}.items():
        for model in ("flat", "image"):
            code = f"make_layer(&w->m, MARTLET_LAYER_{kind}); a->model = w->m.{model};"
            yield f"{kind} over samples of {model}, which are no sequences", code, "SHAPE"
        for bit in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 2097152, 4194304):
            yield from of_kind(kind, "flags", (f"{bit}u",), "SHAPE" if flags & bit else "ARGUMENT")
        yield from of_kind(kind, "units", (*BELOW_ONE, *BIG), "ARGUMENT")
        for field in ("activation", "recurrent_activation"):
            yield from of_kind(kind, field, (-1, 14, *INT32), "ARGUMENT")
            yield from of_kind(kind, field, (3, 4, 7, 12), "UNSUPPORTED")
            yield from of_kind(kind, field, (0, 1, 2, 5, 6, 8, 13), "SHAPE")
        yield from of_kind(kind, "recurrent_initializer", (-1, 20, *INT32), "ARGUMENT")
        for field in ("rate", "recurrent_rate"):
            yield from of_kind(kind, field, ("NAN", "-0.1", "-INFINITY", *TOO_NEAR_ONE), "ARGUMENT")
            yield from of_kind(kind, field, ("0.0", "0.999", "5e-324"), "SHAPE")
        yield from of_kind(kind, "recurrent_value", ("NAN", "INFINITY", "0.0", "-1.0", "1e39"), "ARGUMENT")
        yield from of_kind(kind, "slope", NO_NUMBERS, "ARGUMENT", "a->layer->recurrent_activation = 2;")
    flat = "a->model = w->m.flat;"
    yield from of_kind("EMBEDDING", "vocabulary", (*BELOW_ONE, *BIG), "ARGUMENT", flat)
    yield from of_kind("EMBEDDING", "vocabulary", (1, 1000), "OK", flat)
    yield from of_kind("EMBEDDING", "units", (*BELOW_ONE, *BIG), "ARGUMENT", flat)
    yield from of_kind("EMBEDDING", "flags", (0, "16u", "1024u", "1040u", "32768u", "33808u"), "OK", flat)
    yield from of_kind("EMBEDDING", "flags", ("1u", "32u", "2048u"), "ARGUMENT", flat)
    sparse = flat + "a->layer->flags = MARTLET_SPARSE;"
    for field in ("l1", "l2"):
        yield from of_kind("EMBEDDING", field, (0.5, "5e-324"), "ARGUMENT", sparse)
        yield from of_kind("EMBEDDING", field, (0,), "OK", sparse)
    rows = flat + " a->layer->vocabulary = 7;"
    yield from of_kind("EMBEDDING", "still_row", (7, -2, *INT64), "ARGUMENT", rows)
    yield from of_kind("EMBEDDING", "still_row", (-1, 0, 6), "OK", rows)
    yield from of_kind("EMBEDDING", "still_row", (0,), "ARGUMENT", rows + sparse)
    most = "a->layer->units = (int64_t)1 << 30;"
    yield from of_kind("EMBEDDING", "vocabulary", ("(int64_t)1 << 30",), "SHAPE", flat + most)


def graph_values() -> Iterator[Value]:
    """Layers that read several nodes, and inputs."""
    for kind in ("ADD", "MULTIPLY", "CONCATENATE"):
        yield f"{kind} of one", f"make_layer(&w->m, MARTLET_LAYER_{kind});", "ARGUMENT"
        two = "a->inputs[0] = a->inputs[1] = 0; a->input_count = 2;"
        yield f"{kind} of a node with itself", f"make_layer(&w->m, MARTLET_LAYER_{kind}); {two}", "OK"
        other = "a->inputs[0] = 0; a->inputs[1] = 1; a->input_count = 2;"
        yield f"{kind} of a node that is not there", f"make_layer(&w->m, MARTLET_LAYER_{kind}); {other}", "ARGUMENT"
        apart = f"add_dense(w->m.flat, 8); add_dense(w->m.flat, 5); a->model = w->m.flat; {other} a->inputs[0] = 2;"
        wanted = "OK" if kind == "CONCATENATE" else "SHAPE"
        yield f"{kind} of two sizes", f"make_layer(&w->m, MARTLET_LAYER_{kind}); {apart}", wanted
    two = "a->inputs[0] = a->inputs[1] = 0; a->input_count = 2;"
    yield from of_kind("CONCATENATE", "axis", (-4, 3, 8, *INT32), "ARGUMENT", two)
    yield from of_kind("CONCATENATE", "axis", (-3, 0, 2), "OK", two)
    yield "INPUT that reads a node", "make_layer(&w->m, MARTLET_LAYER_INPUT);", "ARGUMENT"
    none = "a->inputs = NULL; a->input_count = 0;"
    yield from of_kind("INPUT", "rank", (0, -1, 9, *INT32), "SHAPE", none)
    yield from of_kind("INPUT", "sizes[0]", (0, -1, *INT64, "(int64_t)1 << 62"), "SHAPE", none)
    yield from of_kind("INPUT", "sizes[0]", (1, "(int64_t)1 << 40"), "OK", none)
    yield from of_kind("TIED_DENSE", "table", (0, 1, -1, *INT32), "ARGUMENT")
    yield from of_kind("TIED_DENSE", "flags", ("2u", "1024u", "32768u"), "ARGUMENT")
    yield from of_kind("TIED_DENSE", "l2", ("1.0", "NAN"), "ARGUMENT")
    yield from of_kind("DENSE", "still_row", (1, -2, *INT64), "OK")
    yield from of_kind("DENSE", "table", (1, -1, *INT32), "OK")


def size_values() -> Iterator[Value]:
    """Reshape and permute."""
    for kind in ("RESHAPE", "PERMUTE"):
        yield from of_kind(kind, "rank", (0, -1, 9, 64, *INT32), "SHAPE|ARGUMENT")
    yield from of_kind("RESHAPE", "sizes[0]", (0, -2, 7, 193, *INT64, "(int64_t)1 << 62", -1), "SHAPE")
    yield from of_kind("RESHAPE", "sizes[0]", (192, 1), "OK")
    both = "a->layer->sizes[0] = (int64_t)1 << 32;"
    yield from of_kind("RESHAPE", "sizes[1]", ("(int64_t)1 << 32", "-((int64_t)1 << 32)", 0, -1), "SHAPE", both)
    yield from of_kind("RESHAPE", "sizes[1]", (-2,), "SHAPE", "a->layer->sizes[0] = -96;")
    yield from of_kind("PERMUTE", "sizes[1]", (1, 2, 3, -1, *INT64, "(int64_t)1 << 32"), "SHAPE")
    yield from of_kind("PERMUTE", "rank", (1, 2, 4, 8), "SHAPE")


def name_values() -> Iterator[Value]:
    yield "name is empty", 'a->layer->name = "";', "ARGUMENT"
    for what, text in {
        "a slash": "a/b",
        "not UTF-8": "a\\xff\\xfe",
        "half a character": "a\\xe2\\x82",
        "a surrogate": "\\xed\\xa0\\x80",
        "that of the input": "input",
    }.items():
        yield f"name is {what}", f'a->layer->name = "{text}";', "ARGUMENT"
    yield "name of 201 bytes", "a->layer->name = long_text(201);", "ARGUMENT"
    yield "name of a million bytes", "a->layer->name = long_text(1000000);", "ARGUMENT"
    yield "name of 200 bytes", "a->layer->name = long_text(200);", "OK"
    yield "name of 200 bytes at a page's end", "a->layer->name = at_page_end(long_text(200), 201);", "OK"
    half = 'memcpy(w->m.name, long_text(199), 199); strcpy(w->m.name + 199, "\\xc3\\xa9"); a->layer->name = w->m.name;'
    yield "name of 201 bytes, the last two one character", half, "ARGUMENT"
    for text in ('\\"\\\\\\n\\x01\\x7f', "__metadata__", "dense.exp_avg", "%s%n", "dense_1"):
        yield f"name is {text}", f'a->layer->name = "{text}";', "OK"
    code = "add_dense(w->m.flat, 8); a->model = w->m.flat; a->inputs = NULL; a->input_count = 0;"
    yield "name that is taken", f'{code} a->layer->name = "dense";', "ARGUMENT"
    yield "a bad name, and an error", 'a->layer->name = "\\xff\\n%s%n"; a->layer->units = 0;', "ARGUMENT"


def training_values() -> Iterator[Value]:
    """What compile is told."""
    one = "a->training->"
    yield "NULL", "a->training = NULL;", "NULL"
    yield "misaligned", "a->training = (void *)((char *)at_page_end(NULL, 128) + 4);", "ALIGNMENT"
    yield from assign(f"{one}struct_size", (0, 1, 47, 4097, 65536, "UINT32_MAX", "INT32_MAX"), "STRUCT")
    yield "a longer struct whose tail is not zero", f"{one}struct_size = 80; w->m.training.tail[7] = 1;", "STRUCT"
    yield "the longest struct, last byte set", f"{one}struct_size = 4096; w->m.training.tail[4023] = 1;", "STRUCT"
    yield "the longest struct, zero tail", f"{one}struct_size = 4096;", "OK"
    yield from assign(f"{one}loss", (0, -1, 14, 1000, *INT32), "ARGUMENT")
    yield from assign(f"{one}loss", (2, 3, 4, 5, 6, 7, 8, 9, 10, 11), "OK")
    focal = ("martlet_training_init(a->training, sizeof *a->training, MARTLET_LOSS_FOCAL);",
             "martlet_training_init(a->training, sizeof *a->training, MARTLET_LOSS_BINARY_FOCAL);")  # fmt: skip
    for code in focal:
        yield "a focal loss", code, "OK"
        yield from assign(f"{code} {one}gamma", (*NO_NUMBERS, "-0.5", "100.5", "1e300"), "ARGUMENT")
        yield from assign(f"{code} {one}gamma", ("0.0", "0.5", "100.0"), "OK")
        yield from assign(f"{code} {one}alpha", ("NAN", "INFINITY", "-INFINITY", "-1.5", "1e300"), "ARGUMENT")
    yield from assign(f"{one}gamma", ("0.0", "3.0", *NO_NUMBERS), "ARGUMENT")
    yield from assign(f"{one}alpha", ("0.25", "-0.5", "NAN", "INFINITY", "-INFINITY"), "ARGUMENT")
    yield from assign(f"{one}weight", (*NO_NUMBERS, "-1.0", "1e39"), "ARGUMENT")
    yield from assign(f"{one}weight", ("0.0", "0.5", "3e38"), "OK")
    yield from assign(f"{one}from", (-1, 3, 1000, *INT32), "ARGUMENT")
    yield from assign(
        f"{one}metrics", ("1u << 11", "0x80000000u", "0xFFFFFFFFu", "1u << 20", "1u << MARTLET_METRIC_AUC"), "ARGUMENT"
    )
    yield from assign(f"{one}batch_size", (*BELOW_ONE, "((int64_t)1 << 31) + 1", "(int64_t)1 << 62"), "ARGUMENT")
    yield from assign(f"{one}batch_size", ("(int64_t)1 << 31", "(int64_t)1 << 30"), "MEMORY|SHAPE")
    yield from assign(f"{one}batch_size", (1, 1 << 16), "OK")
    yield from assign(f"{one}top", (0, -1, "INT32_MIN"), "ARGUMENT")
    yield from assign(f"{one}metrics = 15; {one}top", (5, "INT32_MAX"), "ARGUMENT")
    yield from assign(f"{one}metrics = 15; {one}top", (1, 4), "OK")
    yield from assign(f"{one}state_dtype", (0, 1, -1, 5, 9, 11, 13, 15, 16, *INT32), "TYPE")
    yield from assign(f"{one}state_dtype", (2, 3, 4, 10, 12, 14), "OK")
    yield from assign(f"{one}label_smoothing", (*NO_NUMBERS, *TOO_NEAR_ONE, "2.0"), "ARGUMENT")
    yield from assign(f"{one}label_smoothing", ("0.0", "-0.0", "0.9999999", "5e-324"), "OK")
    for loss in (2, 4, 5, 6):
        yield from assign(f"{one}loss = {loss}; {one}label_smoothing", ("0.1",), "ARGUMENT")
    huber = f"{one}loss = MARTLET_LOSS_HUBER; {one}delta"
    yield from assign(huber, (*NO_NUMBERS, "0.0", "-0.0", "5e-324", "1e-46", "1e39"), "ARGUMENT")
    yield from assign(huber, ("0.5", "3e38"), "OK")
    for loss in (1, 2, 3, 4, 5):
        yield from assign(f"{one}loss = {loss}; {one}delta", ("0.5", "7.0", *NO_NUMBERS), "ARGUMENT")
    for loss in (2, 4, 5, 6):
        yield from assign(f"{one}loss = {loss}; {one}from", (1, 2), "ARGUMENT")


def input_values(name: str) -> Iterator[Value]:
    """The sizes of create, and the nodes that a layer of add reads."""
    target = f"a->{name}"
    if name == "sizes":
        yield "NULL", f"{target} = NULL;", "NULL"
        for offset in (1, 4):
            yield (
                f"misaligned by {offset}",
                f"{target} = (void *)((char *)at_page_end(NULL, 64) + {offset});",
                "ALIGNMENT",
            )
        for place in (0, 2):
            sizes = (0, -1, *INT64, "(int64_t)1 << 62", "((int64_t)1 << 40) + 1")
            yield from assign(f"{target}[{place}]", sizes, "SHAPE")
        yield "two negative ones", f"{target}[0] = -8; {target}[1] = -8;", "SHAPE"
        code = f"{target}[0] = {target}[1] = (int64_t)1 << 32; a->rank = 2;"
        yield "a product past 64 bits", code, "SHAPE"
        yield "8 sizes", f"a->rank = 8; for (int k = 0; k < 8; k++) {target}[k] = 1;", "OK"
        yield "the largest", f"{target}[0] = (int64_t)1 << 40; a->rank = 1;", "OK"
        yield "just before a page's end", f"{target} = at_page_end((char *)w->m.input, 24);", "OK"
        return
    yield "NULL with a count", f"{target} = NULL;", "NULL"
    for offset in (1, 2):
        yield f"misaligned by {offset}", f"{target} = (void *)((char *)w->scratch + {offset});", "ALIGNMENT"
    yield from assign(f"{target}[0]", (-1, 2, 1000, *INT32), "ARGUMENT")
    yield "just before a page's end", f"{target} = memset(at_page_end(NULL, 4), 0, 4);", "OK"
