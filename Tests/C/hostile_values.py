"""What hostile.py gives to a parameter: for each declared type and name, the values it should never have.

Each value is (what it is, the C statement that puts it into the call, the statuses that the header promises). In the
statement `a` is the call's arguments, good until then, and `w` the memory behind them (hostile_world.h). Statuses are
names without MARTLET_ERROR_, joined by |; ERROR is any failure, ANY also lets it succeed.
"""

from collections.abc import Iterator

Value = tuple[str, str, str]

INT32 = ("INT32_MIN", "INT32_MAX")
INT64 = ("INT64_MIN", "INT64_MAX")
HUGE = ("INT64_MAX", "(int64_t)1 << 62", "(int64_t)1 << 61", "(int64_t)1 << 60")
# Fields of a config that Adam does not read.
UNREAD = (
    *("beta3", "momentum", "dampening", "alpha", "rho", "lr_decay", "initial_accumulator_value", "etaminus", "etaplus"),
    *("step_size_min", "step_size_max", "lambd", "t0", "momentum_decay", "final_lr", "gamma", "eps_root", "eps2"),
    *("beta2_decay", "clipping_threshold", "r", "weight_lr_power", "warmup_steps", "alpha_warmup", "beta3_warmup"),
)
ODD_DOUBLES = ("NAN", "INFINITY", "-INFINITY", "-1.0", "-5e-324", "-1e308")


def handle_values(field: str, token: str, others: dict[str, str], *, null_is_fine: bool) -> Iterator[Value]:
    """What is no handle: odd numbers, addresses, neighbours of the live token, and `others`, dead and foreign ones."""
    odd = {
        "NULL": "NULL",
        "1": "(void *)1",
        "-1": "(void *)(intptr_t)-1",
        "INT64_MAX": "(void *)(intptr_t)INT64_MAX",
        "INT64_MIN": "(void *)(intptr_t)INT64_MIN",
        "the address of an array": "(void *)w->value[0]",
        "the address of the token": f"(void *)&{token}",
        "the address of a function": "(void *)(uintptr_t)&martlet_version_get",
        "the token + 1": f"(void *)((intptr_t){token} + 1)",
        "the token + 2^32": f"(void *)((intptr_t){token} + ((intptr_t)1 << 32))",
        "the token with its sign bit flipped": f"(void *)((intptr_t){token} ^ INT64_MIN)",
        "twice the token": f"(void *)((intptr_t){token} * 2)",
    }
    for what, value in (odd | others).items():
        yield what, f"a->{field} = {value};", "OK" if what == "NULL" and null_is_fine else "HANDLE"


def assign(target: str, values: tuple[object, ...], expected: str) -> Iterator[Value]:
    """One case for each value, in place of `target`."""
    for value in values:
        yield f"{target.removeprefix('a->')} = {value}", f"{target} = {value};", expected


