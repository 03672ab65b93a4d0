"""held_off: inside `with held_off:` no thread of this process forks, but the one that is inside.

A child that is forked while another thread imports a module has that module's lock held by a thread that is not there,
and waits for ever at its own first use. What calls need is therefore imported where the module that has them is; what
is too large for that, or may be missing, is imported at its first use, in here.
"""

from __future__ import annotations

import atexit  # noqa: F401 - which weakref.finalize imports at its first use
import os
from _thread import RLock

held_off = RLock()

os.register_at_fork(before=held_off.acquire, after_in_parent=held_off.release, after_in_child=held_off.release)
