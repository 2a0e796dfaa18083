"""The Llama family evaluated in float64 from the de-quantised weights of a GGUF file.

It is the exact answer that engines approximate: weights are what gguf-py's reference decoders give
(float32), all arithmetic after that is float64. One call evaluates a whole sequence, so every position of a
teacher-forced text is had from one pass. Used by the golden makers only.
"""

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize


class ExactLlama:
    def __init__(self, path):
        reader = GGUFReader(path)
        field = lambda name, default=None: (
            reader.fields[name].contents() if name in reader.fields else default
        )
        if field("general.architecture") != "llama":
            raise SystemExit(f"{path}: architecture {field('general.architecture')}, expected llama")
        self.layers = field("llama.block_count")
        self.heads = field("llama.attention.head_count")
        self.kv_heads = field("llama.attention.head_count_kv", self.heads)
        self.head_dim = field("llama.attention.key_length", field("llama.embedding_length") // self.heads)
        self.eps = field("llama.attention.layer_norm_rms_epsilon")
        self.weights = {t.name: dequantize(t.data, t.tensor_type).astype(np.float64) for t in reader.tensors}
        rotary = field("llama.rope.dimension_count", self.head_dim)
        exponents = np.arange(0, rotary, 2, dtype=np.float64) / rotary
        self.inv_freq = field("llama.rope.freq_base", 10000.0) ** -exponents
        if "rope_freqs.weight" in self.weights:
            self.inv_freq /= self.weights["rope_freqs.weight"]
        self.head = self.weights.get("output.weight", self.weights["token_embd.weight"])

    def operand(self, x):
        """What stands left of a weight matrix; rounded_activations.py overrides it."""
        return x

    def norm(self, x, name):
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.eps) * self.weights[name]

    def rotate(self, x):
        """x [T, heads, head_dim]: GGUF stores Llama's q and k rows so that pairs are interleaved."""
        n = self.inv_freq.size
        angle = np.arange(x.shape[0], dtype=np.float64)[:, None] * self.inv_freq
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        even, odd = x[..., 0 : 2 * n : 2], x[..., 1 : 2 * n : 2]
        out = x.copy()
        out[..., 0 : 2 * n : 2] = even * cos - odd * sin
        out[..., 1 : 2 * n : 2] = odd * cos + even * sin
        return out

    def attention(self, x, layer):
        t, d = x.shape[0], self.head_dim
        x = self.operand(x)
        project = lambda name, n: (x @ self.weights[f"blk.{layer}.attn_{name}.weight"].T).reshape(t, n, d)
        q = self.rotate(project("q", self.heads))
        k = self.rotate(project("k", self.kv_heads))
        v = project("v", self.kv_heads)
        group = self.heads // self.kv_heads
        hidden = np.triu(np.ones((t, t), dtype=bool), 1)
        out = np.empty((t, self.heads, d))
        for h in range(self.heads):
            scores = q[:, h] @ k[:, h // group].T / np.sqrt(d)
            scores[hidden] = -np.inf
            p = np.exp(scores - scores.max(axis=-1, keepdims=True))
            out[:, h] = (p / p.sum(axis=-1, keepdims=True)) @ v[:, h // group]
        return self.operand(out.reshape(t, -1)) @ self.weights[f"blk.{layer}.attn_output.weight"].T

    def feed_forward(self, x, layer):
        w = lambda name: self.weights[f"blk.{layer}.ffn_{name}.weight"].T
        x = self.operand(x)
        gate = x @ w("gate")
        return self.operand(gate / (1.0 + np.exp(-gate)) * (x @ w("up"))) @ w("down")

    def logits(self, ids, first=0):
        """Logits [len(ids) - first, vocabulary] of the positions from `first` on."""
        x = self.weights["token_embd.weight"][np.asarray(ids)]
        for layer in range(self.layers):
            x = x + self.attention(self.norm(x, f"blk.{layer}.attn_norm.weight"), layer)
            x = x + self.feed_forward(self.norm(x, f"blk.{layer}.ffn_norm.weight"), layer)
        return self.operand(self.norm(x[first:], "output_norm.weight")) @ self.head.T