def config_values(config: str, *, tail: bool) -> Iterator[Value]:
    """Every field of a config. `tail`: the config has room behind it for a longer struct."""
    yield from assign(f"{config}.struct_size", (0, 1, 79, 4097, 65536, "UINT32_MAX", "INT32_MAX"), "STRUCT")
    if tail:
        longer = f"{config}.struct_size = sizeof(martlet_config) + 8;"
        yield "a longer struct whose tail is not zero", f"{longer} w->config.tail[7] = 1;", "STRUCT"
        yield "a longer struct, zero tail", longer, "OK"
        last = "w->config.tail[4095 - sizeof(martlet_config)] = 1;"
        yield "the longest struct, last byte set", f"{config}.struct_size = 4096; {last}", "STRUCT"
        yield "the longest struct, zero tail", f"{config}.struct_size = 4096;", "OK"
        odd = f"{config}.struct_size = sizeof(martlet_config) + 1;"
        yield "a struct size between fields", f"{odd} w->config.tail[0] = 1;", "STRUCT"
        yield "the first header's struct", f"{config}.struct_size = 80;", "OK"
        yield "a struct that ends inside a field", f"{config}.struct_size = 83; {config}.dampening = 1;", "OK"
        yield "a field beyond the struct", f"{config}.struct_size = 80; {config}.dampening = 1;", "OK"
    yield from assign(f"{config}.algorithm", (0, -1, 1000, *INT32), "ARGUMENT")
    yield from assign(f"{config}.semantics", (-1, 4, 1000, *INT32), "ARGUMENT")
    yield from assign(f"{config}.flags", ("2048u", "0x80000000u", "0xFFFFFFFFu", "12u", "1u << 20"), "ARGUMENT")
    for flag in ("NESTEROV", "CENTERED", "RECTIFY"):
        yield f"MARTLET_{flag}, which Adam does not read", f"{config}.flags |= MARTLET_{flag};", "ARGUMENT"
    yield from assign(f"{config}.seed", (1, "UINT64_MAX", "(uint64_t)1 << 32", 42, "INT64_MAX"), "UNSUPPORTED")
    for field in ("lr", "beta1", "beta2", "eps", "weight_decay"):
        yield from assign(f"{config}.{field}", ODD_DOUBLES, "ARGUMENT")
    for field in ("beta1", "beta2"):
        yield from assign(f"{config}.{field}", ("1.0", "1.0000000000000002", "2.0", "1e308"), "ARGUMENT")
    for field in UNREAD:
        yield from assign(f"{config}.{field}", ("0.0", "-0.0", "0.9", "INFINITY", "5e-324"), "ARGUMENT")
    for field in ("lr", "eps", "weight_decay"):
        yield from assign(f"{config}.{field}", ("0.0", "-0.0", "5e-324", "1e308"), "OK")
    yield from assign(f"{config}.beta2", ("0.0", "-0.0", "5e-324", "0.9999999999999999"), "OK")


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
    yield from assign(f"{array}.dtype", (0, -1, 14, 1000, *INT32), "TYPE")
    yield from assign(f"{array}.dtype", (5, 6, 7, 8, 9), "TYPE")
    yield from assign(f"{array}.dtype", (10, 11, 12, 13), "UNSUPPORTED")
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


def parameter_values(one: str) -> Iterator[Value]:
    """Every field of a parameter of martlet_step."""
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
    yield from assign(f"{one}.key", (1, "UINT64_MAX"), "UNSUPPORTED")
    yield from assign(f"{one}.offset", (1, "UINT64_MAX"), "UNSUPPORTED")
    yield from assign(f"{one}.rows", ("w->sizes", "(void *)&w->path"), "UNSUPPORTED")
    yield from assign(f"{one}.row_count", (1, -1, *INT64), "UNSUPPORTED")
    yield from step_shown_values(one)
    for number in (0, 3, 4):
        yield from assign(f"{one}.reserved[{number}]", (1, "UINT64_MAX"), "STRUCT")
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
    for dtype in (0, -1, 5, 9, 14, *INT32):
        yield f"a state's dtype = {dtype}", f"{slots} w->slots[0][1].dtype = {dtype};", "TYPE"
    for dtype in (10, 13):
        yield f"a state's dtype = {dtype}", f"{slots} w->slots[0][1].dtype = {dtype};", "UNSUPPORTED"
    yield "a state's reserved = 1", f"{slots} w->slots[0][1].reserved = 1;", "STRUCT"
    yield "a state's block = 1", f"{slots} w->slots[0][1].block = 1;", "UNSUPPORTED"
    yield from assign(f"{one}.group", (-1, 2, 65536, *INT32), "ARGUMENT")
    yield from assign(f"{one}.flags", (1, -1, *INT32), "UNSUPPORTED|STRUCT")
    yield from assign(f"{one}.key", (1, "UINT64_MAX"), "UNSUPPORTED")
    yield from assign(f"{one}.offset", (1, "UINT64_MAX"), "UNSUPPORTED")
    yield from assign(f"{one}.rows", ("w->sizes",), "UNSUPPORTED")
    yield from assign(f"{one}.row_count", (1, -1, *INT64), "UNSUPPORTED")
    for number in (0, 4):
        yield from assign(f"{one}.reserved[{number}]", (1, "UINT64_MAX"), "STRUCT")
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


