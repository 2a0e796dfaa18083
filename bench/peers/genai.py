#!/usr/bin/env python3
"""Measures OpenVINO GenAI on a GGUF file once: prefill, decode at a context, memory. Prints one JSON object.

Needs: pip install openvino openvino-genai numpy. Usage: genai.py MODEL.gguf THREADS PREFILL CONTEXT DECODE
"""
import json
import sys
import time


def peak_mb():
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1e3 for line in status if line.startswith("VmHWM"))


def main():
    model, threads, prefill, context, decode = sys.argv[1], *map(int, sys.argv[2:6])
    import numpy
    import openvino
    import openvino_genai

    begin = time.perf_counter()
    pipeline = openvino_genai.LLMPipeline(
        model, "CPU", INFERENCE_NUM_THREADS=threads, PERFORMANCE_HINT="LATENCY"
    )
    load_ms = 1e3 * (time.perf_counter() - begin)

    def generate(tokens, new_tokens):
        ids = numpy.random.default_rng(0).integers(100, 40000, (1, tokens)).astype(numpy.int64)
        inputs = openvino_genai.TokenizedInputs(
            openvino.Tensor(ids), openvino.Tensor(numpy.ones((1, tokens), numpy.int64))
        )
        config = openvino_genai.GenerationConfig()
        config.max_new_tokens = config.min_new_tokens = new_tokens
        config.ignore_eos, config.do_sample, config.apply_chat_template = True, False, False
        metrics = pipeline.generate(inputs, config).perf_metrics
        return metrics.get_ttft().mean, metrics.get_tpot().mean

    generate(16, 4)
    result = {"load_ms": load_ms}
    if prefill:
        result["prefill_tokens_per_s"] = 1e3 * prefill / generate(prefill, 2)[0]
    if decode:
        result["decode_tokens_per_s"] = 1e3 / generate(max(16, context), decode)[1]
    result["peak_rss_mb"] = peak_mb()
    print(json.dumps(result))


main()
