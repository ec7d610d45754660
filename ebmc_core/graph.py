"""ONNX graphs as they are published: what they compute, and nothing about the machine that exported them."""

from itertools import chain

from onnx import ModelProto


def without_traces(graph: ModelProto) -> ModelProto:
    """Remove torch's stack traces from every node and value, in place: they name folders of the exporting machine."""
    inner = graph.graph
    nodes = chain(inner.node, *(function.node for function in graph.functions))
    values = chain(inner.input, inner.output, inner.value_info, inner.initializer)
    for part in (inner, *graph.functions, *nodes, *values):
        del part.metadata_props[:]
        part.doc_string = ""
    return graph
