#!/usr/bin/env python3
"""Custom operators by --plugin: the example's models, signatures of every kind, bodies, and plugins that do something wrong."""

import json
import os
import pathlib
import tempfile
import unittest

from cli import DATA, CliTest, oag
from onnx_models import TensorProto, helper, model_of, np, numpy_helper, onnx, port, write_case

F32, I64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
PLUGINS = pathlib.Path(os.environ.get("OAG_PLUGIN_DIR", "."))
CUSTOM_OP, ODD, BAD = (PLUGINS / f"{name}.so" for name in ("custom_op", "odd_operators", "bad_operators"))
EXAMPLE = DATA.parent.parent / "examples/custom_op/cases"
X = np.array([[1, -2, 3], [0, 5, -6]], np.float32)


def node(op, inputs, outputs, domain="test", **attributes):
    return helper.make_node(op, inputs, outputs, name=op, domain=domain, **attributes)


def x_port(name="x"):
    return port(name, F32, ["N", 3])


@unittest.skipUnless(CUSTOM_OP.is_file(), "OAG_PLUGIN_DIR is not where the plugins of the tests are")
class Plugin(CliTest):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def verify(self, model, inputs, outputs, plugin=ODD):
        """What `oag verify` says of one case."""
        case = write_case(self.folder / f"case{len(list(self.folder.iterdir()))}", model, [(inputs, outputs)])
        return oag("verify", "--plugin", plugin, case)

    def assert_passes(self, *arguments, **options):
        result = self.verify(*arguments, **options)
        self.assertEqual(result.returncode, 0, result.stdout.decode() + result.stderr.decode())

    def infer(self, model, *plugins, shape="2,3"):
        onnx.save(model, self.folder / "model.onnx")
        loaded = [argument for plugin in plugins for argument in ("--plugin", plugin)]
        return oag("infer", self.folder / "model.onnx", "--random", "--shape", f"x={shape}", *loaded)

    def test_the_examples_models_give_numpys_answers(self):
        for kernels in ("best", "reference"):
            result = oag("verify", "--plugin", CUSTOM_OP, "--kernels", kernels, EXAMPLE)
            self.assertEqual(result.returncode, 0, result.stdout.decode())
            self.assertIn("3 passed", result.stdout.decode())
        result = oag("infer", EXAMPLE / "custom_attention/model.onnx", "--plugin", CUSTOM_OP, "--random", "--shape", "q=50,8", "--shape",
                     "k=70,8", "--shape", "v=70,4", "--json", "--explain")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual([output["shape"] for output in json.loads(result.stdout)["outputs"]][0], [50, 4])
        self.assertRegex(result.stderr.decode(), r"com\.example\.CustomAttention .* plugin")

    def test_without_its_plugin_an_operator_is_a_line_that_names_the_option(self):
        result = oag("infer", EXAMPLE / "custom_gelu/model.onnx", "--random", "--shape", "x=2,40")
        self.assert_refused(result, 1, 'node gelu (com.example.CustomGelu): domain "com.example" has no operator CustomGelu', "--plugin",
                            "docs/plugins.md")

    def test_libraries_that_are_no_plugin_are_one_line(self):
        (self.folder / "text.so").write_text("no library")
        for name, *needles in (("absent", "there is no such file"), ("no_entry", "exports no oag_plugin_entry"),
                               ("wrong_abi", "ABI version 99, this engine takes 1"), ("refuses", "refuses this engine"),
                               ("builtin_domain", 'domain "ai.onnx"'), ("name_twice", "registers operator Same", "twice"),
                               ("no_kernel", "no kernel for the device cpu")):
            for command in (("verify", EXAMPLE), ("infer", EXAMPLE / "custom_gelu/model.onnx", "--random")):
                self.assert_refused(oag(*command, "--plugin", PLUGINS / f"{name}.so"), 1, f"{name}.so", *needles)
        self.assert_refused(oag("verify", EXAMPLE, "--plugin", self.folder / "text.so"), 1, "text.so: cannot be loaded as a plugin")
        self.assert_refused(oag("verify", EXAMPLE, "--plugin", CUSTOM_OP, "--plugin", CUSTOM_OP), 1, "is there already")

    def test_bad_operators_are_one_line_and_leave_the_program_well(self):
        for op, needle in (("Throws", "the kernel is unhappy"), ("GivesWrongDims", "[1, 2, 3]"), ("WritesBehind", "wrote behind"),
                           ("TakesMuchWorkspace", "70368744177664 bytes of workspace"), ("ShapeThrows", "no shape today")):
            model = model_of([node(op, ["x"], ["y"])], [port("x", F32, ["N"])], [port("y", F32, ["N"])])
            self.assert_refused(self.infer(model, BAD, shape=4), 1, f"(test.{op}): bad_operators.so: ", needle)
        model = model_of([node("ThrowsBytes", ["x"], ["y"])], [port("x", F32, [4])], [port("y", F32, [4])])
        write_case(self.folder / "bytes", model, [([X[0]], [X[0]])])
        result = oag("verify", "--plugin", BAD, self.folder / "bytes", "--json")
        self.assertEqual((result.returncode, json.loads(result.stdout)["failed"]), (3, 1))

    def test_optional_and_variadic_inputs(self):
        for inputs, factor in ((["x"], 1), (["x", "x"], 2), (["x", "", "x"], 2), (["x", "x", "x"], 3)):
            self.assert_passes(model_of([node("OptionalSum", inputs, ["y"])], [x_port()], [x_port("y")]), [X], [factor * X])
        ids = np.arange(4)
        model = model_of([node("ElementCounts", ["x", "ids", "x"], ["y"])], [x_port(), port("ids", I64, ["M"])], [port("y", I64, [3])])
        self.assert_passes(model, [X, ids], [np.array([6, 4, 6])])
        for inputs, needle in (([], "has 0 inputs, its schema takes 1"), (["x"] * 4, "has 4 inputs, its schema takes 1 to 3")):
            result = self.infer(model_of([node("OptionalSum", inputs, ["y"])], [x_port()], [x_port("y")]), ODD)
            self.assert_refused(result, 1, needle)

    def test_variadic_outputs(self):
        model = model_of([node("Spread", ["x"], ["a", "", "c"])], [x_port()], [x_port("a"), x_port("c")])
        self.assert_passes(model, [X], [X, X + 2])

    def test_attributes_of_every_kind_and_their_defaults(self):
        ports = [x_port()], [x_port("y")]
        self.assert_passes(model_of([node("Attributes", ["x"], ["y"])], *ports), [X], [X + np.float32(1 + 0.5 + 4 + 30 + 0.25 + 3)])
        given = {"int": 7, "float": 1.5, "string": "", "ints": [1, 2, 3], "floats": [0.5, 0.5], "strings": ["abc"],
                 "tensor": numpy_helper.from_array(np.array([10, 20], np.float32))}
        self.assert_passes(model_of([node("Attributes", ["x"], ["y"], **given)], *ports), [X], [X + np.float32(7 + 1.5 + 6 + 1 + 3 + 30)])
        for attributes, needle in (({"int": 1.5}, "its attribute int is a float, expected an integer"), ({"axis": 1}, "an attribute axis that its schema lacks")):
            result = self.infer(model_of([node("Attributes", ["x"], ["y"], **attributes)], *ports), ODD)
            self.assert_refused(result, 1, needle)
        result = self.infer(model_of([node("MustHaveAttribute", ["x"], ["y"])], *ports), ODD)
        self.assert_refused(result, 1, "lacks its required attribute axis")

    def test_types_that_an_operator_does_not_take(self):
        for dtype, name in ((TensorProto.STRING, "string"), (TensorProto.DOUBLE, "f64"), (TensorProto.INT4, "i4")):
            model = model_of([node("OptionalSum", ["x"], ["y"])], [port("x", dtype, [2])], [port("y", dtype, [2])])
            self.assert_refused(self.infer(model, ODD, shape=2), 1, "(test.OptionalSum)", name)
        model = model_of([node("ElementCounts", ["x"], ["y"])], [port("x", TensorProto.STRING, [2])], [port("y", I64, [1])])
        self.assert_refused(self.infer(model, ODD, shape=2), 1, "string")

    def test_dims_and_ranks_that_depend_on_data(self):
        # Operators behind it see twice a dim that no input shows.
        model = model_of([node("Positive", ["x"], ["p"]), node("OptionalSum", ["p", "p"], ["q"]), node("Spread", ["q"], ["y"])],
                         [x_port()], [port("y", F32, ["K"])])
        kept = X[X > 0]
        self.assert_passes(model, [X], [2 * np.concatenate([kept, 0 * kept])])
        model = model_of([node("Squeezed", ["x"], ["s"]), node("OptionalSum", ["s"], ["y"])], [port("x", F32, None)], [port("y", F32, None)])
        for shape in ([1, 6], [1, 2, 1, 3], [1, 1], []):
            x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
            self.assert_passes(model, [x], [x.squeeze()])

    def test_the_example_takes_inputs_of_unknown_rank(self):
        names = ("q", "k", "v")
        model = model_of([node("CustomAttention", names, ["y"], domain="com.example")], [port(name, F32, None) for name in names],
                         [port("y", F32, None)])
        v = np.array([[1, 2], [3, 4]], np.float32)
        self.assert_passes(model, [np.eye(2, dtype=np.float32)[:1] * 1000, np.eye(2, dtype=np.float32), v], [v[:1]], plugin=CUSTOM_OP)
        result = self.verify(model, [v[0], v, v], [v], plugin=CUSTOM_OP)
        self.assertIn("input 0 has 1 dims, expected 2", result.stdout.decode())

    def test_nodes_in_bodies(self):
        then = helper.make_graph([node("OptionalSum", ["x", "x"], ["a"])], "then", [], [x_port("a")])
        other = helper.make_graph([node("Positive", ["x"], ["b"])], "else", [], [port("b", F32, ["K"])])
        model = model_of([helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)], [port("c", BOOL, []), x_port()],
                         [port("y", F32, None)])
        kept = X[X > 0]
        self.assert_passes(model, [np.array(True), X], [2 * X])
        self.assert_passes(model, [np.array(False), X], [np.concatenate([kept, 0 * kept])])
        body = helper.make_graph([helper.make_node("Identity", ["c"], ["c2"]), node("OptionalSum", ["v", "x"], ["v2"])], "body",
                                 [port("i", I64, []), port("c", BOOL, []), x_port("v")], [port("c2", BOOL, []), x_port("v2")])
        model = model_of([helper.make_node("Loop", ["n", "", "x"], ["y"], body=body)], [port("n", I64, []), x_port()], [x_port("y")])
        self.assert_passes(model, [np.array(5), X], [6 * X])

    def test_a_kernel_is_stopped_in_time(self):
        onnx.save(model_of([node("Waits", ["x"], ["y"])], [x_port()], [x_port("y")]), self.folder / "model.onnx")
        result = oag("infer", self.folder / "model.onnx", "--random", "--shape", "x=2,3", "--plugin", ODD, "--timeout", "0.2")
        self.assert_refused(result, 1, "took longer than the 0.2 s of --timeout")

    def test_names_may_stand_in_several_domains_and_plugins(self):
        model = model_of([helper.make_node("Neg", ["x"], ["n"]), node("Neg", ["n"], ["y"])], [x_port()], [x_port("y")])
        self.assert_passes(model, [X], [-X])
        nodes = [node("CustomGelu", ["x"], ["g"], domain="com.example"), node("OptionalSum", ["g", "g"], ["y"])]
        model = model_of(nodes, [x_port()], [x_port("y")])
        result = self.infer(model, CUSTOM_OP, ODD)
        self.assertEqual(result.returncode, 0, result.stderr)
        # A function of the model goes before an operator of a plugin.
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("test", 1)]
        function = helper.make_function("test", "OptionalSum", ["a", "b"], ["c"], [helper.make_node("Mul", ["a", "b"], ["c"])], opsets)
        model = model_of([node("OptionalSum", ["x", "x"], ["y"])], [x_port()], [x_port("y")])
        model.functions.append(function)
        self.assert_passes(model, [X], [X * X])

    def test_constants_go_in_like_inputs(self):
        constant = numpy_helper.from_array(X, "k")
        model = model_of([node("OptionalSum", ["k", "x"], ["y"])], [x_port()], [x_port("y")], [constant])
        self.assert_passes(model, [X], [2 * X])


if __name__ == "__main__":
    unittest.main(verbosity=2)
