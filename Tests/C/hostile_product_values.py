"""What hostile.py gives to martlet_matmul: matrices that are missing, misaligned or share memory, sizes and flags.

Values are as in hostile_values.py; the good call, of ROWS, INNER and COLUMNS, is in hostile_model_run.h.
"""

from collections.abc import Iterator

from hostile_words import INT64, Value, assign


def matmul_values(name: str) -> Iterator[Value]:
    target = f"a->{name}"
    if name in ("out", "left", "right"):
        yield "NULL", f"{target} = NULL;", "NULL"
        for offset in (1, 2, 3):
            yield f"misaligned by {offset}", f"{target} = (void *)((char *)w->scratch + {offset});", "ALIGNMENT"
        for other in {"out": ("left", "right"), "left": ("out",), "right": ("out",)}[name]:
            yield f"is {other}", f"{target} = a->{other};", "OVERLAP"
            yield f"begins inside {other}", f"{target} = a->{other} + 20;", "OVERLAP"
            yield f"ends inside {other}", f"{target} = a->{other} - 19;", "OVERLAP"
        yield "at the end of memory", f"{target} = (float *)(UINTPTR_MAX - 63);", "SHAPE|OVERLAP"
        yield "is the other factor", "a->left = a->right;", "OK"
    elif name == "flags":
        yield from assign(target, ("8u", "9u", "0x80000000u", "0xFFFFFFFFu", "1u << 16", "~7u"), "ARGUMENT")
        yield from assign(target, (1, 2, 3, 4, 5, 6, 7), "OK")
    else:
        yield from assign(target, (-1, -1000, *INT64, "((int64_t)1 << 40) + 1", "(int64_t)1 << 62"), "SHAPE")
        yield from assign("a->rows = a->inner = a->columns", ("INT64_MIN", "(int64_t)1 << 40", "INT64_MAX"), "SHAPE")
        yield from assign(target, (0, 1), "OK")
        yield "0, no address", "a->rows = a->inner = a->columns = 0; a->out = NULL; a->left = a->right = NULL;", "OK"
