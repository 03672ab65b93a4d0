"""The table of algorithms that `python -m martlet info --algorithms` prints and README shows: what each is called in
each language, and what it keeps of a parameter. Everything is asked of the library and of martlet.optim."""

from __future__ import annotations

from itertools import zip_longest

from martlet import _algorithms, _ffi_optimizers, optim

HEADS = ("martlet.torch, martlet.optim", "function, martlet.nn", "C", "state, bytes an fp32 element")


def rows() -> list[tuple[str, ...]]:
    """A row for each algorithm, in the order of their numbers."""
    classes = {made.__dict__["_algorithm"]: name for name, made in vars(optim).items() if _has_algorithm(made)}
    found: list[tuple[str, ...]] = []
    for number in _algorithms.numbers():
        kind = _algorithms.of(number)
        used = tuple(bool(value) for value in kind.defaults.values())
        usual = _algorithms.slots(number, _algorithms.TORCH, kind.default_flags, used)
        every = _algorithms.all_slots(number).without(_algorithms.OF_STAGES).kinds
        least, most = 4 * len(usual.arrays), 4 * every.count(_ffi_optimizers.SLOT_ELEMENTS)
        size = f"{least}" if least >= most else f"{least}, with options up to {most}"
        if _ffi_optimizers.SLOT_LEADING in every:
            size += ", with options 4 a row more"
        if usual.have_squares:
            size = (
                f"{4 * usual.kinds.count(_ffi_optimizers.SLOT_ELEMENTS)}, and 8 for each pair of rows, and of columns"
            )
        elif _ffi_optimizers.SLOT_BLOCKS in usual.kinds:
            size = "4, and 4 a row or block of rows"
        elif usual.are_shaped:
            size = "in matrices 4 a row and 4 a column, else 4"
        found.append((classes[number], kind.name, f"MARTLET_{kind.name.upper()}", size))
    return found


def text() -> str:
    """In columns."""
    lines = [HEADS, *rows()]
    widths = [max(map(len, column)) for column in zip_longest(*lines, fillvalue="")]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def markdown() -> str:
    """As README has it."""
    lines = [HEADS, ("---",) * len(HEADS), *(tuple(f"`{name}`" for name in row[:3]) + row[3:] for row in rows())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _has_algorithm(made: object) -> bool:
    return isinstance(made, type) and "_algorithm" in made.__dict__
