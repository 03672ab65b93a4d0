"""What hostile.py gives to the functions of schedules: kinds, fields, counts and steps that cannot be.

Values are as in hostile_values.py; the good calls, a warm-up with a cosine behind it and a plateau, are in
hostile_run.h.
"""

from collections.abc import Iterator

from hostile_values import out_values
from hostile_words import INT32, INT64, ODD_DOUBLES, Value, assign

FUNCTIONS = ("martlet_schedule_", "martlet_plateau_")
UNREAD = ("0.0", "-0.0", "1.0", "0.5", "INFINITY")


def serves(function: str) -> bool:
    return function.startswith(FUNCTIONS)


def schedule_values(one: str) -> Iterator[Value]:
    """Every field of a cosine, and of what else it may become."""
    yield from assign(f"{one}.struct_size", (0, 1, 95, 4097, 65536, "UINT32_MAX"), "STRUCT")
    yield from assign(f"{one}.kind", (0, -1, 12, 1000, *INT32), "ARGUMENT")
    yield from assign(f"{one}.flags", (1, 4, 8, 16, "0x80000000u", "0xFFFFFFFFu"), "ARGUMENT")
    yield from assign(f"{one}.flags", ("MARTLET_CYCLE",), "OK")
    yield from assign(f"{one}.reserved", (1, -1, *INT32), "STRUCT")
    yield from assign(f"{one}.begin", (-1, "INT64_MIN"), "ARGUMENT")
    yield from assign(f"{one}.end", (-1, "INT64_MIN", 1, f"{one}.begin"), "ARGUMENT")
    yield from assign(f"{one}.end", ("INT64_MAX",), "OK")
    yield from assign(f"{one}.steps", (*ODD_DOUBLES, "0.0", "0.5", "5e-324"), "ARGUMENT")
    yield from assign(f"{one}.steps", ("1.0", "1.5", "1e308", "0x1p63"), "OK")
    for field in ("rate", "end_rate"):
        yield from assign(f"{one}.{field}", ODD_DOUBLES, "ARGUMENT")
        yield from assign(f"{one}.{field}", ("0.0", "-0.0", "5e-324", "1e308"), "OK")
    for field in ("start_rate", "factor", "power", "cycle_factor", "warmup"):
        yield from assign(f"{one}.{field}", UNREAD, "ARGUMENT")
    restarts = f"{one}.kind = MARTLET_SCHEDULE_COSINE_RESTARTS; {one}.factor = 1;"
    for value in ("0.5", "0.0", *ODD_DOUBLES):
        yield f"restarts, cycle_factor {value}", f"{restarts} {one}.cycle_factor = {value};", "ARGUMENT"
    for value in ("1.0", "1.0000000000000002", "1e308", "2.0"):
        code = f"{restarts} {one}.cycle_factor = {value}; {one}.steps = 1; a->step = INT64_MAX;"
        yield f"restarts, cycle_factor {value}", code, "OK"
    cycle = f"{one}.kind = MARTLET_SCHEDULE_ONE_CYCLE; {one}.end_rate = NAN;"
    for value in ("1.5", "-0.1", "NAN", "INFINITY"):
        yield f"one cycle, warmup {value}", f"{cycle} {one}.warmup = {value};", "ARGUMENT"
    for value in ("0.0", "1.0", "5e-324"):
        yield f"one cycle, warmup {value}", f"{cycle} {one}.warmup = {value}; {one}.steps = 1;", "OK"
    growing = f"{one}.kind = MARTLET_SCHEDULE_EXPONENTIAL; {one}.end_rate = NAN; {one}.steps = 1;"
    yield "a rate beyond fp64", f"{growing} {one}.factor = 1e308; a->step = INT64_MAX;", "ARGUMENT"
    yield "a rate that falls to 0", f"{growing} {one}.factor = 1e-308; a->step = INT64_MAX;", "OK"


