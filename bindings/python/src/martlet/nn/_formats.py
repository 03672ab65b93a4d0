"""The order of an image's sizes as users see it: (height, width, channels), or (channels, height, width).

The library computes channels-last; _laying.py turns images where a layer says otherwise.
"""

from __future__ import annotations

from typing import Any

from martlet._errors import ArgumentError

LAST, FIRST = "channels_last", "channels_first"
_default = LAST


def set_data_format(data_format: str) -> None:
    """Sets what layers made from here on take where they are given no data_format: "channels_last" or
    "channels_first"."""
    global _default
    _default = resolved(data_format)


def get_data_format() -> str:
    """What layers take where they are given no data_format."""
    return _default


def resolved(data_format: Any, where: str = "data_format") -> str:
    """The format asked for, or the default where that is None."""
    if data_format is None:
        return _default
    if isinstance(data_format, str) and data_format in (LAST, FIRST):
        return data_format
    raise ArgumentError(f'{where} is {data_format!r}; wanted "{LAST}" or "{FIRST}"')
