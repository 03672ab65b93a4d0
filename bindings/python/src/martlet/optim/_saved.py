"""How the state of an optimizer over numpy arrays leaves and comes back: state dicts, files, pickles and copies.

What is in a state dict is _state_dict.py's, what in a file _checkpoint.py's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from martlet import _backlog, _checkpoint, _groups, _scheduled, _state_dict
from martlet._averages import Averaging
from martlet._config import Hyperparameters
from martlet._errors import FormatError
from martlet._owner import Gate, gated
from martlet._parameters import Parameters
from martlet._stepping import Stepper
from martlet.convert._torch import translated


class Saved(Averaging):
    """What every optimizer here keeps, and how it is kept. Optimizer has the documentation."""

    _algorithm: int
    param_groups: list[dict[str, Any]]
    _parameters: Parameters
    _rows: _groups.Rows
    _stepper: Stepper
    # The groups' hyperparameters as they were last read.
    _read: Any = None

    @gated
    def finish(self) -> None:
        """Lets all rows catch up with the steps that defer_rows has left for later, before parameters are read, saved,
        or written by others: values of earlier steps come behind it. state_dict(), load_state_dict(), save(), load(),
        pickle and copies of the optimizer do so by themselves. Options that take state away, such as a momentum that
        becomes 0, come behind it too.
        """
        self._finish()

    def _finish(self) -> None:
        if not any(map(_backlog.is_behind, (entry.backlog for entry in self._parameters.entries))):
            return
        self._stepper.catch_up(self._read_rows(), self._parameters.entries)

    def _read_rows(self) -> list[Hyperparameters]:
        """The groups' hyperparameters as they are now."""
        rows = self._rows.read(self._groups_now(), self._parameters.group_count)
        if rows is not self._read:
            self._stepper.state_dtypes = _groups.state_dtypes(self.param_groups)
            self._read = rows
        return rows

    def _groups_now(self) -> Sequence[Mapping[str, Any]]:
        """The groups, with numbers in the place of schedules."""
        return _scheduled.all_at(self.param_groups, self._steps_taken)

    def _steps_taken(self) -> int:
        return max((entry.steps for entry in self._parameters.entries), default=0)

    @gated
    def state_dict(self) -> dict[str, Any]:
        """Moments, step counts and hyperparameters: copies, as numpy arrays and plain types.

        {"state": {0: {"step": 3, "exp_avg": array, "exp_avg_sq": array}, ...}, "param_groups": [{"lr": ..., "params":
        [0, ...], "param_names": [...]}]}, as in torch.
        """
        self._martlet_refuse_averages("state_dict()")
        self._finish()
        return _state_dict.pack(self._groups_now(), self._parameters.by_group(self.param_groups))

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what state_dict() gave, or that of an optimizer of torch's shape with the same parameters, as
        martlet.convert.from_torch reads it. Arrays are copied. A schedule stays, and goes on at the steps that were
        loaded.

        Raises FormatError, and changes nothing, where it does not fit the parameters. An optimizer that was made
        without parameters takes them on first: build(variables).
        """
        self._load(translated(state_dict, self))

    @gated
    def _load(self, state_dict: Mapping[str, Any]) -> None:
        self._martlet_refuse_averages("load_state_dict()")
        rows, loaded = _state_dict.unpack(
            state_dict, self._algorithm, self._groups_now(), self._parameters.by_group(self.param_groups)
        )
        self._finish()
        for entry, step, state in loaded:
            entry.take(step, state)
        self._take_rows(rows)

    @gated
    def save(self, path: Any) -> None:
        """Writes moments, step counts and hyperparameters as safetensors; a kill leaves the old file or the new one.

        The parameters' values are not in it. Takes a second copy of the moments for as long as it runs.
        """
        self._martlet_refuse_averages("save()")
        self._finish()
        rows = self._read_rows()
        _checkpoint.save(path, rows, self._parameters.entries, self._stepper.state_dtypes)

    @gated
    def load(self, path: Any) -> None:
        """Reads what save() wrote, into an optimizer with parameters of the same names, shapes and types. Groups take
        over the file's hyperparameters, flags and semantics; with others than theirs, they must keep the same moments.

        One that was made without parameters takes them on first: build(variables).
        """
        self._martlet_refuse_averages("load()")
        entries = self._parameters.entries
        if not entries:
            raise FormatError(f"load: {_state_dict.NO_PARAMETERS}")
        self._finish()
        rows = self._read_rows()
        self._take_rows(_checkpoint.load(path, rows, entries, self._stepper.state_dtypes))

    def _take_rows(self, rows: list[Hyperparameters]) -> None:
        """Loaded hyperparameters; a schedule stays in the rate's place."""
        for group, row in zip(self.param_groups, rows, strict=True):
            schedule = _scheduled.schedule_of(group)
            _groups.put(group, row)
            if schedule is not None:
                group["lr"] = schedule

    def __getstate__(self) -> dict[str, Any]:
        if any(map(_backlog.is_behind, (entry.backlog for entry in self._parameters.entries))):
            self.finish()
        left_out = ("_martlet_gate", "_rows", "_read", "_stepper")
        return {key: value for key, value in self.__dict__.items() if key not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._stepper = Stepper()
        self.__dict__.update(state)
        self._martlet_gate, self._rows = Gate(), _groups.Rows(self._algorithm)
