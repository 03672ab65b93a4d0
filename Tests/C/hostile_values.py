"""What hostile.py gives to a parameter: for each declared type and name, the values it should never have.

Each value is (what it is, the C statement that puts it into the call, the statuses that the header promises). In the
statement `a` is the call's arguments, good until then, and `w` the memory behind them (hostile_world.h). Statuses are
names without MARTLET_ERROR_, joined by |; ERROR is any failure, ANY also lets it succeed.
"""

from collections.abc import Iterator

from hostile_parameter_values import (
    added_values,
    array_values,
    finished_values,
    gradients,
    named_values,
    parameter_values,
    rows_values,
    sparse_gradients,
)
from hostile_words import HUGE, INT32, INT64, ODD_DOUBLES, Value, assign

# Fields of a config that Adam does not read.
UNREAD = (
    *("beta3", "momentum", "dampening", "alpha", "rho", "lr_decay", "initial_accumulator_value", "etaminus", "etaplus"),
    *("step_size_min", "step_size_max", "lambd", "t0", "momentum_decay", "final_lr", "gamma", "eps_root", "eps2"),
    *("beta2_decay", "clipping_threshold", "r", "weight_lr_power", "warmup_steps", "alpha_warmup", "beta3_warmup"),
    *("trust_coefficient", "d0", "d_coef", "growth_rate"),
    *("ns_steps", "ns_a", "ns_b", "ns_c", "blocks", "precondition_frequency", "max_precond_dim", "block_size"),
)


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
    yield from assign(f"{config}.flags", ("262144u", "0x80000000u", "0xFFFFFFFFu", "12u", "1u << 31"), "ARGUMENT")
    for flag in (
        "NESTEROV",
        "CENTERED",
        "RECTIFY",
        "SAFEGUARD_WARMUP",
        "BIAS_CORRECTION",
        "MATCH_RMS",
        "SPECTRAL",
        "QUINTIC",
        "NORMUON",
    ):
        yield f"MARTLET_{flag}, which Adam does not read", f"{config}.flags |= MARTLET_{flag};", "ARGUMENT"
    yield from assign(f"{config}.seed", (1, "UINT64_MAX", "(uint64_t)1 << 32", 42, "INT64_MAX"), "OK")
    for field in ("lr", "beta1", "beta2", "eps", "weight_decay"):
        yield from assign(f"{config}.{field}", ODD_DOUBLES, "ARGUMENT")
    for field in ("beta1", "beta2"):
        yield from assign(f"{config}.{field}", ("1.0", "1.0000000000000002", "2.0", "1e308"), "ARGUMENT")
    yield from assign(f"{config}.lookahead_steps", (*ODD_DOUBLES, "0.5", "2147483649.0", "1e308"), "ARGUMENT")
    yield from assign(f"{config}.lookahead_alpha", (*ODD_DOUBLES, "1.0000000000000002", "1e308"), "ARGUMENT")
    yield from assign(f"{config}.lookahead_alpha", ("0.0", "1.0", "5e-324"), "OK")
    yield from assign(f"{config}.accumulate", (*ODD_DOUBLES, "0.5", "2147483649.0", "1e308"), "ARGUMENT")
    yield from assign(f"{config}.accumulate", ("0.0", "1.0", "2147483648.0"), "ANY")
    yield from assign(f"{config}.ema_decay", (*ODD_DOUBLES, "1.0", "2.0", "1e308"), "ARGUMENT")
    yield from assign(f"{config}.loss_scale", (*ODD_DOUBLES, "0.0", "-0.0", "-1.0"), "ARGUMENT")
    yield from assign(f"{config}.loss_scale", ("1e308", "1.0", "0.5"), "OK")
    for field in ("max_norm", "clip_norm", "clip_value"):
        yield from assign(f"{config}.{field}", ("NAN", "-1.0", "-INFINITY", "-5e-324"), "ARGUMENT")
        yield from assign(f"{config}.{field}", ("0.0", "INFINITY", "5e-324", "1e308"), "OK")
    yield "two ways to clip", f"{config}.max_norm = 1, {config}.clip_value = 1;", "ARGUMENT"
    for flag in ("EMA_CORRECTION", "EMA_WARMUP"):
        yield f"MARTLET_{flag} without an average", f"{config}.flags |= MARTLET_{flag};", "ARGUMENT"
    for flag in ("SKIP_NONFINITE", "MEASURE", "MEASURE_UPDATE"):
        yield f"MARTLET_{flag}", f"{config}.flags |= MARTLET_{flag};", "OK"
    for field in UNREAD:
        yield from assign(f"{config}.{field}", ("0.0", "-0.0", "0.9", "INFINITY", "5e-324"), "ARGUMENT")
    for field in ("lr", "eps", "weight_decay"):
        yield from assign(f"{config}.{field}", ("0.0", "-0.0", "5e-324", "1e308"), "OK")
    yield from assign(f"{config}.beta2", ("0.0", "-0.0", "5e-324", "0.9999999999999999"), "OK")


