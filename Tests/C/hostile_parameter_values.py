"""What hostile.py gives to arrays, parameters and gradients. Values are as in hostile_values.py."""

from collections.abc import Iterator

from hostile_words import INT32, INT64, Value, assign


def array_values(array: str, role: str) -> Iterator[Value]:
    """Every field of an array. role: value, grad, state (of a call's parameter), set (state_set's source)."""
    written = role in ("value", "state")
    pad = "w->scratch"
    if role != "grad":
        yield from assign(f"{array}.data", ("NULL",), "NULL")
    for offset in (1, 2, 3):
        yield f"{array}.data misaligned by {offset}", f"{array}.data = (char *){pad} + {offset};", "ALIGNMENT"
    yield from assign(f"{array}.count", (-1, -1000, "INT64_MIN"), "SHAPE|ARGUMENT")
    yield from assign(f"{array}.count", (0, 1, "COUNT - 1", "COUNT + 1"), "SHAPE")
    yield from assign(f"{array}.count", ("INT64_MAX", "(int64_t)1 << 62", "(int64_t)1 << 61"), "SHAPE|ARGUMENT")
    yield from assign(f"{array}.dtype", (0, -1, 16, 1000, *INT32), "TYPE")
    yield from assign(f"{array}.dtype", (5, 6, 7, 8, 9), "TYPE")
    refused = "ARGUMENT|TYPE" if role in ("state", "set") else "TYPE"
    yield from assign(f"{array}.dtype", (10, 11, 12, 13, 14, 15), refused)
    if role == "state":
        small = f"{array}.dtype = 11; {array}.block = 256; {array}.scale_dtype = 2; {array}.scales = w->scratch;"
        yield f"{array} of 8 bits", small, "OK"
        yield f"{array} of 4 bits", f"{small} {array}.dtype = 13; {array}.block = 128;", "OK"
        yield f"{array} of 16 bits", f"{small} {array}.dtype = 15;", "OK"
        yield f"{array} of signed 16 bits", f"{small} {array}.dtype = 14;", "TYPE"
        yield f"{array} of signed 8 bits", f"{small} {array}.dtype = 10;", "TYPE"
        yield f"{array} of 8 bits, its data at an odd address", f"{small} {array}.data = (char *){pad} + 65;", "OK"
        for field, value, status in (
            ("data", "NULL", "NULL"),
            ("scales", "NULL", "NULL"),
            ("scales", f"(char *){pad} + 2", "ALIGNMENT"),
            ("scales", f"{array}.data", "OVERLAP"),
            ("scales", "(void *)-4", "SHAPE"),
            ("block", 128, "ARGUMENT"),
            ("block", -256, "ARGUMENT"),
            ("scale_dtype", 1, "ARGUMENT"),
            ("count", "COUNT - 1", "SHAPE"),
            ("count", "INT64_MIN", "SHAPE"),
            ("rank", 1, "SHAPE"),
            ("reserved", 1, "STRUCT"),
        ):
            yield f"{array} of 8 bits, {field} = {value}", f"{small} {array}.{field} = {value};", status
    yield from assign(f"{array}.rank", (-1, 65, 1 << 20, *INT32), "SHAPE|ARGUMENT")
    yield f"{array}.sizes = NULL", f"shape(w, &{array}); {array}.sizes = NULL;", "NULL"
    yield f"{array}.strides = NULL", f"shape(w, &{array}); {array}.strides = NULL;", "NULL"
    for size in (0, -1, 1, "COUNT", "INT64_MAX", "INT64_MIN", "(int64_t)1 << 62", "(int64_t)1 << 32"):
        code = f"shape(w, &{array}); w->sizes[0] = {size};"
        yield f"{array}.sizes[0] = {size}", code, "SHAPE|ARGUMENT"
    code = f"shape(w, &{array}); w->sizes[0] = -2; w->sizes[1] = -COUNT / 2;"
    yield f"{array}.sizes: two negative ones", code, "SHAPE|ARGUMENT"
    code = f"shape(w, &{array}); w->sizes[0] = (int64_t)1 << 33; w->sizes[1] = ((int64_t)1 << 31) + COUNT;"
    yield f"{array}.sizes: a product past 64 bits", code, "SHAPE|ARGUMENT"
    for stride in ("INT64_MAX", "INT64_MIN", "(int64_t)1 << 62", "-((int64_t)1 << 62)", "INT64_MAX / 4 + 1"):
        code = f"shape(w, &{array}); w->strides[0] = {stride};"
        yield f"{array}.strides[0] = {stride}", code, "SHAPE|OVERLAP|ARGUMENT"
    if written:
        for stride in (0, 1, -1, "COUNT / 2 - 1"):
            code = f"shape(w, &{array}); w->strides[0] = {stride};"
            yield f"{array}.strides[0] = {stride} (overlaps itself)", code, "OVERLAP|SHAPE"
    yield f"{array}.rank = 64, every size 1 but two", f"shape_64(w, &{array});", "OK"
    yield f"{array}.rank = 64, every stride huge", f"shape_64(w, &{array}); w->strides[63] = INT64_MAX;", "ANY"
    yield from assign(f"{array}.scales", ("(void *)w->scratch", "&w->path"), "UNSUPPORTED")
    yield from assign(f"{array}.block", (1, -1, 256, *INT32), "UNSUPPORTED")
    yield from assign(f"{array}.scale_dtype", (1, 2, -1, *INT32), "UNSUPPORTED")
    yield from assign(f"{array}.reserved", (1, "UINT64_MAX", "(uint64_t)1 << 63"), "STRUCT")
    if role in ("value", "grad"):
        for what in ("NAN", "INFINITY", "-INFINITY", "1e-45f", "3e38f", "-0.0f"):
            yield f"elements of {array} are {what}", f"((float *){array}.data)[3] = {what};", "OK"


