"""Where ONNX Runtime is known to differ from the operators' definition, and we don't follow it."""
from onnx import helper

# (operator, whether it is this difference by (graph, step), the reason)
KNOWN = [
    ("Squeeze", lambda graph, step, as_onnx: as_onnx and len(step.inputs) == 2 and step.inputs[1].array.size == 0,
     "empty axes mean no axes; ONNX Runtime takes them for all"),
    ("Resize", lambda graph, step, as_onnx: as_onnx and attribute(step, "mode") in (None, b"nearest"),
     "ONNX Runtime works out places in float32: which neighbour is nearest differs where two are equally far"),
    ("ConvTranspose", lambda graph, step, as_onnx: attribute(step, "auto_pad") == b"SAME_LOWER",
     "the output has input * stride places along a dim, also where the kernel is shorter than the stride"),
    ("ReduceLogSumExp", lambda graph, step, as_onnx: step.inputs[0].array.dtype.kind in "iu",
     "a logarithm near a whole number is truncated to either side of it"),
]


def attribute(step, name):
    return next((helper.get_attribute_value(a) for a in step.nodes[0].attribute if a.name == name), None)


def known(graph, step, as_onnx):
    """The reason why this node may differ, or None."""
    for operator, fits, reason in KNOWN:
        if step.nodes[0].op_type == operator and fits(graph, step, as_onnx):
            return reason
    return "ONNX's own reference gives what we give" if as_onnx else None
