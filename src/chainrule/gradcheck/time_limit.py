"""A time limit for foreign code."""

import contextvars
import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class Stopped(BaseException):
    """Raised inside foreign code whose time is over; its `except Exception` does not catch it."""


def within(seconds: float, work: Callable[[], T], message: Callable[[], str]) -> T:
    """work() if it ends within `seconds`; raises TimeoutError with message() otherwise.

    It runs in a thread of its own, which can be left behind wherever it hangs, on every platform.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    context = contextvars.copy_context()  # the caller's np.errstate among others
    thread = threading.Thread(target=context.run, args=(run,), daemon=True)
    thread.start()
    try:
        thread.join(seconds)
    finally:
        left_behind = thread.is_alive()
        if left_behind:
            sentence = message()
            # Python code ends at its next instruction; a call into C goes on.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Stopped)
            )
    if left_behind:
        raise TimeoutError(sentence)
    return outcome.result()
