"""Hashing: a number for each word or whole number, without a vocabulary, by a hash that anyone can compute.

The hash is FNV-1a of 32 bits over the bytes of the text in UTF-8, or of a whole number's decimal text: from 2166136261,
for each byte the exclusive or with it, then times 16777619, all modulo 2^32 (G. Fowler, L. C. Noll, K.-P. Vo, D.
Eastlake: The FNV Non-Cryptographic Hash Algorithm. https://datatracker.ietf.org/doc/draft-eastlake-fnv/).
Examples/C/text.c has it in three lines. Keras's, of TensorFlow, are others: bins are not Keras's.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from martlet import _arguments
from martlet._errors import ArgumentError, DTypeError, UnsupportedError

NDArray = np.ndarray[Any, Any]
_BASIS, _PRIME, _BITS = 2166136261, 16777619, 0xFFFFFFFF


class Hashing:
    """The hash of each text or whole number modulo num_bins.

    num_bins     1 to 2^31 - 1
    mask_value   gets 0 for itself, where there are several bins, and others 1 and the hash modulo num_bins - 1; None:
                 nothing does
    salt         a whole number of 64 bits, or two, of which one number stands for both: 16 bytes that are hashed first,
                 the least significant of each first; None: none

    Hashing(512, mask_value="") is what Examples/C/text.c does. Raises DTypeError or ArgumentError for arguments that
    cannot be, and UnsupportedError for other values of output_mode and sparse.
    """

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        *,
        name: str | None = None,
    ) -> None:
        self.name = "hashing" if name is None else _arguments.text(name, "name")
        self.num_bins = _arguments.integer(num_bins, "num_bins", 1, 2**31 - 1)
        self.mask_value = mask_value
        self._mask = None if mask_value is None else _bytes(mask_value, "mask_value")
        self.salt = None if salt is None else _salt(salt)
        if output_mode != "int" or sparse is not False:
            raise UnsupportedError(f'output_mode is {output_mode!r} and sparse {sparse!r}; wanted "int" and False')
        self._start = _hash(_BASIS, b"".join(struct.pack("<Q", one % 2**64) for one in self.salt or ()))

    def __repr__(self) -> str:
        return f"<Hashing {self.name!r} in {self.num_bins} bins>"

    def __call__(self, inputs: Any) -> NDArray:
        """An int32 array of the shape of inputs: texts, bytes or whole numbers, as a list, an array, or one of them.
        Raises DTypeError for anything else."""
        try:
            given = np.asarray(inputs, object if isinstance(inputs, list | tuple | str | bytes) else None)
        except ValueError as error:
            raise DTypeError(f"inputs is no array: {error}; wanted lists of one length") from None
        known: dict[bytes, int] = {}
        flat = given.reshape(-1).tolist()
        found = np.empty(len(flat), np.int32)
        for place, value in enumerate(flat):
            word = _bytes(value, f"inputs, number {place},")
            if word not in known:
                known[word] = self._bin(word)
            found[place] = known[word]
        return found.reshape(given.shape)

    def _bin(self, value: bytes) -> int:
        if self._mask is None or self.num_bins == 1:
            return _hash(self._start, value) % self.num_bins
        return 0 if value == self._mask else 1 + _hash(self._start, value) % (self.num_bins - 1)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make another one, as JSON takes them."""
        mask = self.mask_value.decode() if isinstance(self.mask_value, bytes) else self.mask_value
        mask = mask if mask is None or isinstance(mask, str) else int(mask)
        salt = None if self.salt is None else [*self.salt]
        return {"name": self.name, "num_bins": self.num_bins, "mask_value": mask, "salt": salt}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """What get_config described; raises as the class does."""
        return cls(**config)


def _hash(start: int, value: bytes) -> int:
    for byte in value:
        start = (start ^ byte) * _PRIME & _BITS
    return start


def _bytes(value: Any, where: str) -> bytes:
    """What is hashed of a text or a whole number."""
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise ArgumentError(f"{where} is {value!r}, which has no UTF-8: {error}") from None
    if isinstance(value, bytes):
        try:
            value.decode()
        except UnicodeDecodeError as error:
            raise ArgumentError(f"{where} is {value!r}, which is no UTF-8: {error}") from None
        return value
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise DTypeError(f"{where} is {value!r} of type {type(value).__name__}; wanted a text or a whole number")
    return str(int(value)).encode()


def _salt(given: Any) -> tuple[int, int]:
    both = given if isinstance(given, list | tuple) else (given, given)
    if len(both) != 2:
        raise ArgumentError(f"salt is {given!r}; wanted a whole number, or two")
    first, second = (_arguments.integer(one, "salt", -(2**63), 2**64 - 1) for one in both)
    return first, second
