"""tools/check_kernels.py with a made-up disassembler: a missing and a too new instruction are found."""

import pathlib
import tempfile
import unittest

from scripts import run_python


class CheckKernelsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        # "Disassembles" a file by printing what it holds.
        self.objdump = self.folder / "objdump"
        self.objdump.write_text('#!/bin/sh\ncat "$3"\n', encoding="utf-8")
        self.objdump.chmod(0o755)

    def check(self, name, **files):
        paths = []
        for stem, instructions in files.items():
            path = self.folder / f"{stem}.cc.o"
            lines = [f"   {4 * i:x}:\t{text}\n" for i, text in enumerate(instructions)]
            path.write_text("0000000000000000 <f>:\n" + "".join(lines), encoding="utf-8")
            paths.append(str(path))
        return run_python("check_kernels", "--objdump", str(self.objdump), name, *paths)

    def test_objects_with_what_the_set_needs_pass(self):
        run = self.check("aarch64/i8mm", packed_dot=["smmla\tv0.4s, v1.16b, v2.16b", "sdot\tv0.4s, v1.16b, v2.4b[0]",
                                                     "fmla\tv0.4s, v1.4s, v2.4s", "tbl\tv0.16b, {v1.16b}, v2.16b"])
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_products_without_the_set_s_instruction_are_found(self):
        run = self.check("x86_64/avx512", packed_dot=["vpmaddubsw\t%zmm0,%zmm1,%zmm2"], limits=["vpdpbusd\t%zmm0,%zmm1,%zmm2"])
        self.assertEqual(run.returncode, 3)
        self.assertIn("packed_dot has no instruction like vpdpbusd", run.stdout)

    def test_an_instruction_of_a_newer_set_is_found_in_any_object(self):
        run = self.check("x86_64/baseline", packed_dot=["pmaddwd\t%xmm0,%xmm1"], convert=["vaddps\t%ymm0,%ymm1,%ymm2"])
        self.assertEqual(run.returncode, 3)
        self.assertIn("convert.cc.o", run.stdout)

    def test_short_vectors_with_registers_of_avx512_are_found(self):
        avx2 = ["vpmaddubsw\t%ymm0,%ymm1,%ymm2", "vfmadd231ps\t%ymm0,%ymm1,%ymm15", "vpshufb\t%ymm0,%ymm1,%ymm2"]
        self.assertEqual(self.check("x86_64/avx2", packed_dot=avx2).returncode, 0)
        for newer in ("vaddps\t%ymm16,%ymm1,%ymm2", "vmovdqu32\t0x10(%rax),%xmm31", "vaddps\t%ymm0,%ymm1,%ymm2{%k1}",
                      "vpcmpltd\t%xmm1,%xmm0,%k0", "kmovw\t%eax,%k7"):
            run = self.check("x86_64/avx2", packed_dot=avx2, convert=[newer])
            self.assertEqual(run.returncode, 3, newer)
            self.assertIn("convert.cc.o", run.stdout)

    def test_mask_registers_in_the_baseline_are_found(self):
        run = self.check("x86_64/baseline", packed_dot=["pmaddwd\t%xmm0,%xmm1"], convert=["kmovw\t%eax,%k1"])
        self.assertEqual(run.returncode, 3)
        self.assertIn("kmovw", run.stdout)

    def test_a_set_without_a_rule_is_a_usage_error(self):
        with self.assertRaises(SystemExit) as end:
            self.check("x86_64/mmx", packed_dot=["nop"])
        self.assertEqual(end.exception.code, 2)


if __name__ == "__main__":
    unittest.main()
