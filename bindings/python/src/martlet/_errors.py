"""The exceptions of Martlet: one for each status of martlet.h, and one for a library that cannot be loaded.

Each also derives from the built-in exceptions that a user would catch: numpy raises TypeError and ValueError for arrays
that do not fit, torch RuntimeError. The texts come from the code that raises them.
"""

from __future__ import annotations


class MartletError(Exception):
    """The base of all of Martlet's exceptions."""


class LibraryError(MartletError, ImportError):
    """The native library is missing, does not load, or is of another version."""


class ArgumentError(MartletError, ValueError):
    """A number is out of its range, or not known."""


class StructError(MartletError, ValueError):
    """A struct's size or a reserved field is wrong: package and library do not fit together."""


class HandleError(MartletError, ValueError):
    """A handle was destroyed, or never was one."""


class DTypeError(MartletError, TypeError, RuntimeError):
    """An array, or its element type, is of a kind that cannot stand where it does."""


class ShapeError(MartletError, ValueError, RuntimeError):
    """Shapes, strides or numbers of arrays that do not fit together."""


class OverlapError(MartletError, ValueError, RuntimeError):
    """Memory that is written overlaps other memory of the same call."""


class AlignmentError(MartletError, ValueError):
    """An array's elements do not start at multiples of their size."""


class ReadOnlyError(MartletError, ValueError):
    """An array that would be written is read-only."""


class UnsupportedError(MartletError, NotImplementedError):
    """Something that this version does not serve."""


class OutOfMemoryError(MartletError, MemoryError):
    """The system gave no memory."""


class FileError(MartletError, OSError):
    """The system refused a file operation."""


class FormatError(MartletError, ValueError):
    """A file's content, or a loaded state, is not what it should be."""


class MissingError(ArgumentError, FormatError, KeyError):
    """A group, a state or a state_dict lacks an entry."""

    # KeyError's shows a text as a literal.
    __str__ = Exception.__str__


class BusyError(MartletError, RuntimeError):
    """Another thread is inside this optimizer or model."""


class InterruptedStepError(MartletError, RuntimeError):
    """The process was forked while another thread was inside it, so its memory is half updated."""


class StoppedError(MartletError, RuntimeError):
    """A progress function asked to stop."""


class OrderError(MartletError, RuntimeError):
    """A call came before one that it needs, or after one that forbids it."""


class EarlyAttributeError(OrderError, AttributeError):
    """An attribute was read before there is one, so that hasattr says no."""


# Keyed by the status constants of martlet.h.
BY_STATUS: dict[int, type[MartletError]] = {
    -1: ArgumentError,
    -2: ArgumentError,
    -3: StructError,
    -4: HandleError,
    -5: DTypeError,
    -6: ShapeError,
    -7: OverlapError,
    -8: AlignmentError,
    -9: UnsupportedError,
    -10: OutOfMemoryError,
    -11: FileError,
    -12: FormatError,
    -13: BusyError,
    -14: InterruptedStepError,
    -15: StoppedError,
    -16: OrderError,
}
