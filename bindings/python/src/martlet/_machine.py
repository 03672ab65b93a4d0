"""What the machine is, and which of its instruction sets is in use."""

from __future__ import annotations

from typing import NamedTuple

from martlet import _ffi
from martlet._errors import ArgumentError, DTypeError

_ISA_NAMES = {
    _ffi.ISA_AUTO: "none",
    _ffi.ISA_BASELINE: "baseline",
    _ffi.ISA_AVX2: "avx2",
    _ffi.ISA_AVX512: "avx512",
}
_ISA_NUMBERS = {
    "auto": _ffi.ISA_AUTO,
    "baseline": _ffi.ISA_BASELINE,
    "avx2": _ffi.ISA_AVX2,
    "avx512": _ffi.ISA_AVX512,
}


class Machine(NamedTuple):
    """isa: the instruction set in force, "baseline", "avx2" or "avx512"; isa_best: the best that this machine has.
    threads: the thread count in force; threads_default: the least of CPU affinity, cgroup quota and OMP_NUM_THREADS.
    last_isa, last_threads: what this thread's latest step ran on, "none" and 0 before the first.
    chunk: the least number of elements that is handed to a thread at once."""

    isa: str
    isa_best: str
    threads: int
    threads_default: int
    last_isa: str
    last_threads: int
    chunk: int


def machine() -> Machine:
    """Describes the machine and the settings in force."""
    seen = _ffi.Machine()
    _ffi.martlet_machine_get(seen, _ffi.struct_size(_ffi.Machine))
    return Machine(
        isa=_ISA_NAMES.get(seen.isa, str(seen.isa)),
        isa_best=_ISA_NAMES.get(seen.isa_best, str(seen.isa_best)),
        threads=seen.threads,
        threads_default=seen.threads_default,
        last_isa=_ISA_NAMES.get(seen.last_isa, str(seen.last_isa)),
        last_threads=seen.last_threads,
        chunk=seen.chunk,
    )


def set_isa(isa: str) -> None:
    """Chooses the instruction set for the whole process: "auto" (the best), "baseline", "avx2" or "avx512".

    Results of optimizers do not depend on it; those of models do, in their last bits. One that the machine lacks is an
    ArgumentError.
    """
    if not isinstance(isa, str):
        raise DTypeError(f"isa is {isa!r}; wanted one of {', '.join(map(repr, _ISA_NUMBERS))}")
    if isa not in _ISA_NUMBERS:
        raise ArgumentError(f"isa is {isa!r}; wanted one of {', '.join(map(repr, _ISA_NUMBERS))}")
    _ffi.martlet_isa_set(_ISA_NUMBERS[isa])


def set_chunk(elements: int) -> None:
    """Sets the least number of elements that is handed to a thread at once; 0 returns to the default. For tests."""
    _ffi.martlet_chunk_set(elements)
