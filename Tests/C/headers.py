"""martlet.h and the headers that it includes, read as one text."""

from pathlib import Path


def text_of(folder: Path) -> str:
    """The headers in a folder and in the folders in it, one after another."""
    return "\n".join(path.read_text() for path in sorted(folder.rglob("*.h")))
