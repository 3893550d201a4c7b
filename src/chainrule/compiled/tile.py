"""A tile of a matrix product, held in vector registers while it is summed.

The one kernel in LLVM's own instructions: no loop in Python is compiled to it. `_loops` is the same
in Python, and is what runs uncompiled.
"""

from typing import Any

import llvmlite.binding
import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .jit import at

WIDE = llvmlite.binding.get_host_cpu_features().get("avx512f", False)
VECTOR = 64 if WIDE else 32  # bytes of a vector
VECTORS = 4 if WIDE else 2  # vectors of a row in the largest tile
ROWS = 4  # rows of a tile: 4 × VECTORS sums in registers, each number loaded used so often

INT, BIT = ir.IntType(64), ir.IntType(1)


def tile(rows: int) -> Any:
    """The kernel tile(memory, c, first, s, step_s, left, a, step_m, step_k, right, b, K, N, n):
    C = S + A @ B.

    C (rows, n) at c of `memory`, S at s of `first`, A (rows, K) at a of `left`, B (K, n) at b of
    `right`; rows of C and B are N numbers apart, those of S step_s, A's rows step_m and its columns
    step_k; n fills at most VECTORS vectors. Each number of C is s + a_0 b_0 + a_1 b_1 + …, added in
    this order with one rounding each, so it does not depend on the tile it is in.
    """
    if numba.config.DISABLE_JIT:
        return lambda *arguments: _loops(rows, *arguments)

    @intrinsic
    def call(_: Any, memory: Any, c: Any, first: Any, s: Any, step_s: Any, left: Any, a: Any,
             step_m: Any, step_k: Any, right: Any, b: Any, K: Any, N: Any,
             n: Any) -> Any:  # fmt: skip
        place = types.intp
        kinds = (memory, place, first, place, place, left, place, place, place, right, place, place,
                 place, place)  # fmt: skip

        def codegen(context: Any, builder: Any, _: Any, values: Any) -> Any:
            *operands, n = (
                context.make_array(kind)(context, builder, value).data
                if isinstance(kind, types.Array) else value
                for kind, value in zip(kinds, values, strict=True)
            )  # fmt: skip
            for count in range(1, VECTORS + 1):
                vectors = _Vectors(builder, operands[0].type.pointee, count, n)
                with builder.if_then(vectors.fit):
                    _write(vectors, rows, *operands)
            return context.get_dummy_value()

        return types.none(*kinds), codegen

    return call


def _loops(rows: int, memory: Any, c: int, first: Any, s: int, step_s: int, left: Any, a: int,
           step_m: int, step_k: int, right: Any, b: int, K: int, N: int,
           n: int) -> None:  # fmt: skip
    """The tile in Python."""
    for m in range(rows):
        for j in range(n):
            memory[at(c + m * N + j)] = first[at(s + m * step_s + j)]
        for k in range(K):
            factor = left[at(a + m * step_m + k * step_k)]
            for j in range(n):
                memory[at(c + m * N + j)] += factor * right[at(b + k * N + j)]


def _write(vectors: "_Vectors", rows: int, memory: Any, c: Any, first: Any, s: Any, step_s: Any,
           left: Any, a: Any, step_m: Any, step_k: Any, right: Any, b: Any, K: Any,
           N: Any) -> None:  # fmt: skip
    """The tile in LLVM: for each k, one row of B, and `rows` numbers of A times it."""
    builder = vectors.builder
    starts = [vectors.load(first, vectors.step(s, r, step_s)) for r in range(rows)]
    sums = [[cgutils.alloca_once_value(builder, vector) for vector in row] for row in starts]
    with cgutils.for_range(builder, K) as loop:
        row = vectors.load(right, vectors.step(b, loop.index, N))
        column = vectors.step(a, loop.index, step_k)
        for r in range(rows):
            factor = vectors.repeat(left, vectors.step(column, r, step_m))
            for vector, total in zip(row, sums[r], strict=True):
                builder.store(vectors.add_product(builder.load(total), factor, vector), total)
    for r, totals in enumerate(sums):
        vectors.store([builder.load(total) for total in totals], memory, vectors.step(c, r, N))


