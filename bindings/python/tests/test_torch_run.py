"""`python -m martlet run`: scripts as they stand, with Martlet's optimizers, and with torch's beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from martlet.__main__ import main

SCRIPT = """
import sys
import torch
from torch.optim import SGD, LBFGS
from torch import nn

if __name__ == "__main__":
    generator = torch.Generator().manual_seed(1)
    model = nn.Linear(4, 1)
    inputs = torch.randn(32, 4, generator=generator)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(int(sys.argv[1])):
        optimizer.zero_grad()
        loss = (model(inputs) - inputs[:, :1]).square().mean()
        loss.backward()
        optimizer.step()
    print(sys.argv, type(optimizer).__name__, __name__)
    if "lbfgs" in sys.argv:
        LBFGS(model.parameters()).step(lambda: model(inputs).square().mean())
    sys.exit(int(sys.argv[2]))
"""


def ran(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "train.py").write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, "-m", "martlet", "run", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def test_run(tmp_path: Path) -> None:
    done = ran(tmp_path, "train.py", "5", "3", "--flag", "-m")
    assert done.returncode == 3
    assert done.stdout == "['train.py', '5', '3', '--flag', '-m'] SGD __main__\n"
    assert "martlet run: Martlet's: SGD (5 steps)" in done.stderr
    assert " s in steps (" in done.stderr
    done = ran(tmp_path, "-m", "train", "5", "0", "lbfgs")
    assert done.returncode == 0, done.stderr
    assert "SGD __main__" in done.stdout
    assert "LBFGS stays torch's" in done.stderr
    assert "martlet run: as they were: LBFGS (1 steps)" in done.stderr
    done = ran(tmp_path, "--algorithms", "adam,adamw", "train.py", "2", "0")
    assert "martlet run: as they were: SGD (2 steps)" in done.stderr


OTHER = """
import os, sys, threading, time, pickle
import torch
from torch import nn
import torch.multiprocessing as mp
import beside

class Thing:
    pass

class Loss(torch.optim.SGD):
    def step(self, loss=None):
        assert loss is None or float(loss) >= 0
        return super().step()

def work(rank):
    import martlet.torch
    assert isinstance(torch.optim.Adam([nn.Parameter(torch.ones(1))]), martlet.torch.Adam)

if __name__ == "__main__":
    os.chdir("/")
    assert os.path.isabs(__file__)
    parameter = nn.Parameter(torch.ones(3))
    optimizer = Loss([parameter], lr=0.1)
    parameter.grad = torch.ones(3)
    optimizer.step(torch.ones(()))
    inner = torch.optim.Adam([parameter])
    def closure(value=0):
        time.sleep(0.2)
        return value
    inner.step(closure)
    mp.spawn(work, nprocs=1)
    threading.Thread(target=lambda: (time.sleep(0.3), pickle.dumps(Thing()), print("later"))).start()
    if "fail" in sys.argv:
        raise KeyError("mine")
"""


def test_run_is_as_python_runs(tmp_path: Path) -> None:
    """__main__ stays, in threads too; folders, spawned processes, steps that take no closure, tracebacks."""
    folder = tmp_path / "real"
    folder.mkdir()
    (folder / "beside.py").write_text("", encoding="utf-8")
    (folder / "other.py").write_text(OTHER, encoding="utf-8")
    (tmp_path / "linked.py").symlink_to(folder / "other.py")
    done = ran(tmp_path, "linked.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "later\n"
    assert float(done.stderr.split("martlet run: ")[-1].split()[0]) < 0.2  # without the closure's time
    done = ran(tmp_path, "linked.py", "fail")
    assert done.returncode == 1
    trace = done.stderr[done.stderr.index("Traceback") :]
    assert trace.count("File ") == 1
    assert "KeyError: 'mine'" in trace


def test_run_compares(tmp_path: Path) -> None:
    done = ran(tmp_path, "--compare", "train.py", "7", "0")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.split() == ["backward", "passes", "7", "7"] for line in lines)
    losses = [line.split()[-2:] for line in lines if "loss" in line and "differ" not in line]
    assert [float(pair[0]) for pair in losses] == pytest.approx([float(pair[1]) for pair in losses], rel=1e-4)
    assert "losses differ by " in lines[-1]
    assert ran(tmp_path, "--compare", "train.py", "7", "4").returncode == 4


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["none.py"], "there is no 'none.py'; wanted a script's path, or -m and a module's name"),
        (["--algorithms", "sgd,adamm", "train.py"], "--algorithms has 'adamm'; wanted names of ASGD"),
        ([], "required: script"),
    ],
)
def test_run_refuses(words: list[str], text: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT, encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        main(["run", *words])
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert text in said.err
    assert said.out == ""


def test_processes_of_torchrun(tmp_path: Path) -> None:
    """`torchrun -m martlet run`: every process trains with Martlet's, and one of them says so."""
    script = tmp_path / "train.py"
    script.write_text(
        "import torch\n"
        "import torch.distributed as dist\n"
        "from torch import nn\n"
        "import martlet.torch\n"
        "dist.init_process_group('gloo')\n"
        "torch.manual_seed(0)\n"
        "model = nn.parallel.DistributedDataParallel(nn.Linear(3, 1))\n"
        "optimizer = torch.optim.Adam(model.parameters())\n"
        "assert isinstance(optimizer, martlet.torch.Adam)\n"
        "for _ in range(3):\n"
        "    optimizer.zero_grad()\n"
        "    model(torch.ones(2, 3) + dist.get_rank()).sum().backward()\n"
        "    optimizer.step()\n"
        "dist.destroy_process_group()\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "martlet", "run", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("martlet run: Martlet's: Adam (3 steps)") == 1
