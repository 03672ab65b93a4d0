"""Names by globs, as the rules and blocks of Muon's classes find them: as Python's fnmatch does, one by one."""

from __future__ import annotations

import random
from fnmatch import fnmatchcase

from martlet._routing import Names

PIECES = ("a", "b", "ab", "0", "10", "x[y", "z]", "l\nm")
WILD = ("*", "?", "[ab]", "[!a]", "[", "]", "*", ".", "[]a]", "[*]")


def test_names_are_those_that_a_glob_matches() -> None:
    drawn = random.Random(1)
    for _ in range(400):
        names = list(
            {".".join(drawn.choices(PIECES, k=drawn.randint(1, 4))) + drawn.choice(["", "/w"]) for _ in range(9)}
        )
        found = Names(names)
        for _ in range(6):
            pattern = list(drawn.choice(names))
            for _ in range(drawn.randint(0, 3)):
                pattern[drawn.randrange(len(pattern))] = drawn.choice(WILD)
            glob = "".join(pattern)[: drawn.randint(1, 99)]
            assert found.places(glob) == [place for place, name in enumerate(names) if matches(name, glob)], glob


def matches(name: str, glob: str) -> bool:
    """It, or a module that it is in."""
    ends = [end for end, letter in enumerate(name) if letter in "./"]
    return any(fnmatchcase(name[:end], glob) for end in (*ends, len(name)))


def test_no_names() -> None:
    assert Names([]).places("*") == Names([]).places("a") == []
