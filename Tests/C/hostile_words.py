"""The words of hostile.py's tables: what a value is, and numbers at the ends of their types."""

from collections.abc import Iterator

#: What it is, the C statement that puts it into the call, the statuses that the header promises.
Value = tuple[str, str, str]

INT32 = ("INT32_MIN", "INT32_MAX")
INT64 = ("INT64_MIN", "INT64_MAX")
HUGE = ("INT64_MAX", "(int64_t)1 << 62", "(int64_t)1 << 61", "(int64_t)1 << 60")
ODD_DOUBLES = ("NAN", "INFINITY", "-INFINITY", "-1.0", "-5e-324", "-1e308")


def assign(target: str, values: tuple[object, ...], expected: str) -> Iterator[Value]:
    """One case for each value, in place of `target`."""
    for value in values:
        yield f"{target.removeprefix('a->')} = {value}", f"{target} = {value};", expected
