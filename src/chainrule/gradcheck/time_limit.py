"""A time limit for foreign code."""

import contextvars
import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Stopped(BaseException):
    """Raised inside foreign code whose time is over; no `except Exception` of theirs holds it."""


def within(seconds: float, work: Callable[[], T], message: Callable[[], str]) -> T:
    """work() if it ends within `seconds`; raises TimeoutError with message() otherwise.

    It runs in a thread of its own, so that it can be left behind wherever it hangs, whatever
    thread or platform we are on.
    """
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:
            failed.append(error)

    context = contextvars.copy_context()  # the caller's np.errstate among others
    thread = threading.Thread(target=context.run, args=(run,), daemon=True)
    thread.start()
    try:
        thread.join(seconds)
    finally:
        left_behind = thread.is_alive()
        if left_behind:
            sentence = message()
            # Python code ends at its next instruction; a call into C is left to itself.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Stopped)
            )
    if left_behind:
        raise TimeoutError(sentence)
    if failed:
        raise failed[0]
    return done[0]