def report_values() -> Iterator[Value]:
    yield "NULL", "a->out_report = NULL;", "OK"
    yield from assign("a->out_report->struct_size", (0, 1, 31, 4097, "UINT32_MAX"), "STRUCT")
    yield "a longer report, tail not zero", "a->out_report->struct_size = 40; w->report.tail[7] = 1;", "STRUCT|OK"
    yield "fields that are not set", "memset((char *)a->out_report + 4, 0xAB, 28);", "OK"
    inside = "a->out_report = (void *)w->value[0]; a->out_report->struct_size = 32;"
    yield "the report lies in a value", inside, "OVERLAP|OK"


def out_values(kind: str, name: str, *, may_be_null: bool = False, size: str = "") -> Iterator[Value]:
    """A pointer through which one number, struct or handle comes back."""
    target = f"a->{name}"
    size = size or f"sizeof *{target}"
    yield "NULL", f"{target} = NULL;", "OK" if may_be_null else "NULL"
    for offset in (1, 2, 3, 5, 6):
        # The caller's own memory, but not where such an object may stand.
        yield f"misaligned by {offset}", f"{target} = (void *)((char *)w->scratch + {offset});", "ALIGNMENT"
    yield "just before a page's end", f"{target} = at_page_end(NULL, {size});", "OK"
    yield "memory full of ones", f"memset({target}, 0xFF, {size});", "OK"


def path_values(function: str) -> Iterator[Value]:
    load = function.endswith("load")
    bad = "FILE|FORMAT" if load else "FILE"
    yield "NULL", "a->path = NULL;", "NULL"
    for path in ("", ".", "/", "missing/file", "fifo", "/dev/full", "/dev/null", "/proc/self/mem", "/dev/stdin/x"):
        yield f"path {path!r}", f'a->path = "{path}";', bad
    yield "a path of 300 bytes", "a->path = long_text(300);", bad
    yield "a path of a million bytes", "a->path = long_text(1000000);", bad
    yield "a path that is not UTF-8", 'a->path = "x\\xff\\xfe";', "ANY"
    yield "a path with half a character", 'a->path = "x\\xe2\\x82";', "ANY"
    yield "a path with %s", 'a->path = "%s%n%s/x";', bad
    yield "a path that ends at a page", 'a->path = at_page_end("missing/x", 10);', bad


def scalar_values(function: str, kind: str, name: str) -> Iterator[Value]:
    target = f"a->{name}"
    if name == "status":
        yield from assign(target, (0, 1, -1, -15, -1000, *INT32), "OK")
    elif name == "struct_size":
        yield from assign(target, (0, 1, 4, 31, 4097, "SIZE_MAX", "SIZE_MAX / 2", "(size_t)1 << 32"), "STRUCT")
    elif name in ("algorithm", "slot"):
        values = (-1, -1000, 3, 1000, 65536, *INT32) if name == "slot" else (0, -1, 1000, *INT32)
        yield from assign(target, values, "OK" if function == "martlet_algorithm_flags" else "ARGUMENT")
    elif function == "martlet_threads_set":
        yield from assign(target, (-1, 1025, 65536, *INT32), "ARGUMENT")
        yield from assign(target, (0, 1, 1024), "OK")
    elif function == "martlet_isa_set":
        yield from assign(target, (-1, 4, 100, 65537, *INT32), "ARGUMENT")
    elif function == "martlet_chunk_set":
        yield from assign(target, (-1, 1, 63, "((int64_t)1 << 40) + 1", "(int64_t)1 << 48", *INT64), "ARGUMENT")
        yield from assign(target, (0, 64, "(int64_t)1 << 40"), "OK")
    elif name == "group":
        yield from assign(target, (-1, 2, 1000, 65536, *INT32), "ARGUMENT")
    elif name == "mode":
        yield from assign(target, (-1, 2, 1000, *INT32), "ARGUMENT")
        yield from assign(target, (0, 1), "OK")
    elif name == "hyperparameter":
        values = (0, -1, 31, 1000, *INT32)
        yield from assign(target, values if function.endswith("_name") else (4, 7, 8, 30, *values), "ARGUMENT")
    elif kind == "double":
        for number in ("MARTLET_LR", "MARTLET_BETA1", "MARTLET_EPS", "MARTLET_WEIGHT_DECAY"):
            for value in ODD_DOUBLES:
                yield f"{number} {value}", f"a->hyperparameter = {number}; {target} = {value};", "ARGUMENT"
        for value in ("1.0", "1.5", "1e308"):
            yield f"MARTLET_BETA2 {value}", f"a->hyperparameter = MARTLET_BETA2; {target} = {value};", "ARGUMENT"
    elif name == "parameter":
        yield from assign(target, (-1, 2, 1000, "(int64_t)1 << 32", *INT64), "ARGUMENT")
    elif name == "step":
        yield from assign(target, (-1, -1000, "-((int64_t)1 << 32)", "INT64_MIN + 1", "INT64_MIN"), "ARGUMENT")
        yield from assign(target, (0, 1, "INT64_MAX - 1", "INT64_MAX"), "OK")
    elif function == "martlet_array_step":
        yield from assign(target, (-1, "INT64_MIN", "INT64_MIN + 1"), "SHAPE|ARGUMENT")
        yield from assign(target, HUGE, "SHAPE|ARGUMENT")
        yield from assign(target, (0, 1), "OK")
    elif function == "martlet_step":
        yield from assign(target, (-1, "INT64_MIN", *HUGE, "(int64_t)1 << 56"), "SHAPE|ARGUMENT")
        yield from assign(target, (0,), "OK" if name == "count" else "ARGUMENT")
    elif function == "martlet_optimizer_step":
        yield from assign(target, (0, 1, 3, -1, *INT64, "(int64_t)1 << 32"), "SHAPE|ARGUMENT")


