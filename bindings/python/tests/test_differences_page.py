"""docs/differences.md: its tables are whole, each row names a test that there is, and its links lead somewhere."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "differences.md"
LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")
#: Tests that are there for the page alone.
ROWS_OWN = Path(__file__).resolve().with_name("test_differences.py")


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert all(len(row) == 4 and all(row) for row in cells)
    return [row for row in cells if row[0] not in ("What happens", "---")]


@functools.cache
def functions_of(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_each_row_names_tests_that_exist() -> None:
    named = set()
    for *_, held_by in rows():
        links = LINK.findall(held_by)
        assert links and not LINK.sub("", held_by).strip(", "), held_by
        for test, target in links:
            path = (PAGE.parent / target).resolve()
            assert test in functions_of(path), f"{target} has no {test}"
            named.add((path, test))
    here = {name for name in functions_of(ROWS_OWN) if name.startswith("test_")}
    assert here == {test for path, test in named if path == ROWS_OWN}


def test_its_links_lead_somewhere() -> None:
    text = PAGE.read_text()
    heads = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^## (.*)$", text, re.M)}
    for _, target in LINK.findall(text):
        assert target[1:] in heads if target.startswith("#") else (PAGE.parent / target).is_file(), target