def parameter_values(one: str, moves: bool) -> Iterator[Value]:
    """Every field of a parameter of martlet_step, or of martlet_mode_set, which moves it and needs no gradient."""
    yield from array_values(f"{one}.value", "value")
    yield from array_values(f"{one}.grad", "grad")
    yield from array_values(f"{one}.state[1]", "state")
    yield f"{one}.grad.data = NULL", f"{one}.grad.data = NULL;", "OK"
    yield from assign(f"{one}.state", ("NULL",), "NULL")
    yield from assign(f"{one}.state_count", (0, 1, 3, -1, *INT64), "SHAPE|ARGUMENT")
    yield from assign(f"{one}.step", ("NULL",), "NULL")
    for offset in (1, 4):
        yield (
            f"step misaligned by {offset}",
            f"{one}.step = (void *)((char *)at_page_end(NULL, 16) + {offset});",
            "ALIGNMENT",
        )
    yield from assign(f"*{one}.step", (-1, "INT64_MIN", "INT64_MAX"), "ARGUMENT")
    yield from assign(f"*{one}.step", ("INT64_MAX - 1", "((int64_t)1 << 53) + 1"), "OK")
    yield from assign(f"{one}.group", (-1, 2, 65536, *INT32), "ARGUMENT")
    yield from assign(f"{one}.flags", (1, -1, 2, *INT32), "UNSUPPORTED|STRUCT")
    yield from assign(f"{one}.key", (1, "UINT64_MAX"), "OK")
    yield from assign(f"{one}.offset", (1, "UINT64_MAX"), "OK")
    if moves:
        yield from assign(f"{one}.rows", ("w->sizes", "(void *)&w->path"), "OK")
        yield from assign(f"{one}.row_count", (1, -1, *INT64), "OK")
    else:
        yield from sparse_values(one)
    yield from step_shown_values(one)
    yield from backlog_values(one)
    for number in (0, 2):
        yield from assign(f"{one}.reserved[{number}]", (1, "UINT64_MAX"), "STRUCT")
    yield from copy_values(one)
    yield from name_values(one, "OK", "OK")
    first = one.replace("[1]", "[0]")
    yield "value is another's value", f"{one}.value.data = {first}.value.data;", "OVERLAP"
    yield "value begins inside another's", f"{one}.value.data = (float *){first}.value.data + COUNT - 1;", "OVERLAP"
    yield "value is its gradient", f"{one}.value.data = {one}.grad.data;", "OVERLAP"
    yield "value is another's gradient", f"{one}.value.data = {first}.grad.data;", "OVERLAP"
    yield "value is its state", f"{one}.value.data = {one}.state[0].data;", "OVERLAP"
    yield "two slots are one", f"{one}.state[0].data = {one}.state[1].data;", "OVERLAP"
    yield "a slot begins in another", f"{one}.state[0].data = (float *){one}.state[1].data + 1;", "OVERLAP"
    yield "the slots are another's", f"{one}.state = {first}.state;", "OVERLAP"
    yield "the counter lies in the value", f"{one}.step = {one}.value.data; *{one}.step = 0;", "OVERLAP"
    yield "the counter lies in the gradient", f"{one}.step = {one}.grad.data; *{one}.step = 0;", "OVERLAP"
    arrays = ("value", "grad", "state[0]", "state[1]")
    short = " ".join(f"{one}.{array}.count = 8;" for array in arrays)
    # Structs are no arrays: lying in one another may be accepted, but ends nothing.
    yield "the value lies in the parameters", f"{one}.value.data = &{one}; {short}", "OVERLAP|OK"
    yield "the value lies in the groups", f"{one}.value.data = a->groups; {short}", "OVERLAP|OK"
    yield "the counter is another's", f"{one}.step = {first}.step;", "OK"
    yield "the gradient is another's", f"{one}.grad = {first}.grad;", "OK"
    yield "an empty parameter", f"empty(&{one});", "OK"


