"""One peer in a process of its own: ``python worker.py PEER``.

Reads commands on standard input and answers each with one line of JSON on standard output:
``load CASE ...`` builds the parameters and the optimizer, ``burst SECONDS GAP`` takes steps for about that long and
answers the seconds of one. While it waits it blocks on the read, so the cores belong to whoever is being measured.
The peers are made elsewhere: those of the optimizer's cases in adam.py, of what stands around a step in around.py, of
state in few bits in small.py, of steps by rows in rows.py, of the family's in family.py, of Muon's and SOAP's in
matrices.py, of the models' in models.py, of martlet.sklearn's in perceptrons.py. It compares nothing; compare.py does.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from importlib import metadata

import adam
import around
import family
import matrices
import models
import perceptrons
import rows
import small
from peer import Peer, burst

#: Each has its cases by name, and makes their peers.
PARTS = (adam, around, small, rows, family, matrices, models, perceptrons)


def version(peer: str) -> str:
    package = peer.replace(",", "").split()[0].split(".")[0].lower()
    found = getattr(sys.modules.get(package), "__version__", "")
    if not found:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found = metadata.version(package)
    return f"{package} {found}".strip()


def notes(own_step: bool) -> dict[str, object]:
    """What Martlet's latest step ran on; where that is part of a model's step, what this one may use."""
    martlet = sys.modules.get("martlet")
    if martlet is None:
        return {}
    machine = martlet.machine()
    if own_step:
        return {"isa": machine.last_isa, "threads": machine.last_threads}
    return {"isa": machine.isa, "threads": machine.threads}


def main() -> None:
    name = sys.argv[1]
    # Peers print what they like to standard output; the answers keep a copy of it, and it becomes standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    peer: Peer | None = None
    seconds, part = 0.0, adam
    for line in sys.stdin:
        command, *arguments = line.split()
        answer: dict[str, object]
        try:
            if command == "load":
                part = next(part for part in PARTS if arguments[0] in part.CASES)
                peer = part.make(name, arguments[0])
                answer = {"ready": version(name)}
            elif command == "burst" and peer is not None:
                seconds = burst(peer, float(arguments[0]), float(arguments[1]), seconds)
                answer = {"seconds": seconds, **notes(part not in (models, perceptrons))}
            else:
                break
        except Exception as error:  # a peer that cannot be built or imported is a line of the report
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
