"""What the tests share: a subprocess with this package, the seeds of peers, and settings put back after each test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import martlet
from martlet import _ffi, _machine, _threads

SOURCE = Path(martlet.__file__).resolve().parent.parent
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_python() -> Run:
    """Runs code in a fresh interpreter; returns the completed process, whose status has been checked."""

    def run(
        code: str,
        *options: str,
        env: dict[str, str | None] | None = None,
        status: int = 0,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "MARTLET_LIBRARY": str(_ffi.library_path)}
        environment["PYTHONPATH"] = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
        for name, value in (env or {}).items():
            if value is None:
                environment.pop(name, None)
            else:
                environment[name] = value
        done = subprocess.run(
            [sys.executable, *options, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == status, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture(autouse=True)
def _peers_alike(request: pytest.FixtureRequest) -> None:
    """Peers that are loaded draw the same numbers whatever tests have run before, and JAX computes in float32, but for
    modules that say IN_FLOAT64."""
    if "jax" in sys.modules:
        sys.modules["jax"].config.update("jax_enable_x64", getattr(request.module, "IN_FLOAT64", False))
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(autouse=True)
def _settings_put_back() -> Iterator[None]:
    explicit, followed = _threads.explicit, _threads.followed
    yield
    martlet.set_isa("auto")
    _machine.set_chunk(0)
    martlet.set_num_threads(0)
    _threads.explicit, _threads.followed = explicit, followed
    if "torch" in sys.modules:
        _threads.followed = None
    if "martlet.torch" in sys.modules:
        sys.modules["martlet.torch"].uninstall()