def copy_values(one: str) -> Iterator[Value]:
    """The copy that a step leaves of a parameter: an array in memory of its own."""
    copy = f"w->array.data = w->scratch, w->array.count = COUNT, w->array.dtype = MARTLET_BF16; {one}.copy = &w->array;"
    yield "a copy", copy, "OK"
    for what, code, expected in array_values("w->array", "set"):
        if "elements of" not in what and "misaligned by 2" not in what:  # by which bf16 is aligned
            yield f"copy: {what}", f"{copy} {code}", expected
    yield "a copy that lies askew", f"{one}.copy = (void *)((char *)&w->array + 1);", "ALIGNMENT"
    yield "a copy in fp64 of fp32", f"{copy} w->array.dtype = MARTLET_FP64;", "TYPE"
    for place in ("value", "grad", "state[0]"):
        code = f"{copy} w->array.data = {one}.{place}.data; w->array.dtype = MARTLET_FP32;"
        yield f"the copy is {place}", code, "OVERLAP"
    yield "the copy is the counter", f"{copy} w->array.data = {one}.step;", "OVERLAP"


def sparse_values(one: str) -> Iterator[Value]:
    """A parameter's gradient as one of rows."""
    named = f"{one}.rows = number_rows(w, -1); {one}.row_count = COUNT;"
    for what, code, expected in rows_values(f"{one}.rows", f"{one}.row_count", "w->rows", f"{one}.grad"):
        yield what, f"{named} {code}", expected
    yield "rows, and a gradient without data", f"{named} {one}.grad.data = NULL;", "NULL"
    yield "no rows, and a gradient without data", f"{named} {one}.row_count = 0; {one}.grad.data = NULL;", "OK"
    yield "rows of a matrix", f"shape(w, &{one}.value); {named} {one}.row_count = 2; w->rows[1] = 0;", "OK"
    yield (
        "more rows than a matrix has",
        f"shape(w, &{one}.value); {named} {one}.row_count = 2; w->rows[1] = 2;",
        "ARGUMENT",
    )
    yield (
        "rows lie in the value",
        f"{named} {one}.rows = memset({one}.value.data, 0, 4 * COUNT); {one}.row_count = {one}.grad.count = 8;",
        "OVERLAP",
    )
    yield "the counter lies in the rows", f"{named} {one}.step = &w->rows[9];", "OVERLAP"


def rows_values(rows: str, count: str, memory: str, gradient: str) -> Iterator[Value]:
    """The rows of a gradient of COUNT rows of one element each, whose numbers stand at `memory`."""
    yield "rows is NULL", f"{rows} = NULL;", "NULL"
    for offset in (1, 4, 7):
        yield f"rows misaligned by {offset}", f"{rows} = (void *)((char *){memory} + {offset});", "ALIGNMENT"
    for row in (-1, "COUNT", "COUNT + 1", *INT64):
        for place in (0, "COUNT - 1"):
            yield f"rows[{place}] = {row}", f"{memory}[{place}] = {row};", "ARGUMENT"
    for number in (-1, 0, 1, "COUNT - 1", "COUNT + 1", "(int64_t)1 << 56", "(int64_t)1 << 61", *INT64):
        yield f"count = {number}", f"{count} = {number};", "SHAPE"
    huge = f"{count} = {gradient}.count = (int64_t)1 << 56;"
    yield "2^56 rows", huge, "MEMORY|SHAPE"
    yield "rows at the end of all memory", f"{rows} = (void *)(intptr_t)-16;", "SHAPE"
    yield "all rows are one", "number_rows(w, 5);", "OK"
    yield "rows end at a page", f"{rows} = memcpy(at_page_end(NULL, 8 * COUNT), {memory}, 8 * COUNT);", "OK"
    yield "the gradient lies in the rows", f"{gradient}.data = memset({memory}, 0, 8 * COUNT);", "OK"


