"""The most memory that a process has while it trains ResNet-20 on 32x32 images in batches of 64: a program of
martlet.nn beside one of torch, each by itself, with what the libraries take by being imported.

    python Benchmarks/model_memory.py
"""

from __future__ import annotations

import resource
import subprocess
import sys

import cases
import model_cases
import networks

STEPS = 8
(CASE,) = (
    case for case in model_cases.CASES if isinstance(case, model_cases.Training) and case.name == "train-resnet-20"
)
#: What each program is; the first is what others' shares are of.
PROGRAMS = {
    cases.FUSED: "torch, fused Adam",
    model_cases.FUSED_LAST: "torch, fused Adam, channels-last",
    cases.MARTLET: "martlet.nn",
}
#: The most of torch's that martlet.nn may have.
WANTED = 0.6


def run(peer: str) -> None:
    """Takes the steps in this process, and prints the most memory that it has had, in bytes."""
    made = networks.MAKERS[peer](CASE)
    for _ in range(-(-STEPS // made.steps)):
        made.step()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def main() -> None:
    peaks = {}
    for peer in PROGRAMS:
        done = subprocess.run([sys.executable, __file__, peer], check=True, stdout=subprocess.PIPE, text=True)
        peaks[peer] = int(done.stdout)
    torchs = peaks[cases.FUSED]
    print(f"{'':36}{'peak, MB':>10}{'share':>8}")
    for peer, text in PROGRAMS.items():
        print(f"{text:36}{peaks[peer] / 1e6:10.0f}{peaks[peer] / torchs:8.2f}")
    print(f"wanted: at most {WANTED} of torch's")


if __name__ == "__main__":
    run(sys.argv[1]) if len(sys.argv) > 1 else main()
