#!/usr/bin/env python3
"""A tiny Glm4Moe and its references for tests/data/models/glm4moe/ and
tests/data/hugging_face/glm4moe{,_bf16}/.

Usage: make_glm4moe_cases.py TESTS_DATA      (numpy, torch, transformers 5.23, gguf 0.19)
Random weights, exact in bf16: a dense layer, then two of 8 experts (2 used, in 2 groups of which 1 is used) with a shared
one. transformers runs them in f32; gguf-py writes the GGUF files. What other GGUF types and the safetensors file hold
follows from the bf16 file, so only hashes of them are kept, in derived_hashes.txt and file_hashes.txt. The GGUF says that
it has a fourth layer, which predicts further tokens, and holds two tensors of it.
"""
import json
import math
import pathlib
import sys
import tempfile

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as QT
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, Glm4MoeConfig, Glm4MoeForCausalLM

NAME, STEPS, SEEDS, LAYERS = "glm4moe", 8, 60, 3
SENTENCE = "[gMASK]<sop><|user|>\nThe phone shows a list of apps. 打开微信, wait 2 seconds and tap the search box.<|assistant|>\n"
FILE_TYPES = {"f32": 0, "q4_0": 2, "q8_0": 7, "bf16": 32}
NAMES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "post_attention_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate": "ffn_gate_inp",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "mlp.shared_experts.gate_proj": "ffn_gate_shexp", "mlp.shared_experts.up_proj": "ffn_up_shexp",
    "mlp.shared_experts.down_proj": "ffn_down_shexp",
}


def fnv1a(data):
    value = 14695981039346656037
    for byte in data:
        value = ((value ^ byte) * 1099511628211) & (2**64 - 1)
    return value


def fill(model, seed):
    """Matrices N(0, 1.7 / inputs), norms near 1, small biases."""
    random = torch.Generator().manual_seed(seed)
    state = dict(model.named_parameters()) | {k: v for k, v in model.named_buffers() if "correction_bias" in k}
    with torch.no_grad():
        for name, values in sorted(state.items()):
            noise = torch.randn(values.shape, generator=random)
            if "correction_bias" in name:
                noise = 0.2 * noise
            elif values.ndim == 1:
                noise = 0.1 * noise if name.endswith("bias") else 1 + 0.1 * noise
            elif "lm_head" in name:
                noise = 2 * noise / math.sqrt(values.shape[-1])
            elif "embed_tokens" not in name:
                noise = 1.3 * noise / math.sqrt(values.shape[-1])
            values.copy_(noise.to(torch.bfloat16).float())


@torch.no_grad()
def run(model, prompt):
    """Greedy tokens after the prompt, the logits that gave them, and how far the best was above the second."""
    ids, tokens, logits, margins = list(prompt), [], [], []
    for _ in range(STEPS):
        row = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
        best = torch.topk(row, 2).values
        logits.append(row.numpy().copy())
        margins.append(float(best[0] - best[1]))
        tokens.append(int(row.argmax()))
        ids.append(tokens[-1])
    return np.array(tokens, np.int32), np.stack(logits).astype(np.float32), np.array(margins, np.float32)


def gguf_tensors(state):
    """(GGUF name, values, Hugging Face names that it holds), experts in one tensor."""
    experts = {}
    for name, values in state.items():
        values = values.float().numpy()
        top = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
               "lm_head.weight": "output.weight"}.get(name)
        if top:
            yield top, values, [name]
            continue
        layer, rest = name.removeprefix("model.layers.").split(".", 1)
        if rest == "mlp.gate.e_score_correction_bias":
            yield f"blk.{layer}.exp_probs_b.bias", values, [name]
        elif rest.startswith("mlp.experts."):
            expert, part = rest.removeprefix("mlp.experts.").split(".", 1)
            key = f"blk.{layer}.ffn_{part.split('_')[0]}_exps.weight"
            experts.setdefault(key, {})[int(expert)] = (values, name)
        else:
            stem, ending = rest.rsplit(".", 1)
            yield f"blk.{layer}.{NAMES[stem]}.{ending}", values, [name]
    for name, parts in experts.items():
        ordered = [parts[i] for i in range(len(parts))]
        yield name, np.stack([values for values, _ in ordered]), [name for _, name in ordered]


