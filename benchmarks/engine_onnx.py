"""onnxruntime: the net as an ONNX graph of Gemm and Relu, all optimizations on."""

from collections.abc import Callable

import onnxruntime
from engine_work import THREADS, Array, Weights, Work
from onnx import TensorProto, helper, numpy_helper


def graph(work: Work, start: Weights) -> bytes:
    """The net from the same weights, as an ONNX file's bytes."""
    nodes, numbers, name = [], [], "X"
    for i, (W, b) in enumerate(start):
        numbers += [numpy_helper.from_array(W, f"W{i}"), numpy_helper.from_array(b, f"b{i}")]
        nodes.append(helper.make_node("Gemm", [name, f"W{i}", f"b{i}"], [f"Z{i}"]))
        name = f"Z{i}"
        if i < len(start) - 1:
            nodes.append(helper.make_node("Relu", [name], [f"A{i}"]))
            name = f"A{i}"
    ends = [
        helper.make_tensor_value_info(end, TensorProto.FLOAT, ["rows", width])
        for end, width in (("X", work.sizes[0]), (name, work.sizes[-1]))
    ]
    model = helper.make_model(
        helper.make_graph(nodes, work.name, ends[:1], ends[1:], numbers),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=10,
    )  # fmt: skip
    return bytes(model.SerializeToString())


def prediction(work: Work, start: Weights, X: Array, threads: int = THREADS) -> Callable[[], Array]:
    """A function that predicts X: the raw output."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(
        graph(work, start), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"X": X})[0]