def flat_values(name: str) -> Iterator[Value]:
    """The arrays of martlet_array_step, which lie in struct world one after another."""
    target = f"a->{name}"
    yield "NULL", f"{target} = NULL;", "NULL"
    for offset in (1, 2, 3):
        yield f"misaligned by {offset}", f"{target} = (void *)((char *)w->scratch + {offset});", "ALIGNMENT"
    if name != "grad":
        yield "the gradient", f"{target} = w->grad[0];", "OVERLAP"
        yield "one element into the gradient's end", f"{target} = w->grad[0] + COUNT - 1;", "OVERLAP"
    if name != "value":
        yield "the value", f"{target} = w->value[0];", "OVERLAP"
        yield "one element into the value's end", f"{target} = w->value[0] + COUNT - 1;", "OVERLAP"
    if name != "state":
        yield "the last of the state", f"{target} = w->state[0] + 2 * COUNT - 1;", "OVERLAP"
        yield "the middle of the state", f"{target} = w->state[0] + COUNT;", "OVERLAP"
    yield "the counter", f"{target} = (void *)a->step; a->count = 2;", "OVERLAP"
    for what in ("NAN", "INFINITY", "-INFINITY", "1e-45f", "3e38f", "-1.0f"):
        yield f"an element is {what}", f"{target}[3] = {what};", "OK"


def step_pointer_values() -> Iterator[Value]:
    yield "NULL", "a->step = NULL;", "NULL"
    yield from assign("*a->step", (-1, "INT64_MIN", "INT64_MAX"), "ARGUMENT")
    yield from assign("*a->step", ("INT64_MAX - 1", "((int64_t)1 << 24) + 1", "((int64_t)1 << 53) + 1"), "OK")
    for where in ("value", "grad", "state"):
        yield f"inside {where}", f"a->step = (void *)w->{where}[0]; *a->step = 0;", "OVERLAP"
    for offset in (1, 4):
        yield f"misaligned by {offset}", f"a->step = (void *)((char *)at_page_end(NULL, 16) + {offset});", "ALIGNMENT"


def answers_values(kind: str, name: str) -> Iterator[Value]:
    """The arguments of martlet_answers_get: two questions to three objects."""
    target = f"a->{name}"
    if name.endswith("_count"):
        yield from assign(target, (-1, "INT64_MIN", *HUGE, "((int64_t)1 << 32) + 1"), "ARGUMENT")
        yield from assign(target, (0, 1), "OK")
        return
    size = f"sizeof *{target} * (size_t)({'6' if name == 'out_answers' else f'{target[:-1]}_count'})"
    yield from out_values(kind, name, size=size) if name == "out_answers" else read_values(target, size)
    if name == "questions":
        for index in range(2):
            yield f"questions[{index}] = NULL", f"w->questions[{index}] = NULL;", "NULL"
        yield "a question without an answer", "w->questions[0] = no_answer;", "ARGUMENT"
    if name == "objects":
        yield from assign("w->objects[1]", ("NULL", "(void *)1", "(void *)(intptr_t)-1"), "OK")