def named_values(rows: str, count: str, memory: str) -> Iterator[Value]:
    """The same of rows that catch up, which come without a gradient."""
    for what, code, expected in rows_values(rows, count, memory, "(*a)"):
        if "gradient" not in what and not what.startswith(("count", "2^56")):
            yield what, code, expected
    yield from assign(count, (-1, "(int64_t)1 << 61", *INT64), "SHAPE")
    yield from assign(count, (0, 1, "COUNT - 1"), "OK")


def finished_values(one: str) -> Iterator[Value]:
    """Every field of a parameter of martlet_finish, which looks at no gradient and counts no step."""
    yield from array_values(f"{one}.value", "value")
    yield from array_values(f"{one}.state[1]", "state")
    yield from assign(f"{one}.state", ("NULL",), "NULL")
    yield from assign(f"{one}.state_count", (0, 1, 3, -1, *INT64), "SHAPE|ARGUMENT")
    yield from assign(f"{one}.step", ("NULL",), "NULL")
    yield from assign(f"*{one}.step", (-1, "INT64_MAX"), "OK")
    yield from assign(f"{one}.grad.dtype", (-1, *INT32), "OK")
    yield from assign(f"{one}.group", (-1, 2, 65536, *INT32), "ARGUMENT")
    yield from assign(f"{one}.flags", (1, -1, 2, *INT32), "UNSUPPORTED|STRUCT")
    named = f"{one}.rows = number_rows(w, -1); {one}.row_count = COUNT;"
    for what, code, expected in named_values(f"{one}.rows", f"{one}.row_count", "w->rows"):
        yield what, f"{named} {code}", expected
    yield from backlog_values(one)
    for number in (0, 2):
        yield from assign(f"{one}.reserved[{number}]", (1, "UINT64_MAX"), "STRUCT")
    yield "value is its state", f"{one}.value.data = {one}.state[0].data;", "OVERLAP"
    yield "an empty parameter", f"empty(&{one});", "OK"


def backlog_values(one: str) -> Iterator[Value]:
    """The memory of what rows have not seen; it is for COUNT rows."""
    size = "64 + 4096 * 128 + 4 * COUNT"
    zeros = f"{one}.backlog = memset(at_page_end(NULL, {size}), 0, {size});"
    yield "a backlog", zeros, "OK"
    for offset in (1, 4, 7):
        yield f"backlog misaligned by {offset}", f"{one}.backlog = (char *)w->scratch + {offset};", "ALIGNMENT"
    yield from assign(f"{one}.backlog", ("(void *)(intptr_t)-16", "(void *)(intptr_t)-4096"), "SHAPE")
    for kept in (-1, 1, 4097, *INT64):
        yield f"a backlog of {kept} steps of nothing", f"{zeros} *(int64_t *){one}.backlog = {kept};", "ARGUMENT"
    for what, number in (("rule", 2), ("slots", 3)):
        for value in (-1, 5, *INT32):
            code = f"{zeros} *(int64_t *){one}.backlog = 1; ((int32_t *){one}.backlog)[{5 - number}] = 1;"
            yield f"a backlog of {what} {value}", f"{code} ((int32_t *){one}.backlog)[{number}] = {value};", "ARGUMENT"
    yield "the backlog holds the value", f"{zeros} {one}.value.data = (char *){one}.backlog + 64;", "OVERLAP"


def sparse_gradients() -> Iterator[Value]:
    """The gradients of martlet_optimizer_sparse_step, of rows of one element."""
    for what, code, expected in gradients():
        if what == "the first has no data":
            yield what, code, "NULL"
        elif "every size 1 but two" in what:
            yield what, code, "SHAPE"
        else:
            yield what, code, expected
    yield "of two elements too few", "a->grads[1].count = COUNT - 2;", "SHAPE"