def report_values() -> Iterator[Value]:
    yield "NULL", "a->out_report = NULL;", "OK"
    yield from assign("a->out_report->struct_size", (0, 1, 31, 4097, "UINT32_MAX"), "STRUCT")
    yield "a longer report, tail not zero", "a->out_report->struct_size = 48; w->report.tail[7] = 1;", "STRUCT|OK"
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
        yield from assign(
            target, values, "OK" if function in ("martlet_algorithm_flags", "martlet_algorithm_needs") else "ARGUMENT"
        )
    elif function == "martlet_threads_set":
        yield from assign(target, (-1, 1025, 65536, *INT32), "ARGUMENT")
        yield from assign(target, (0, 1, 1024), "OK")
    elif function == "martlet_isa_set":
        yield from assign(target, (-1, 4, 100, 65537, *INT32), "ARGUMENT")
    elif function == "martlet_chunk_set":
        yield from assign(target, (-1, 1, 63, "((int64_t)1 << 40) + 1", "(int64_t)1 << 48", *INT64), "ARGUMENT")
        yield from assign(target, (0, 64, "(int64_t)1 << 40"), "OK")
    elif name == "rank":
        yield from assign(target, (-1, 65, 1 << 20, *INT32), "SHAPE")
        yield from assign(target, (0, 1), "OK")
    elif name == "group":
        yield from assign(target, (-1, 2, 1000, 65536, *INT32), "ARGUMENT")
    elif name == "mode":
        yield from assign(target, (-1, 2, 1000, *INT32), "ARGUMENT")
        yield from assign(target, (0, 1), "OK")
    elif name == "hyperparameter":
        values = (0, -1, 51, 1000, *INT32)
        yield from assign(target, values if function.endswith("_name") else (4, 7, 8, 34, 39, 42, *values), "ARGUMENT")
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
    elif function in ("martlet_step", "martlet_step_sharded", "martlet_mode_set", "martlet_finish"):
        yield from assign(target, (-1, "INT64_MIN", *HUGE, "(int64_t)1 << 56"), "SHAPE|ARGUMENT")
        yield from assign(target, (0,), "OK" if name == "count" else "ARGUMENT")
    elif function == "martlet_measure":
        yield from assign(target, (-1, "INT64_MIN", *HUGE, "(int64_t)1 << 56"), "ARGUMENT")
        yield from assign(target, (0,), "OK")
    elif name == "index":
        yield from assign(target, (-1, 2, 1000, "(int64_t)1 << 32", *INT64), "ARGUMENT")
    elif function == "martlet_backlog_size":
        yield from assign(target, (-1, *INT64, "((int64_t)1 << 56) + 1", "(int64_t)1 << 60"), "ARGUMENT")
        yield from assign(target, (0, 1, "(int64_t)1 << 56"), "OK")
    elif function in ("martlet_optimizer_step", "martlet_optimizer_sparse_step", "martlet_optimizer_finish"):
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
    elif function == "martlet_finish" and name == "parameters":
        yield "NULL", "a->parameters = NULL;", "NULL"
        yield from finished_values("a->parameters[1]")
    elif kind == "martlet_parameter *" and name == "parameters":
        yield "NULL", "a->parameters = NULL;", "NULL"
        yield from parameter_values("a->parameters[1]", moves=function == "martlet_mode_set")
    elif kind == "martlet_parameter *":
        yield from added_values("(*a->parameter)")
    elif kind == "martlet_array *" and name == "grads":
        yield from sparse_gradients() if function == "martlet_optimizer_sparse_step" else gradients()
    elif kind == "martlet_array *" and name == "arrays":
        yield "NULL", "a->arrays = NULL;", "NULL"
        for what, code, expected in array_values("(*a->arrays)", "grad"):
            # Any count is one that an array may have.
            if (".count = " not in what and ".data" not in what) or "misaligned" in what:
                yield what, code, expected
        yield "an array without data", "a->arrays->data = NULL;", "NULL"
        yield "one without elements", "a->arrays->data = NULL, a->arrays->count = 0;", "OK"
    elif kind == "martlet_array *" and name == "copy":
        yield "NULL", "a->copy = NULL;", "OK"
        yield from array_values("(*a->copy)", "set")
        yield "another type", "a->copy->dtype = MARTLET_BF16;", "OK"
        yield "the value", "a->copy->data = w->value[1];", "OVERLAP"
        yield "one element into the value's end", "a->copy->data = w->value[1] + COUNT - 1;", "OVERLAP"
    elif kind == "martlet_rows *":
        yield "NULL", "a->rows = NULL;", "NULL"
        if function == "martlet_optimizer_finish":
            yield from named_values("a->rows[1].rows", "a->rows[1].count", "w->rows")
        else:
            yield from rows_values("a->rows[1].rows", "a->rows[1].count", "w->rows", "a->grads[1]")
        for number in (0, 1):
            yield from assign(f"a->rows[1].reserved[{number}]", (1, "UINT64_MAX"), "STRUCT")
        moment = "martlet_array v = {0}; martlet_optimizer_state_get(w->optimizer, &v, 0, 0);"
        also = "" if function == "martlet_optimizer_finish" else " = a->grads[1].count"
        yield (
            "rows are a moment",
            f"{moment} a->rows[1].rows = memset(v.data, 0, 4 * COUNT); a->rows[1].count{also} = 8;",
            "OVERLAP",
        )
    elif kind == "martlet_array *":
        yield "NULL", f"a->{name} = NULL;", "NULL"
        yield from array_values(f"(*a->{name})", "set")
        yield "another type", f"a->{name}->dtype = MARTLET_FP64; a->{name}->count = COUNT / 2;", "TYPE|SHAPE"
        yield "a type of the same size as no other", f"a->{name}->dtype = MARTLET_BF16;", "TYPE"
        yield "the moment itself", f"martlet_optimizer_state_get(w->optimizer, a->{name}, 0, 0);", "OVERLAP"
        moment = f"martlet_optimizer_state_get(w->optimizer, a->{name}, 0, 0);"
        other = f"{moment} a->{name}->data = (float *)a->{name}->data + 1; a->{name}->count = COUNT;"
        yield "one element into the moment", other.replace("+ 1;", "+ 0;"), "OVERLAP"
    elif kind == "martlet_reduce":
        yield "NULL", "a->reduce = NULL;", "NULL"
    elif kind == "void *":
        yield "NULL", "a->context = NULL;", "OK"
    elif kind == "float *":
        yield from flat_values(name)
    elif kind == "int64_t *" and name == "step":
        yield from step_pointer_values()
    elif kind == "int64_t *" and name == "sizes":
        yield "NULL", "a->sizes = NULL;", "NULL"
        yield "misaligned", "a->sizes = (int64_t *)((char *)a->sizes + 1);", "ALIGNMENT"
        for first in (-1, *INT64):
            yield f"a first size of {first}", f"w->sizes[0] = {first}, w->sizes[1] = 7, a->sizes = w->sizes;", "SHAPE"
        yield "none of nothing", "w->sizes[0] = 0, w->sizes[1] = INT64_MAX, a->sizes = w->sizes;", "OK"
        yield "2^28 by 2^28", "w->sizes[0] = w->sizes[1] = 1 << 28, a->sizes = w->sizes;", "OK"
    elif kind == "char *":
        yield from path_values(function)
    else:
        yield from scalar_values(function, kind, name)
