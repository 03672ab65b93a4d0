"""Several threads that begin the same work at once."""

from __future__ import annotations

import threading
from collections.abc import Callable


def errors_of(work: Callable[[int], None], count: int = 8) -> list[BaseException]:
    """Runs the work in as many threads, each given its number; returns what they raised."""
    barrier, found = threading.Barrier(count), list[BaseException]()

    def run(number: int) -> None:
        try:
            barrier.wait()
            work(number)
        except BaseException as error:
            found.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