def read_values(target: str, size: str) -> Iterator[Value]:
    """A pointer to what is read, of so many bytes."""
    yield "NULL", f"{target} = NULL;", "NULL"
    for offset in (1, 2, 3, 4):
        yield f"misaligned by {offset}", f"{target} = (void *)((char *)w->scratch + {offset});", "ALIGNMENT"
    yield "just before a page's end", f"{target} = memcpy(at_page_end(NULL, {size}), {target}, {size});", "OK"


def values_for(function: str, kind: str, name: str) -> Iterator[Value]:
    """The hostile values of one declared parameter."""
    if function == "martlet_answers_get":
        yield from answers_values(kind, name)
    elif kind == "martlet_optimizer *":
        others = {
            "a destroyed handle": "w->gone",
            "a destroyed clone": "w->gone_clone",
            "a model": "(void *)w->m.model",
            "a model that is gone": "(void *)w->m.gone",
        }
        yield from handle_values(name, "w->optimizer", others, null_is_fine=function.endswith("_destroy"))
    elif name == "out_report" and not function.endswith("init"):
        yield from report_values()
    elif kind.endswith("*") and name.startswith("out_"):
        optional = function.endswith(("group_add", "optimizer_add"))
        sized = kind in ("martlet_config *", "martlet_machine *", "martlet_report *")
        yield from out_values(kind, name, may_be_null=optional, size="a->struct_size" if sized else "")
    elif kind == "martlet_config *" and name == "groups":
        yield "NULL", "a->groups = NULL;", "NULL"
        yield from config_values("a->groups[1]", tail=False)
        yield "groups of two algorithms", "a->groups[1].algorithm = MARTLET_ADAMW;", "ANY"
        yield "a short first group", "a->groups[0].struct_size = 72;", "STRUCT"
    elif kind == "martlet_config *":
        yield "NULL", f"a->{name} = NULL;", "OK" if function == "martlet_array_step" else "NULL"
        config = f"(*a->{name})"
        for value in config_values(config, tail=True):
            # A counting of slots needs no more of a config than the other calls do, and no less.
            yield value[0].replace(config, name), value[1], value[2]
        if function == "martlet_optimizer_group_add":
            yield "another algorithm", f"{config}.algorithm = MARTLET_ADAMW;", "OK"
            yield "another number of slots", f"{config}.flags = MARTLET_AMSGRAD;", "ANY"
    elif kind == "martlet_parameter *" and name == "parameters":
        yield "NULL", "a->parameters = NULL;", "NULL"
        yield from parameter_values("a->parameters[1]")
    elif kind == "martlet_parameter *":
        yield from added_values("(*a->parameter)")
    elif kind == "martlet_array *" and name == "grads":
        yield from gradients()
    elif kind == "martlet_array *":
        yield "NULL", f"a->{name} = NULL;", "NULL"
        yield from array_values(f"(*a->{name})", "set")
        yield "another type", f"a->{name}->dtype = MARTLET_FP64; a->{name}->count = COUNT / 2;", "TYPE|SHAPE"
        yield "a type of the same size as no other", f"a->{name}->dtype = MARTLET_BF16;", "TYPE"
        yield "the moment itself", f"martlet_optimizer_state_get(w->optimizer, a->{name}, 0, 0);", "OVERLAP"
        moment = f"martlet_optimizer_state_get(w->optimizer, a->{name}, 0, 0);"
        other = f"{moment} a->{name}->data = (float *)a->{name}->data + 1; a->{name}->count = COUNT;"
        yield "one element into the moment", other.replace("+ 1;", "+ 0;"), "OVERLAP"
    elif kind == "float *":
        yield from flat_values(name)
    elif kind == "int64_t *" and name == "step":
        yield from step_pointer_values()
    elif kind == "char *":
        yield from path_values(function)
    else:
        yield from scalar_values(function, kind, name)
