"""README's code, held to what is run: its Swift block stands as it is in an example that `make test` runs."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_swift_block_is_an_example_that_is_run() -> None:
    (block,) = re.findall(r"```swift\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    example = (ROOT / "Examples" / "Swift" / "Quick.swift").read_text()
    body = example[example.index("static func main()") :]
    assert block in textwrap.dedent(body[body.index("\n") + 1 : body.index("    }\n}\n")])
    assert ".build/release/example-quick" in (ROOT / "Tests" / "run.sh").read_text()
