"""llama.cpp through the low-level functions of llama-cpp-python: batches of tokens of many sequences, logits of the
rows that are asked for. Nothing of its high-level interface stands between."""
import concurrent.futures
import ctypes as c
import sys

import llama_cpp as llama
import numpy as np

_quiet = llama.llama_log_callback(lambda level, text, data: None)
llama.llama_log_set(_quiet, c.c_void_p())
llama.llama_backend_init()

# The rows of a batch are independent, and numpy lets go of the interpreter's lock: the softmax gets both threads.
_workers = concurrent.futures.ThreadPoolExecutor(2)


def _token_lps(logits, targets):
    top = logits.max(axis=1)
    total = np.log(np.exp(logits - top[:, None]).sum(axis=1, dtype=np.float64))
    return logits[np.arange(len(targets)), targets] - top - total


def token_lps(logits, targets):
    """log p(target) of each row of logits[n, V]."""
    targets = np.asarray(targets)
    parts = [(logits[i:i + 16], targets[i:i + 16]) for i in range(0, len(targets), 16)]
    return np.concatenate(list(_workers.map(lambda part: _token_lps(*part), parts)))


class Model:
    def __init__(self, path):
        params = llama.llama_model_default_params()
        self.handle = llama.llama_model_load_from_file(str(path).encode(), params)
        if not self.handle:
            raise RuntimeError(f"llama.cpp cannot load {path}")
        self.vocabulary = llama.llama_model_get_vocab(self.handle)
        self.n_vocab = llama.llama_vocab_n_tokens(self.vocabulary)

    def tokenize(self, text):
        data = text.encode()
        room = (llama.llama_token * (len(data) + 8))()
        n = llama.llama_tokenize(self.vocabulary, data, len(data), room, len(room), False, False)
        return list(room[:n])

    def free(self):
        llama.llama_model_free(self.handle)


class Context:
    """n_ctx positions, shared by n_seq sequences when `unified`, n_ctx / n_seq for each otherwise."""

    def __init__(self, model, n_ctx, threads, n_seq=1, flash=True, unified=True, n_batch=512, n_ubatch=512):
        params = llama.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch, params.n_seq_max = n_ctx, n_batch, n_ubatch, n_seq
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = (llama.LLAMA_FLASH_ATTN_TYPE_ENABLED if flash
                                  else llama.LLAMA_FLASH_ATTN_TYPE_DISABLED)
        params.kv_unified = unified
        self.model, self.n_batch = model, n_batch
        self.handle = llama.llama_init_from_model(model.handle, params)
        if not self.handle:
            raise RuntimeError("llama.cpp makes no context")
        self.memory = llama.llama_get_memory(self.handle)
        self.batch = llama.llama_batch_init(n_batch, 0, 1)
        self.tokens = np.ctypeslib.as_array(self.batch.token, (n_batch,))
        self.positions = np.ctypeslib.as_array(self.batch.pos, (n_batch,))
        self.n_seq_ids = np.ctypeslib.as_array(self.batch.n_seq_id, (n_batch,))
        self.wanted = np.ctypeslib.as_array(self.batch.logits, (n_batch,))
        self.sequences = [np.ctypeslib.as_array(self.batch.seq_id[i], (1,)) for i in range(n_batch)]
        self.n_seq_ids[:] = 1
        self.decoded = 0

    def free(self):
        llama.llama_batch_free(self.batch)
        llama.llama_free(self.handle)

    def clear(self):
        llama.llama_memory_clear(self.memory, False)

    def copy(self, source, target, end=-1):
        llama.llama_memory_seq_cp(self.memory, source, target, 0, end)

    def remove(self, sequence, begin=0):
        llama.llama_memory_seq_rm(self.memory, sequence, begin, -1)

    def decode(self, parts):
        """parts: (sequence, first position, ids, wanted rows: a slice or list of indices into ids), n_batch tokens
        at most. Returns the wanted rows' logits [n, V], valid until the next call."""
        n = rows = 0
        for sequence, position, ids, wanted in parts:
            k = len(ids)
            self.tokens[n:n + k] = ids
            self.positions[n:n + k] = np.arange(position, position + k)
            self.wanted[n:n + k] = 0
            self.wanted[n:n + k][wanted] = 1
            rows += int(self.wanted[n:n + k].sum())
            for i in range(n, n + k):
                self.sequences[i][0] = sequence
            n += k
        self.batch.n_tokens = n
        code = llama.llama_decode(self.handle, self.batch)
        if code != 0:
            raise RuntimeError(f"llama_decode: {code}")
        self.decoded += n
        if rows == 0:
            return None
        return np.ctypeslib.as_array(llama.llama_get_logits(self.handle), (rows, self.model.n_vocab))


def quantize(source, target):
    params = llama.llama_model_quantize_default_params()
    params.ftype, params.nthread = llama.LLAMA_FTYPE_MOSTLY_Q4_0, 2
    if llama.llama_model_quantize(source.encode(), target.encode(), params) != 0:
        raise RuntimeError(f"cannot quantize {source}")


if __name__ == "__main__" and sys.argv[1] == "quantize":
    quantize(sys.argv[2], sys.argv[3])
