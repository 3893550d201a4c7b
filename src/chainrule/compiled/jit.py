"""How the kernels are compiled: one place for the flags, and why each is safe.

`reassoc` lets a sum be split over the lanes of a vector register, `contract` fuses a * b + c,
`nsz` and `arcp` ignore the sign of zero and multiply by an inverse. nan and inf keep their meaning
(no `nnan`, no `ninf`): a diverging run must be seen. `error_model="numpy"` gives inf for a division
by zero; a check at each division would stop the compiler from using vector registers.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .cache import kernels_folder

FAST = {"reassoc", "contract", "nsz", "arcp"}
SHARED = {"cache": True, "nogil": True, "error_model": "numpy"}
INNER = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, **SHARED}  # called by kernels only

Compile = Callable[[Any], Any]


def _kept(**options: Any) -> Compile:
    """njit whose machine code is kept in our own folder."""

    def decorate(function: Any) -> Any:
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(kernels_folder())
        try:
            return numba.njit(**options)(function)
        finally:
            numba.config.CACHE_DIR = before

    return decorate


kernel = _kept(fastmath=FAST, **SHARED)  # called from Python
jit = _kept(fastmath=FAST, **INNER)
inlined = _kept(fastmath=FAST, forceinline=True, **INNER)  # the glue of a step
exact = _kept(fastmath={"contract"}, forceinline=True, **INNER)  # sums as written
parallel = _kept(fastmath=FAST, parallel=True, **SHARED)

# An index of this type is not checked for counting from the end, which would keep a loop over
# memory from being vectorised.
at = np.uintp


_results: dict[Any, Any] = {}  # what each function called by its address gives back


def by_address(function: Any, result: Any) -> Any:
    """A call of a kernel through its address, which `address` gives: call(address, *arguments).

    A kernel called by name is compiled into each of its callers once more, which at the size of
    these takes LLVM most of a minute. Arrays are lent, without the counting of references that a
    call by name does.
    """
    if numba.config.DISABLE_JIT:
        return lambda _, *arguments: function(*arguments)

    _results[function] = result

    @intrinsic
    def call(typing_context: Any, address: Any, *arguments: Any) -> Any:
        given = tuple(map(plain, arguments))
        signature = result(types.int64, types.StarArgTuple(given))

        def codegen(context: Any, builder: Any, _: Any, values: Any) -> Any:
            kind = context.call_conv.get_function_type(result, given)
            pointer = builder.inttoptr(values[0], kind.as_pointer())
            lent = [
                _lend(context, builder, of, value)
                for of, value in zip(given, cgutils.unpack_tuple(builder, values[1]), strict=True)
            ]
            return context.call_conv.call_function(builder, pointer, result, given, lent)[1]

        return signature, codegen

    return call


def c_function(result: Any, in_python: Any) -> Any:
    """A call of a C function of one pointer through its address: call(address, pointer)."""
    if numba.config.DISABLE_JIT:
        kind = ctypes.CFUNCTYPE(in_python, ctypes.c_void_p)
        return lambda address, pointer: kind(address)(pointer)

    @intrinsic
    def call(typing_context: Any, address: Any, pointer: Any) -> Any:
        def codegen(context: Any, builder: Any, _: Any, values: Any) -> Any:
            kind = ir.FunctionType(context.get_value_type(result), [values[1].type])
            return builder.call(builder.inttoptr(values[0], kind.as_pointer()), values[1:])

        return result(types.int64, types.int64), codegen

    return call


def _lend(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, types.BaseTuple):
        for i, member in enumerate(kind):
            lent = _lend(context, builder, member, builder.extract_value(value, i))
            value = builder.insert_value(value, lent, i)
    if not isinstance(kind, types.Array):
        return value
    array = context.make_array(kind)(context, builder, value)
    array.meminfo = cgutils.get_null_value(array.meminfo.type)
    return array._getvalue()


def plain(kind: Any) -> Any:
    """The type of a number without its value and width, so that caller and called agree on it."""
    if isinstance(kind, types.Boolean):
        return types.boolean
    if isinstance(kind, types.Integer):
        return types.int64
    return types.float64 if isinstance(kind, types.Float) else kind


def address(function: Any, *arguments: Any) -> int:
    """Where a kernel stands, compiled for arguments of these types; 0 if nothing is compiled."""
    if numba.config.DISABLE_JIT:
        return 0
    given = tuple(plain(numba.typeof(argument)) for argument in arguments)
    function.compile(given)
    compiled = function.overloads[given]
    given_back = compiled.signature.return_type
    if given_back != _results.get(function, given_back):  # the caller would read other bytes
        raise TypeError(f"{function} gives back {given_back}")
    place: int = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    return place
