"""How the kernels are compiled: one place for the flags, and why each is safe.

`reassoc` lets a sum be split over the lanes of a vector register, `contract` fuses a * b + c,
`nsz` and `arcp` ignore the sign of zero and multiply by an inverse. nan and inf keep their meaning
(no `nnan`, no `ninf`): a diverging run must be seen. `error_model="numpy"` gives inf for a division
by zero; a check at each division would stop the compiler from using vector registers.
"""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .cache import kernels_folder

FAST = {"reassoc", "contract", "nsz", "arcp"}
SHARED = {"nogil": True, "error_model": "numpy"}
INNER = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, **SHARED}  # called by kernels only

Compile = Callable[[Any], Any]


def _on_disk(**options: Any) -> Compile:
    """njit whose machine code is kept in our own folder."""

    def decorate(function: Any) -> Any:
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(kernels_folder())
        try:
            return numba.njit(cache=True, **options)(function)
        finally:
            numba.config.CACHE_DIR = before

    return decorate


kernel = _on_disk(fastmath=FAST, **SHARED)  # called from Python
parallel = _on_disk(fastmath=FAST, parallel=True, **SHARED)
addressed = _on_disk(fastmath=FAST, **INNER)  # called by its address
# Called by its name, so its machine code is part of its callers'.
jit = numba.njit(fastmath=FAST, **INNER)
inlined = numba.njit(fastmath=FAST, forceinline=True, **INNER)  # the glue of a step
exact = numba.njit(fastmath={"contract"}, forceinline=True, **INNER)  # sums as written

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
        kinds = tuple(map(plain, arguments))
        signature = result(types.int64, types.StarArgTuple(kinds))

        def codegen(context: Any, builder: Any, _: Any, values: Any) -> Any:
            kind = context.call_conv.get_function_type(result, kinds)
            pointer = builder.inttoptr(values[0], kind.as_pointer())
            borrowed = [
                _lend(context, builder, of, value)
                for of, value in zip(kinds, cgutils.unpack_tuple(builder, values[1]), strict=True)
            ]
            return context.call_conv.call_function(builder, pointer, result, kinds, borrowed)[1]

        return signature, codegen

    return call


def choice(kernels: Sequence[Any], result: Any = types.none) -> Any:
    """A call of one of several kernels by its number: call(number, *arguments). None does nothing.

    All take the same arguments and give back the same type. LLVM's `switch` chooses among them.
    """
    if numba.config.DISABLE_JIT:
        return lambda number, *arguments: (kernels[number] or _nothing)(*arguments)

    @intrinsic
    def call(typing_context: Any, number: Any, *arguments: Any) -> Any:
        kinds = tuple(map(types.unliteral, arguments))
        dispatchers = {i: types.Dispatcher(kernel) for i, kernel in enumerate(kernels) if kernel}
        signatures = {
            i: typing_context.resolve_function_type(dispatcher, kinds, {})
            for i, dispatcher in dispatchers.items()
        }
        if any(signature.return_type != result for signature in signatures.values()):
            raise TypeError(f"of {kernels} one does not give back {result}")

        def codegen(context: Any, builder: Any, _: Any, values: Any) -> Any:
            members = cgutils.unpack_tuple(builder, values[1])
            answer = cgutils.alloca_once(builder, context.get_value_type(result))
            after = builder.append_basic_block("after")
            switch = builder.switch(values[0], after)
            for i, dispatcher in dispatchers.items():
                block = builder.append_basic_block(f"kernel{i}")
                switch.add_case(ir.Constant(values[0].type, i), block)
                builder.position_at_end(block)
                run = context.get_function(dispatcher, signatures[i])
                builder.store(run(builder, members), answer)
                builder.branch(after)
            builder.position_at_end(after)
            return builder.load(answer)

        return result(types.int64, types.StarArgTuple(kinds)), codegen

    return call


def _nothing(*_: Any) -> None:
    pass


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
            borrowed = _lend(context, builder, member, builder.extract_value(value, i))
            value = builder.insert_value(value, borrowed, i)
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
    kinds = tuple(plain(numba.typeof(argument)) for argument in arguments)
    function.compile(kinds)
    compiled = function.overloads[kinds]
    return_type = compiled.signature.return_type
    if return_type != _results.get(function, return_type):  # the caller would read other bytes
        raise TypeError(f"{function} gives back {return_type}")
    place: int = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    return place
