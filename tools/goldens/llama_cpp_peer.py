"""llama.cpp through the ctypes binding of llama-cpp-python: f32 KV cache, no flash attention, CPU only."""

import ctypes
import os
import sys

import numpy as np


def add_arguments(parser):
    parser.add_argument("--model", required=True, help="GGUF file")
    parser.add_argument("--binding", required=True, help="unpacked llama-cpp-python source archive")
    parser.add_argument("--lib", required=True, help="folder with libllama.so built from that archive")
    parser.add_argument("--threads", type=int, default=2)


class LlamaCpp:
    def __init__(self, args, model=None, context=2048, vocab_only=False):
        path = model or args.model
        os.environ["LLAMA_CPP_LIB_PATH"] = args.lib
        sys.path.insert(0, args.binding)
        import llama_cpp

        self.api = api = llama_cpp.llama_cpp
        self.version = llama_cpp.__version__
        self.quiet = api.llama_log_callback(lambda level, text, data: None)
        api.llama_log_set(self.quiet, ctypes.c_void_p(0))
        api.llama_backend_init()
        model_params = api.llama_model_default_params()
        model_params.n_gpu_layers = 0
        model_params.vocab_only = vocab_only
        self.model = api.llama_model_load_from_file(path.encode(), model_params)
        if not self.model:
            raise SystemExit(f"{path}: llama.cpp cannot load it")
        self.vocab = api.llama_model_get_vocab(self.model)
        self.vocab_size = api.llama_vocab_n_tokens(self.vocab)
        self.context_size = context
        if vocab_only:
            return
        params = api.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = context, context, 512
        params.n_threads = params.n_threads_batch = args.threads
        params.type_k = params.type_v = api.GGML_TYPE_F32
        params.flash_attn_type = api.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.context = api.llama_init_from_model(self.model, params)
        self.batch = api.llama_batch_init(context, 0, 1)

    def system_info(self):
        words = self.api.llama_print_system_info().decode().replace("CPU :", "").split("|")
        return [w.split("=")[0].strip() for w in words if w.strip().endswith("= 1")]

    def tokenize(self, text, parse_special=True):
        """Ids of `text` (bytes), nothing added."""
        ids = (self.api.llama_token * (len(text) + 8))()
        n = self.api.llama_tokenize(self.vocab, text, len(text), ids, len(ids), False, parse_special)
        if n < 0:
            raise ValueError("token buffer too small")
        return list(ids[:n])

    def clear(self):
        self.api.llama_memory_clear(self.api.llama_get_memory(self.context), True)

    def decode(self, ids, position, all_logits=False):
        """Appends ids at `position`; logits [1 or len(ids), vocabulary] f32."""
        b = self.batch
        b.n_tokens = len(ids)
        for i, token in enumerate(ids):
            b.token[i], b.pos[i], b.n_seq_id[i] = token, position + i, 1
            b.seq_id[i][0] = 0
            b.logits[i] = int(all_logits or i == len(ids) - 1)
        if self.api.llama_decode(self.context, b):
            raise SystemExit("llama_decode failed")
        rows = range(len(ids)) if all_logits else [len(ids) - 1]
        row = lambda i: np.ctypeslib.as_array(
            self.api.llama_get_logits_ith(self.context, i), (self.vocab_size,)
        )
        return np.stack([row(i).copy() for i in rows])
