"""Losses and gradients that fail or hang, each with words of the sentence that must come of it."""

import threading
import time
from typing import Any

import numpy as np

W = np.ones((2, 3))
GOOD: tuple[Any, Any, Any] = (lambda p: np.sum(p**2), lambda p: 2 * p, W)


hanging = threading.Event()


def forever(p: Any) -> Any:
    while True:
        hanging.set()
        try:
            time.sleep(0.01)
        except Exception:  # as careless code does
            pass


def undefined(p: Any) -> Any:
    return log(p)  # type: ignore[name-defined] # noqa: F821


def broken(**functions: Any) -> tuple[Any, Any, Any]:
    names = ("value", "gradient", "parameters")
    return tuple(functions.get(n, good) for n, good in zip(names, GOOD, strict=True))  # type: ignore


BROKEN: dict[str, tuple[tuple[Any, Any, Any], str]] = {
    "text 002-B: log": (broken(value=undefined), "raised NameError: name 'log' is not defined"),
    "text 002-B: a tuple": (
        broken(gradient=lambda p: 1 - (p, p)), "your gradient function raised TypeError"),
    "text 002-B: a key": (
        (lambda p: p["W"], lambda p: p["w"], {"W": 1.0}), "raised KeyError: 'w' (line"),
    "text 002-B: the cost is k by k": (
        broken(value=lambda p: p @ p.T), "an array of shape (2, 2): return the loss, one number"),
    "no function": (broken(value=3), "value is 3: give a function"),
    "value None": (broken(value=lambda p: None), "NoneType: return the loss, one number"),
    "value nan": (broken(value=lambda p: np.nan), "returned nan for the given parameters"),
    "gradient None": (broken(gradient=lambda p: None), "returned None: return the gradient"),
    "gradient inf": (broken(gradient=lambda p: p / 0), "inf at parameters[0, 0] though the loss"),
    "gradient text": (broken(gradient=lambda p: "x"), "of type str: return an array of real"),
    "complex": (broken(gradient=lambda p: 1j * p), "of real numbers"),
    "ragged": (broken(gradient=lambda p: [[1], [1, 2]]), "of type list: return an array"),
    "wrong shape": (
        broken(gradient=lambda p: np.ones(4)), "of shape (4,), but parameters is (2, 3)"),
    "flat for a matrix": (broken(gradient=lambda p: 2 * p.ravel()), "of shape (6,)"),
    "other names": (
        (lambda p: 1.0, lambda p: {"x": 1.0}, {"W": 1.0, "b": 1.0}), "has the names x, but"),
    "too few": ((lambda p: 1.0, lambda p: [1.0], [1.0, 2.0]), "a list of 1, but there are 2"),
    "not keepdims": (
        (lambda p: np.sum(p["b"] ** 2), lambda p: {"b": 2 * p["b"][:, 0], "c": 0.0},
         {"b": np.ones((3, 1)), "c": 1.0}), "use keepdims=True"),
    "no parameters": (broken(parameters={}), "parameters hold no number"),
    "text parameters": (broken(parameters={"act": "relu"}), "act is of type str"),
    "nan parameters": (broken(parameters=np.array([np.nan])), "parameters holds nan or inf"),
    "exit": (broken(value=lambda p: exit(3)), "your value function raised SystemExit: 3"),
    "too rough": (
        (lambda p: np.sum(p.astype(np.float16) ** 2), lambda p: 2 * p, W), "too rough to measure"),
}  # fmt: skip