def write_gguf(path, kind, config, state, tokenizer):
    """Returns the state with what the file's types make of it."""
    writer = gguf.GGUFWriter(path, NAME)
    writer.add_type("model")
    writer.add_name("tiny " + NAME)
    writer.add_file_type(FILE_TYPES[kind])
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(LAYERS + 1)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim // 2)
    writer.add_expert_count(config.n_routed_experts)
    writer.add_expert_used_count(config.num_experts_per_tok)
    writer.add_expert_shared_count(config.n_shared_experts)
    writer.add_expert_feed_forward_length(config.moe_intermediate_size)
    writer.add_leading_dense_block_count(config.first_k_dense_replace)
    writer.add_expert_weights_scale(config.routed_scaling_factor)
    writer.add_expert_weights_norm(config.norm_topk_prob)
    writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
    writer.add_expert_group_count(config.n_group)
    writer.add_expert_group_used_count(config.topk_group)
    writer.add_nextn_predict_layers(1)
    vocabulary = sorted(tokenizer.get_vocab(with_added_tokens=True).items(), key=lambda item: item[1])
    added = {t["id"]: t for t in json.loads(tokenizer.to_str())["added_tokens"]}
    kinds = [gguf.TokenType.NORMAL] * len(vocabulary)
    for i, token in added.items():
        kinds[i] = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("glm4")
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_types([int(kind) for kind in kinds])
    writer.add_token_merges([" ".join(m) for m in json.loads(tokenizer.to_str())["model"]["merges"]])
    end = tokenizer.token_to_id("<|endoftext|>")
    writer.add_eos_token_id(end)
    writer.add_eot_token_id(tokenizer.token_to_id("<|user|>"))
    writer.add_pad_token_id(end)
    writer.add_add_bos_token(False)
    stored = {}
    for name, values, sources in gguf_tensors(state):
        plain = values.ndim == 1 or "ffn_gate_inp" in name
        wanted = QT.F32 if plain else QT[kind.upper()]
        again = values
        if wanted == QT.F32:
            writer.add_tensor(name, np.ascontiguousarray(values))
        else:
            blocks = gguf.quants.quantize(values, wanted)
            again = gguf.quants.dequantize(blocks, wanted).astype(np.float32)
            writer.add_tensor(name, blocks, raw_dtype=wanted)
        assert kind not in ("f32", "bf16") or np.array_equal(again, values), name
        for i, source in enumerate(sources):
            stored[source] = torch.tensor(again[i] if len(sources) > 1 else again)
    for name in ("attn_norm", "nextn.enorm"):
        writer.add_tensor(f"blk.{LAYERS}.{name}.weight", np.full(config.hidden_size, 7, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return stored


def older_layout(config):
    """The config as checkpoints before transformers 5 have it."""
    config = dict(config)
    rope = config.pop("rope_parameters")
    config |= {"rope_theta": rope["rope_theta"], "partial_rotary_factor": rope["partial_rotary_factor"], "rope_scaling": None}
    config["torch_dtype"] = config.pop("dtype")
    return config


def replace_lines(path, lines, name=NAME):
    kept = [line for line in path.read_text().splitlines() if not line.startswith(name + " ")]
    path.write_text("\n".join(kept + lines) + "\n")


def load(folder, state):
    from safetensors.torch import save_file
    save_file({k: v.contiguous() for k, v in state.items()}, folder / "model.safetensors", {"format": "pt"})
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def write_bf16_folder(data, f32_folder):
    """The same model as transformers stores it in bf16: all but the correction biases, which stay f32."""
    out = data / "hugging_face" / f"{NAME}_bf16"
    out.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        AutoModelForCausalLM.from_pretrained(f32_folder, dtype=torch.bfloat16).save_pretrained(scratch)
        replace_lines(data / "hugging_face" / "file_hashes.txt",
                      [f"{NAME}_bf16 model.safetensors {fnv1a((scratch / 'model.safetensors').read_bytes()):016x}"], f"{NAME}_bf16")
        config_json = json.loads((scratch / "config.json").read_text())
        (out / "config.v5.json").write_text(json.dumps(config_json, indent=1) + "\n")
        (out / "config.json").write_text(json.dumps(older_layout(config_json), indent=1) + "\n")
    for name in ("generation_config.json", "tokenizer_config.json"):
        (out / name).write_bytes((data / "hugging_face" / NAME / name).read_bytes())


def main():
    data = pathlib.Path(sys.argv[1])
    model_out, folder_out = data / "models" / NAME, data / "hugging_face" / NAME
    for folder in (model_out / "ref", model_out / "ref_gguf", folder_out):
        folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(data / "hugging_face" / "tokenizers" / "glm" / "tokenizer.json"))
    ends = [tokenizer.token_to_id(t) for t in ("<|endoftext|>", "<|user|>", "<|observation|>")]
    config = Glm4MoeConfig(
        vocab_size=512, hidden_size=32, intermediate_size=64, num_hidden_layers=LAYERS, num_attention_heads=4,
        num_key_value_heads=2, head_dim=32, max_position_embeddings=1024, moe_intermediate_size=32, n_routed_experts=8,
        num_experts_per_tok=2, n_shared_experts=1, routed_scaling_factor=1.5, n_group=2, topk_group=1,
        first_k_dense_replace=1, norm_topk_prob=True, use_qk_norm=True, attention_bias=True, num_nextn_predict_layers=0,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
        pad_token_id=ends[0], eos_token_id=ends, tie_word_embeddings=False)
    model = Glm4MoeForCausalLM._from_config(config, attn_implementation="eager").eval().float()
    prompts = {"text": tokenizer.encode(SENTENCE, add_special_tokens=False).ids, "one": [tokenizer.encode("the").ids[0]],
               "long": np.random.default_rng(7).integers(0, 300, 96).tolist()}

    def margin(seed):
        fill(model, seed)
        return min(float(run(model, prompt)[2].min()) for prompt in prompts.values())

    seed = max(range(SEEDS), key=margin)
    print("seed", seed, "margin", margin(seed))
    for name, prompt in prompts.items():
        tokens, logits, _ = run(model, prompt)
        np.save(model_out / "ref" / f"{name}.input_ids.npy", np.array(prompt, np.int32))
        np.save(model_out / "ref" / f"{name}.tokens.npy", tokens)
        np.save(model_out / "ref" / f"{name}.step_logits.npy", logits)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        model.save_pretrained(scratch)
        replace_lines(data / "hugging_face" / "file_hashes.txt",
                      [f"{NAME} model.safetensors {fnv1a((scratch / 'model.safetensors').read_bytes()):016x}"])
        config_json = json.loads((scratch / "config.json").read_text())
        (folder_out / "config.v5.json").write_text(json.dumps(config_json, indent=1) + "\n")
        (folder_out / "config.json").write_text(json.dumps(older_layout(config_json), indent=1) + "\n")
        (folder_out / "generation_config.json").write_bytes((scratch / "generation_config.json").read_bytes())
        (folder_out / "tokenizer_config.json").write_bytes((folder_out.parent / "glm" / "tokenizer_config.json").read_bytes())
        write_bf16_folder(data, scratch)
        state = load_file(scratch / "model.safetensors")
        print(len(state), "tensors;", [n for n in state if "layers.1.mlp" in n][:8])
        hashes = []
        for kind in ("f32", "bf16", "q4_0", "q8_0"):
            path = model_out / f"{NAME}.bf16.gguf" if kind == "bf16" else scratch / f"{kind}.gguf"
            stored = write_gguf(path, kind, config, state, tokenizer)
            if kind != "bf16":
                hashes.append(f"{NAME} {kind} {fnv1a(path.read_bytes()):016x}")
            if kind.startswith("q"):
                tokens, logits, margins = run(load(scratch, stored), prompts["text"])
                np.save(model_out / "ref_gguf" / f"{kind}.tokens.npy", tokens)
                np.save(model_out / "ref_gguf" / f"{kind}.step_logits.npy", logits)
                np.save(model_out / "ref_gguf" / f"{kind}.margin.npy", margins)
                print(kind, "margin", margins.min())
        replace_lines(data / "models" / "derived_hashes.txt", hashes)
    print(sum(path.stat().st_size for path in model_out.rglob("*") if path.is_file()), "bytes")


if __name__ == "__main__":
    main()