def plateau_values(one: str) -> Iterator[Value]:
    yield from assign(f"{one}.struct_size", (0, 1, 95, 4097, 65536, "UINT32_MAX"), "STRUCT")
    yield from assign(f"{one}.semantics", (-1, 2, 3, 4, *INT32), "ARGUMENT")
    yield from assign(f"{one}.flags", (4, 8, "0x80000000u", "0xFFFFFFFFu"), "ARGUMENT")
    yield from assign(f"{one}.flags", (0, 1, 2, 3), "OK")
    yield from assign(f"{one}.reserved", (1, -1, *INT32), "STRUCT")
    for field in ("rate", "min_rate", "threshold", "eps", "factor"):
        yield from assign(f"{one}.{field}", ODD_DOUBLES, "ARGUMENT")
    yield from assign(f"{one}.factor", ("1.0", "2.0", "1e308"), "ARGUMENT")
    for field in ("patience", "cooldown", "bad", "cooling"):
        yield from assign(f"{one}.{field}", (-1, "INT64_MIN"), "ARGUMENT")
        yield from assign(f"{one}.{field}", ("INT64_MAX", 0), "OK")
    yield from assign(f"{one}.best", (*ODD_DOUBLES, "1e308"), "OK")


def values_for(function: str, kind: str, name: str) -> Iterator[Value]:
    target = f"a->{name}"
    if name == "out_rate":
        yield from out_values(kind, name)
        yield "lies in the schedules", f"{target} = &a->schedules[1].rate;", "OK"
    elif name.startswith("out_"):
        yield from out_values(kind, name, size="a->struct_size")
    elif name == "schedules":
        yield "NULL", f"{target} = NULL;", "NULL"
        yield "misaligned", f"{target} = (void *)((char *)w->scratch + 4);", "ALIGNMENT"
        yield from schedule_values("a->schedules[1]")
        yield "a short first one", "a->schedules[0].struct_size = 88;", "STRUCT"
        yield "sizes of two versions", "a->schedules[1].struct_size = 104;", "STRUCT"
        longer = "a->schedules[0].struct_size = 104; a->count = 1; a->step = 0;"
        yield "a longer one, tail not zero", f"{longer} a->schedules[1].struct_size = 1;", "STRUCT"
        yield "a longer one, zero tail", f"{longer} memset(&a->schedules[1], 0, 8);", "OK"
        yield (
            "just before a page's end",
            (
                "martlet_schedule *s = at_page_end(NULL, 2 * sizeof *s); memcpy(s, a->schedules, 2 * sizeof *s); "
                "a->schedules = s;"
            ),
            "OK",
        )
        yield "none is under way", "a->schedules[0].end = a->schedules[1].end = 110; a->step = 110;", "ARGUMENT"
    elif name == "plateau":
        yield "NULL", f"{target} = NULL;", "NULL"
        yield "misaligned", f"{target} = (void *)((char *)w->scratch + 4);", "ALIGNMENT"
        yield from plateau_values("(*a->plateau)")
    elif name == "metric":
        yield from assign(target, ("NAN", "INFINITY", "-INFINITY", "-0.0", "5e-324", "1e308"), "OK")
    elif name == "struct_size":
        yield from assign(target, (0, 1, 4, 95, 4097, "SIZE_MAX", "SIZE_MAX / 2", "(size_t)1 << 32"), "STRUCT")
    elif name == "kind":
        yield from assign(target, (0, -1, 12, 1000, *INT32), "ARGUMENT")
    elif name == "semantics":
        yield from assign(target, (-1, 2, 3, 4, 1000, *INT32), "ARGUMENT")
    elif name == "count":
        yield from assign(target, (0, -1, *INT64, "((int64_t)1 << 24) + 1", "(int64_t)1 << 61"), "ARGUMENT")
        yield from assign(target, (1,), "ARGUMENT|OK")
    elif name == "step":
        yield from assign(target, (-1, -1000, "INT64_MIN", "INT64_MIN + 1", "-((int64_t)1 << 32)"), "ARGUMENT")
        yield from assign(target, (0, 99, 100, "((int64_t)1 << 53) + 1", "INT64_MAX"), "OK")
