"""What an optimizer adds to the peak of a process's memory: that of six steps of a program of GPT-2's shapes, 124 M
parameters in fp32, less that of the same program without an optimizer. The first step, which makes the state, is one of
them; each program is a process of its own. What torch imports when the first optimizer is made, torch._dynamo, is code
and nobody's state: each program has it, the one without an optimizer too.

    python Benchmarks/memory.py
"""

from __future__ import annotations

import math
import resource
import subprocess
import sys
from typing import Any

from cases import gpt2_shapes

STEPS = 6
#: What each program is; the second is what others' shares are of.
PROGRAMS = {
    "none": "no optimizer",
    "torch": "torch.optim.AdamW, fused=True",
    "fp32": "martlet.torch.AdamW",
    "bf16": 'martlet.torch.AdamW, state_dtype="bf16"',
    "int8": 'martlet.torch.AdamW, state_dtype="int8"',
    "int4": 'martlet.torch.AdamW, state_dtype="int4"',
}


def run(program: str) -> None:
    """Takes the steps in this process, and prints the most memory that it has had, in bytes."""
    import torch

    import martlet.torch

    torch.set_num_threads(1)
    torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])
    parameters = [torch.nn.Parameter(torch.randn(shape) * 0.02) for shape in gpt2_shapes()]
    optimizer: Any = None
    if program == "torch":
        optimizer = torch.optim.AdamW(parameters, lr=1e-3, fused=True)
    elif program != "none":
        options: dict[str, Any] = {} if program == "fp32" else {"state_dtype": program}
        optimizer = martlet.torch.AdamW(parameters, lr=1e-3, **options)
    for _ in range(STEPS):
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.empty_like(parameter)
            parameter.grad.normal_(std=1e-3)
        if optimizer is not None:
            optimizer.step()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def main() -> None:
    peaks = {}
    for program in PROGRAMS:
        words = [sys.executable, __file__, program]
        peaks[program] = int(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)
    count = sum(math.prod(shape) for shape in gpt2_shapes())
    torchs = peaks["torch"] - peaks["none"]
    print(f"{'':44}{'peak, MB':>10}{'its own':>10}{'bytes each':>12}{'share':>8}")
    for program, text in PROGRAMS.items():
        own = peaks[program] - peaks["none"]
        print(f"{text:44}{peaks[program] / 1e6:10.0f}{own / 1e6:10.0f}{own / count:12.2f}{own / torchs:8.3f}")


if __name__ == "__main__":
    run(sys.argv[1]) if len(sys.argv) > 1 else main()
