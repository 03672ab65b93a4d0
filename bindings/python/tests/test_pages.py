"""What the project's pages point to is there: links, and files that stand in `code` by the end of their paths."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("Examples/**/*.md"), ROOT / "bindings/python/README.md"]
)
KINDS = ("c", "cpp", "h", "map", "md", "py", "sh", "swift", "toml")
NAMED = re.compile(rf"`([\w./-]+\.(?:{'|'.join(KINDS)}))`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
# What programs and readers write themselves.
THEIR_OWN = {"readme.md", "train.py", "your_script.py"}


def files() -> list[str]:
    built = {".build", ".build-example", ".venv", ".git", "build"}
    found = (path for path in ROOT.rglob("*") if path.is_file() and not built & set(path.relative_to(ROOT).parts))
    return [f"/{path.relative_to(ROOT)}" for path in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    every = files()
    for name in set(NAMED.findall(text)) - THEIR_OWN:
        assert any(file.endswith(f"/{name}") for file in every), f"{page.name} names {name}"
    for target in set(LINK.findall(text)):
        assert target.startswith(("http://", "https://")) or (page.parent / target).exists(), f"{page.name}: {target}"
