"""Ctrl-C and SIGTERM: who answers them, and how a save makes them wait."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

received: list[int] = []
"""The signals of this command in their order; they belong to the process, as this list does."""


@contextmanager
def handled(handler: Callable[[int], object]) -> Iterator[None]:
    """Within it SIGINT and SIGTERM call `handler`; only the main thread can have that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def record(number: int, frame: FrameType | None) -> None:
        received.append(number)
        handler(number)

    before = {n: signal.signal(n, record) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def leave(number: int) -> None:
    """Raise KeyboardInterrupt, whichever signal it was."""
    raise KeyboardInterrupt


@contextmanager
def held() -> Iterator[list[int]]:
    """Within it signals wait in the list that it gives; what they ask for is the caller's work."""
    waiting: list[int] = []
    with handled(waiting.append):
        yield waiting