def step_shown_values(one: str) -> Iterator[Value]:
    """The number that shows a parameter's steps, and its type."""
    yield from assign(f"{one}.step_shown_dtype", (1, 2, -1, *INT32), "TYPE")
    yield from assign(f"{one}.step_reserved", (1, -1, *INT32), "STRUCT")
    shown = f"{one}.step_shown = w->scratch; {one}.step_shown_dtype"
    for dtype in (0, -1, 3, 4, 7, 8, 10, 14, 1000, *INT32):
        yield f"step_shown with dtype {dtype}", f"{shown} = {dtype};", "TYPE"
    for dtype, name, size in ((1, "double", 8), (2, "float", 4)):
        for value in ("0", "-0.0", "1", "3.75", "-0.5", "16777217", "9e18", "5e-324", "1e-45"):
            yield f"{name} step_shown is {value}", f"{shown} = {dtype}; *({name} *)w->scratch = ({name}){value};", "OK"
        for value in ("-1", "-2.5", "NAN", "INFINITY", "-INFINITY", "9223372036854775808.0", "1e38"):
            code = f"{shown} = {dtype}; *({name} *)w->scratch = ({name}){value};"
            yield f"{name} step_shown is {value}", code, "ARGUMENT"
        for offset in (1, size // 2):
            code = f"{shown} = {dtype}; {one}.step_shown = (char *)w->scratch + {offset};"
            yield f"{name} step_shown misaligned by {offset}", code, "ALIGNMENT"
        at_end = f"at_page_end(NULL, {size})"
        yield f"{name} step_shown at a page's end", f"{shown} = {dtype}; {one}.step_shown = {at_end};", "OK"
        for place in ("value.data", "grad.data", "state[1].data", "step"):
            code = f"{shown} = {dtype}; {one}.step_shown = {one}.{place};"
            yield f"{name} step_shown is {place}", code, "OVERLAP|ARGUMENT"
        code = f"{shown} = {dtype}; {one}.step_shown = w->scratch;"
        yield f"{name} step_shown shared", code.replace("[1].", "[0].") + code, "OK"
    first = one.replace("[1]", "[0]")
    code = f"{shown} = 2; {first}.step_shown = w->scratch; {first}.step_shown_dtype = 1;"
    yield "step_shown shared in two types", code, "OVERLAP"
    yield "step_shown in two types of one counter", f"{code} {one}.step = {first}.step;", "OVERLAP"


def name_values(one: str, wrong: str, odd: str) -> Iterator[Value]:
    """Names; they appear in messages and files. `wrong`: what one that no parameter may have gets; `odd`: others."""
    yield "name is empty", f'{one}.name = "";', wrong
    yield "name is not UTF-8", f'{one}.name = "a\\xff\\xfe";', wrong
    yield "name is half a character", f'{one}.name = "a\\xe2\\x82";', wrong
    yield "name is a surrogate", f'{one}.name = "\\xed\\xa0\\x80";', wrong
    yield "name is a million bytes", f"{one}.name = long_text(1000000);", wrong
    yield "name has quotes and controls", f'{one}.name = "\\"\\\\\\n\\x01\\x7f";', odd
    yield "name is that of the metadata", f'{one}.name = "__metadata__";', odd
    yield "name ends at a page", f'{one}.name = at_page_end("name", 5);', "OK"
    # A name is read only as far as a message needs, even if the call is refused.
    yield "a long name, and an error", f"{one}.name = long_text(1000000); {one}.value.dtype = 0;", "ERROR"
    yield "a bad name, and an error", f'{one}.name = "\\xff\\n%s%n"; {one}.value.dtype = 0;', "ERROR"


def added_values(one: str) -> Iterator[Value]:
    """Every field of the parameter that martlet_optimizer_add is given: value and name, and empty otherwise."""
    yield "NULL", "a->parameter = NULL;", "NULL"
    for value in array_values(f"{one}.value", "value"):
        # Without state of its own the count decides nothing but the memory that is taken.
        if ".count = " in value[0] and value[2] == "SHAPE":
            if not value[0].endswith("+ 1"):
                yield value[0], value[1], "OK"
        else:
            yield value
    for what in ("data = w->scratch", "count = 1", "count = -1", "rank = 1", "sizes = w->sizes", "reserved = 1"):
        yield f"grad.{what}", f"{one}.grad.{what};", "ERROR" if what == "data = w->scratch" else "ANY"
    yield from assign(f"{one}.step", ("&w->steps[0]",), "ARGUMENT|UNSUPPORTED")
    yield from assign(f"{one}.state_count", (1, 2, 3, -1, *INT64), "SHAPE|NULL|ARGUMENT")
    slots = f"{one}.state = w->slots[0]; {one}.state_count = 2; w->slots[0][0].data = w->slots[0][1].data = NULL;"
    yield "state with types", slots, "OK"
    yield "state with data", f"{slots} w->slots[0][1].data = w->scratch;", "ARGUMENT|UNSUPPORTED"
    yield "too many states", f"{slots} {one}.state_count = 3;", "SHAPE|ARGUMENT"
    for dtype in (0, -1, 5, 9, 16, *INT32):
        yield f"a state's dtype = {dtype}", f"{slots} w->slots[0][1].dtype = {dtype};", "TYPE"
    for dtype in (10, 12, 14):
        yield f"a state's dtype = {dtype}", f"{slots} w->slots[0][1].dtype = {dtype};", "TYPE"
    for dtype in (11, 13, 15):
        yield f"a state's dtype = {dtype}", f"{slots} w->slots[0][1].dtype = {dtype};", "OK"
        yield (
            f"a state's dtype = {dtype}, block 1",
            f"{slots} w->slots[0][1].dtype = {dtype}; w->slots[0][1].block = 1;",
            "ARGUMENT",
        )
    yield "a state's reserved = 1", f"{slots} w->slots[0][1].reserved = 1;", "STRUCT"
    yield "a state's block = 1", f"{slots} w->slots[0][1].block = 1;", "UNSUPPORTED"
    yield from assign(f"{one}.group", (-1, 2, 65536, *INT32), "ARGUMENT")
    yield from assign(f"{one}.flags", (1, -1, *INT32), "UNSUPPORTED|STRUCT")
    yield from assign(f"{one}.key", (1, "UINT64_MAX"), "OK")
    yield from assign(f"{one}.offset", (1, "UINT64_MAX"), "OK")
    yield from assign(f"{one}.rows", ("w->sizes",), "ARGUMENT")
    yield from assign(f"{one}.row_count", (1, -1, *INT64), "ARGUMENT")
    for number in (0, 2):
        yield from assign(f"{one}.reserved[{number}]", (1, "UINT64_MAX"), "STRUCT")
    yield from assign(f"{one}.copy", ("&w->array", "(void *)w->scratch"), "ARGUMENT")
    yield from assign(f"{one}.backlog", ("w->scratch", "(void *)1"), "ARGUMENT")
    yield from assign(f"{one}.step_reserved", (1, -1), "STRUCT")
    yield from assign(f"{one}.step_shown", ("w->scratch", "(void *)1"), "ARGUMENT")
    yield from assign(f"{one}.step_shown_dtype", (1, 2, -1, 1000), "ARGUMENT")
    yield from name_values(one, "ARGUMENT", "ANY")
    yield "a name of 500 bytes", f"{one}.name = long_text(500);", "OK"
    yield "a name of 501 bytes", f"{one}.name = long_text(501);", "ARGUMENT"
    yield "a name that is taken", f'{one}.name = "first";', "ARGUMENT"
    yield "the name that an index takes", f'{one}.name = "1";', "ANY"
    yield "memory that is lent already", f"{one}.value.data = w->value[0];", "OVERLAP"
    yield "memory that begins inside a lent one", f"{one}.value.data = w->value[0] + COUNT - 1;", "OVERLAP"


def gradients() -> Iterator[Value]:
    """The gradients of martlet_optimizer_step."""
    yield "NULL", "a->grads = NULL;", "NULL"
    yield "the first has no data", "a->grads[0].data = NULL;", "OK"
    yield from array_values("a->grads[1]", "grad")
    yield "a gradient is its own value", "a->grads[1].data = w->value[1];", "OVERLAP"
    yield "a gradient is another's value", "a->grads[1].data = w->value[0];", "OVERLAP"
    yield "a gradient begins inside a value", "a->grads[1].data = w->value[0] + COUNT - 1;", "OVERLAP"
    moment = "martlet_array v = {0}; martlet_optimizer_state_get(w->optimizer, &v, 0, 0); a->grads[1].data = v.data;"
    yield "a gradient is a moment", moment, "OVERLAP"
    yield "the gradients are one", "a->grads[1] = a->grads[0];", "OK"
