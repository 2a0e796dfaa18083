#!/usr/bin/env python3
"""oag infer: values of every kind in and out, and what is told of those that do not fit."""

import json
import os
import pathlib
import tempfile
import unittest

from cli import CliTest, accepted_by_schema, oag
from onnx_models import TensorProto, endless, helper, identity, model_of, np, numpy_helper, onnx, port
from pictures import RGB, png

F32 = TensorProto.FLOAT
NUMPY_TYPES = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool",
               "complex64", "complex128"]


class Infer(CliTest):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.model = self.folder / "model.onnx"
        self.out = self.folder / "out"

    def infer(self, model, *arguments):
        onnx.save(model, self.model)
        return oag("infer", self.model, *arguments, cwd=self.folder)

    def outputs(self, model, *arguments):
        """outputs.json by name."""
        result = self.infer(model, *arguments, "--output", self.out)
        self.assertEqual(result.returncode, 0, result.stderr)
        return {entry["name"]: entry for entry in json.loads((self.out / "outputs.json").read_text())}

    def save(self, array, name="x.npy"):
        np.save(self.folder / name, array)
        return self.folder / name

    def test_numpys_types_come_back_as_numpy_wrote_them(self):
        for name in NUMPY_TYPES:
            array = np.array([[0, 1, 1], [1, 0, 1]]).astype(name)
            for stored in (array, np.asfortranarray(array)):
                entry = self.outputs(identity(helper.np_dtype_to_tensor_dtype(array.dtype), [2, None]), "--input", f"x={self.save(stored)}")["y"]
                self.assertEqual((entry["file"], entry["shape"]), ("y.npy", [2, 3]))
                back = np.load(self.out / "y.npy")
                self.assertEqual(back.dtype, array.dtype)
                np.testing.assert_array_equal(back, array)

    def test_scalars_and_empty_arrays_keep_their_shape(self):
        for shape in ([], [0], [2, 0, 3]):
            self.outputs(identity(F32, shape), "--input", f"x={self.save(np.ones(shape, np.float32))}")
            self.assertEqual(np.load(self.out / "y.npy").shape, tuple(shape))

    def test_other_types_are_messages(self):
        for dtype in (TensorProto.BFLOAT16, TensorProto.FLOAT8E4M3FN, TensorProto.INT4, TensorProto.UINT2):
            message = helper.make_tensor("x", dtype, [3], [1, 0, 1])
            (self.folder / "x.pb").write_bytes(message.SerializeToString())
            entry = self.outputs(identity(dtype, [3]), "--input", f"x={self.folder / 'x.pb'}")["y"]
            self.assertEqual(entry["file"], "y.pb")
            back = onnx.TensorProto.FromString((self.out / "y.pb").read_bytes())
            self.assertEqual((back.data_type, back.name), (dtype, "y"))
            np.testing.assert_array_equal(numpy_helper.to_array(back), numpy_helper.to_array(message))

    def test_texts_are_read_from_numpys_arrays_and_written_as_messages(self):
        texts = ["a", "", "é \U0001f600"]
        self.outputs(identity(TensorProto.STRING, [3]), "--input", f"x={self.save(np.array(texts))}")
        back = onnx.TensorProto.FromString((self.out / "y.pb").read_bytes())
        self.assertEqual([text.decode() for text in back.string_data], texts)

    def test_names_become_files_and_collisions_get_numbers(self):
        model = model_of([helper.make_node("Identity", ["x"], [name]) for name in ("a/b", "a_b")], [port("x", F32, [1])],
                         [port("a/b", F32, [1]), port("a_b", F32, [1])])
        entries = self.outputs(model, "--random")
        self.assertEqual((entries["a/b"]["file"], entries["a_b"]["file"]), ("a_b.npy", "a_b_2.npy"))

    def test_the_same_seed_draws_the_same(self):
        model = identity(F32, ["N", 4])
        first, same, other = (self.infer(model, "--random", "--seed", seed, "--shape", "x=2,4", "--json").stdout for seed in (1, 1, 2))
        values = [json.loads(text)["outputs"][0]["first"] for text in (first, same, other)]
        self.assertEqual(values[0], values[1])
        self.assertNotEqual(values[0], values[2])
        accepted_by_schema(self, first)

    def test_dims_that_are_left_open_are_1_and_a_hint_holds_for_their_symbol(self):
        model = model_of([helper.make_node("Concat", ["a", "b"], ["y"], axis=1)], [port("a", F32, ["N", 2]), port("b", F32, ["N", "K"])],
                         [port("y", F32, ["N", None])])
        result = self.infer(model, "--random", "--shape", "a=5,2", "--json")
        self.assertEqual(json.loads(result.stdout)["outputs"][0]["shape"], [5, 3])
        self.assertIn(b"b f32[N, K] is drawn as [5, 1]", result.stderr)

    def test_a_picture_fills_inputs_of_both_layouts(self):
        pixels = np.array([[[255, 0, 1], [2, 3, 4]]], np.uint8)  # one row, two columns
        (self.folder / "p.png").write_bytes(png(2, 1, [pixels.tobytes()], RGB))
        for dtype, shape, expected in ((F32, [1, 3, 1, 2], pixels.transpose(2, 0, 1)[None]), (TensorProto.UINT8, [1, "H", "W", 3], pixels[None]),
                                       (TensorProto.FLOAT16, [1, 2, 3], pixels), (F32, ["N", "C", "H", "W"], pixels.transpose(2, 0, 1)[None])):
            self.outputs(identity(dtype, shape), "--input", f"x={self.folder / 'p.png'}")
            back = np.load(self.out / "y.npy")
            np.testing.assert_array_equal(back, expected.astype(back.dtype))
        refused = self.infer(identity(F32, [1, 3, 224, 224]), "--input", f"x={self.folder / 'p.png'}")
        self.assert_refused(refused, 1, "1 rows and 2 columns", "f32[1, 3, 224, 224]")

    def test_without_output_a_table_is_shown(self):
        result = self.infer(identity(F32, [3]), "--input", f"x={self.save(np.array([1, np.nan, 3], np.float32))}")
        self.assertRegex(result.stdout.decode(), r"y +f32 +\[3\] +1 +3 +2 +1 nan 3 \(1 NaN\)")
        self.assertEqual(list(self.folder.glob("*.json")), [])

    def test_a_profile_is_a_table_and_a_chrome_trace(self):
        result = self.infer(identity(F32, [3]), "--random", "--profile")
        self.assertRegex(result.stdout.decode(), r"operator +kernel +calls +ms +%")
        self.assertIn("traceEvents", json.loads((self.folder / "model.profile.json").read_text()))
        relu = model_of([helper.make_node("Relu", ["x"], ["y"], name="r")], [port("x", F32, [3])], [port("y", F32, [3])])
        result = self.infer(relu, "--random", "--json", "--profile", "t.json")
        accepted_by_schema(self, result.stdout)
        event, = json.loads((self.folder / "t.json").read_text())["traceEvents"]
        self.assertEqual((event["name"], event["cat"], event["ph"]), ("r", "Relu", "X"))
        self.assertEqual(oag("infer", "--random", "--profile", self.model, cwd=self.folder).returncode, 0)

    def test_explain_names_each_kernel(self):
        self.assertIn(b"kernel", self.infer(identity(F32, [3]), "--random", "--explain").stderr)

    def test_what_does_not_fit_is_told_in_one_line(self):
        x = self.save(np.ones(3, np.float32))
        model = identity(F32, [3])
        self.assert_refused(self.infer(model), 1, "input x: gets no value", "--random")
        self.assert_refused(self.infer(model, "--input", f"z={x}"), 1, 'no input "z"; it has: x f32[3]')
        self.assert_refused(self.infer(model, "--input", "x"), 2, "NAME=VALUE")
        self.assert_refused(self.infer(model, "--input", f"x={x}", "--input", f"x={x}"), 2, "given twice")
        self.assert_refused(self.infer(model, "--input", "x=nowhere.npy"), 1, "nowhere.npy")
        self.assert_refused(self.infer(model, "--input", f"x={self.model}"), 1, "inputs are .npy, .pb")
        for array, needle in ((np.ones(4, np.float32), "holds f32[4], and the input \"x\" takes f32[3]"), (np.ones(3), "holds f64[3]"),
                              (np.ones((1, 3), np.float32), "holds f32[1, 3]"), (np.ones(3, ">f4"), "big-endian >f4"),
                              (np.array(["2020-01-01"], "M8[D]"), "dates or times"), (np.zeros(3, [("a", "f4")]), "structures"),
                              (np.array([None]), "pickled Python objects")):
            self.assert_refused(self.infer(model, "--input", f"x={self.save(array, 'bad.npy')}"), 1, "bad.npy", needle)
        self.assert_refused(self.infer(model, "--random", "--shape", "x=2"), 1, "takes f32[3]")
        self.assert_refused(self.infer(model, "--random", "--shape", "x=a"), 2, "1,3,480,640")
        self.assert_refused(self.infer(model, "--random", "--shape", "x=-1"), 2, "1,3,480,640")
        self.assert_refused(self.infer(model, "--input", f"x={x}", "--random", "--shape", "x=3"), 2, "not drawn")
        self.assert_refused(self.infer(identity(F32, ["N"]), "--random", "--shape", "x=4611686018427387904"), 1, "bytes")
        self.assert_refused(oag("infer"), 2, "MODEL")
        self.assert_refused(oag("infer", self.folder / "nowhere.onnx"), 1, "nowhere.onnx")

    def test_an_endless_run_is_stopped(self):
        self.assert_refused(self.infer(endless(), "--random", "--timeout", "0.5"), 1, "took longer than the 0.5 s of --timeout")

    @unittest.skipIf(os.geteuid() == 0 and not pathlib.Path("/dev/full").exists(), "nowhere that refuses to be written to")
    def test_a_folder_that_cannot_be_made_is_named(self):
        self.assertEqual(self.infer(identity(F32, [3]), "--random", "--output", "/dev/null/out").returncode, 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