class _Vectors:
    """n numbers as `count` vectors. The last one reads and writes only what n covers of it."""

    def __init__(self, builder: Any, number: Any, count: int, n: Any) -> None:
        self.builder, self.number, self.count = builder, number, count
        size = {"float": 4, "double": 8}[str(number)]
        self.length, self.size = VECTOR // size, ir.Constant(ir.IntType(32), size)
        self.vector = ir.VectorType(number, self.length)
        self.name = f"v{self.length}f{8 * size}"
        self.mask = ir.VectorType(BIT, self.length)
        left = builder.sub(n, ir.Constant(INT, (count - 1) * self.length))  # for the last one
        least, most = ir.Constant(INT, 0), ir.Constant(INT, self.length)
        self.fit = builder.and_(
            builder.icmp_signed("<", least, left), builder.icmp_signed("<=", left, most)
        )
        lanes = ir.Constant(ir.VectorType(INT, self.length), list(range(self.length)))
        self.covered = builder.icmp_signed("<", lanes, self._splat(left, lanes.type))

    def step(self, start: Any, count: Any, stride: Any) -> Any:
        """The place `count` strides behind the start."""
        count = ir.Constant(INT, count) if isinstance(count, int) else count
        return self.builder.add(start, self.builder.mul(count, stride))

    def load(self, array: Any, place: Any) -> list[Any]:
        """The n numbers from a place on."""
        pointers = self._pointers(array, place)
        whole = [self.builder.load(p, align=self.size.constant) for p in pointers[:-1]]
        zeros = ir.Constant(self.vector, [0.0] * self.length)
        masked = self._intrinsic("masked.load", self.vector, pointers[-1].type, self.size.type,
                                 self.mask, self.vector, pointer=True)  # fmt: skip
        last = self.builder.call(masked, (pointers[-1], self.size, self.covered, zeros))
        return [*whole, last]

    def store(self, vectors: list[Any], array: Any, place: Any) -> None:
        """The n numbers to a place."""
        pointers = self._pointers(array, place)
        for vector, pointer in zip(vectors[:-1], pointers[:-1], strict=True):
            self.builder.store(vector, pointer, align=self.size.constant)
        masked = self._intrinsic("masked.store", ir.VoidType(), self.vector, pointers[-1].type,
                                 self.size.type, self.mask, pointer=True)  # fmt: skip
        self.builder.call(masked, (vectors[-1], pointers[-1], self.size, self.covered))

    def repeat(self, array: Any, place: Any) -> Any:
        """A vector of one number."""
        return self._splat(self.builder.load(self.builder.gep(array, [place])), self.vector)

    def add_product(self, total: Any, factor: Any, vector: Any) -> Any:
        """total + factor * vector, with one rounding where the processor can."""
        fused = self._intrinsic("fmuladd", self.vector, *[self.vector] * 3)
        return self.builder.call(fused, (factor, vector, total))

    def _splat(self, number: Any, kind: Any) -> Any:
        undefined, zero = ir.Constant(kind, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        first = self.builder.insert_element(undefined, number, zero)
        everywhere = ir.Constant(ir.VectorType(zero.type, self.length), [0] * self.length)
        return self.builder.shuffle_vector(first, undefined, everywhere)

    def _pointers(self, array: Any, place: Any) -> list[Any]:
        starts = [self.step(place, i, ir.Constant(INT, self.length)) for i in range(self.count)]
        kind = self.vector.as_pointer()
        return [self.builder.bitcast(self.builder.gep(array, [s]), kind) for s in starts]

    def _intrinsic(self, name: str, result: Any, *kinds: Any, pointer: bool = False) -> Any:
        full = f"llvm.{name}.{self.name}{'.p0' if pointer else ''}"
        kind = ir.FunctionType(result, kinds)
        return cgutils.get_or_insert_function(self.builder.module, kind, full)
