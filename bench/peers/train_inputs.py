"""One training work as files of both programs: GPT-2 of 124M parameters with random weights, and a batch of B sequences
of T tokens. Ours reads a Hugging Face folder and JSON lines; llm.c its own checkpoint and token files."""
import json
import random
import string
import struct

import numpy as np

V, CONTEXT, L, NH, C = 50257, 1024, 12, 12, 768
V_PADDED = 50304  # rows of llm.c's token table
B, T = 4, 64  # train_gpt2.c has no other

LAYERED = {  # [inputs, outputs] of a layer, as Hugging Face stores them; llm.c stores [outputs, inputs]
    "ln_1.weight": (C,), "ln_1.bias": (C,), "attn.c_attn.weight": (C, 3 * C), "attn.c_attn.bias": (3 * C,),
    "attn.c_proj.weight": (C, C), "attn.c_proj.bias": (C,), "ln_2.weight": (C,), "ln_2.bias": (C,),
    "mlp.c_fc.weight": (C, 4 * C), "mlp.c_fc.bias": (4 * C,), "mlp.c_proj.weight": (4 * C, C), "mlp.c_proj.bias": (C,),
}
# In the order of llm.c's checkpoint, in which a part of all layers stands together.
SHAPES = {"wte.weight": (V, C), "wpe.weight": (CONTEXT, C),
          **{f"h.{layer}.{part}": shape for part, shape in LAYERED.items() for layer in range(L)},
          "ln_f.weight": (C,), "ln_f.bias": (C,)}


def flops():
    """Of a step: 6 for each weight of a matrix and token, and the products of attention."""
    matrices = L * sum(shape[0] * shape[1] for shape in LAYERED.values() if len(shape) == 2) + V * C
    pairs = T * (T + 1) // 2
    return 6 * B * (T * matrices + L * 2 * pairs * C)


def values_of(name, shape, draw):
    if name.endswith("bias"):
        return np.zeros(shape, np.float32)
    if len(shape) == 1:
        return np.ones(shape, np.float32)
    return draw.standard_normal(shape, np.float32) * np.float32(0.02)


def safetensors_header():
    header, at = {}, 0
    for name, shape in SHAPES.items():
        n_bytes = 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + n_bytes]}
        at += n_bytes
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text


def header_of_256(*numbers):
    return np.array(numbers + (0,) * (256 - len(numbers)), np.int32).tobytes()


def write_weights(safetensors, checkpoint):
    draw = np.random.default_rng(0)
    with open(safetensors, "wb") as ours, open(checkpoint, "wb") as theirs:
        ours.write(safetensors_header())
        theirs.write(header_of_256(20240326, 3, CONTEXT, V, L, NH, C, V_PADDED))
        for name, shape in SHAPES.items():
            values = values_of(name, shape, draw)
            ours.write(values.tobytes())
            theirs.write((values.T if name.startswith("h.") else values).tobytes())
            if name == "wte.weight":
                theirs.write(bytes(4 * C * (V_PADDED - V)))


def alphabet():
    """A character for each byte, as GPT-2's tokenizer writes them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {**{byte: chr(byte) for byte in printable}, **{byte: chr(256 + i) for i, byte in enumerate(others)}}


def make_tokenizer():
    """As large as GPT-2's and of its kind: the bytes, 50,000 pairs of them, the end of a text. Pairs with the blank
    come first, so that a blank and a letter are a token."""
    letters = alphabet()
    blank = letters.pop(ord(" "))
    symbols = [blank, *letters.values()]
    merges = [(a, b) for a in symbols for b in symbols][:V - 257]
    vocab = {token: i for i, token in enumerate([*symbols, *("".join(pair) for pair in merges)])}
    end = {"id": V - 1, "content": "<|endoftext|>", "single_word": False, "lstrip": False, "rstrip": False,
           "normalized": False, "special": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {"version": "1.0", "added_tokens": [end], "normalizer": None, "pre_tokenizer": byte_level,
            "post_processor": None, "decoder": byte_level,
            "model": {"type": "BPE", "vocab": vocab, "merges": [" ".join(pair) for pair in merges]}}


def write_batch(tokenizer, texts, tokens):
    """llm.c cuts its batch out of one stream, whose next token is the target of a sequence's last; so each of our texts
    has the first token of the next as its last, which is only foretold."""
    letters = random.Random(0).choices(string.ascii_letters, k=B * T + 1)
    vocab, blank = tokenizer["model"]["vocab"], alphabet()[ord(" ")]
    ids = np.array([vocab[blank + letter] for letter in letters], np.uint16)
    tokens.write_bytes(header_of_256(20240520, 1, len(ids)) + ids.tobytes())
    rows = ["".join(" " + letter for letter in letters[b * T:(b + 1) * T + 1]) for b in range(B)]
    texts.write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))


def write(out):
    """Our model and texts, the folder in which llm.c's program runs; nothing is written twice."""
    model, texts, folder = out / "gpt2", out / "batch.jsonl", out / "llmc"
    tokens = folder / "dev" / "data" / "tinyshakespeare"  # where the program looks
    if not (out / "whole").exists():
        for path in (model, tokens):
            path.mkdir(parents=True, exist_ok=True)
        (model / "config.json").write_text(json.dumps(
            {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": V, "n_positions": CONTEXT,
             "n_ctx": CONTEXT, "n_embd": C, "n_layer": L, "n_head": NH, "activation_function": "gelu_new",
             "layer_norm_epsilon": 1e-5, "bos_token_id": V - 1, "eos_token_id": V - 1}))
        tokenizer = make_tokenizer()
        (model / "tokenizer.json").write_text(json.dumps(tokenizer))
        write_batch(tokenizer, texts, tokens / "tiny_shakespeare_train.bin")
        (tokens / "tiny_shakespeare_val.bin").write_bytes((tokens / "tiny_shakespeare_train.bin").read_bytes())
        write_weights(model / "model.safetensors", folder / "gpt2_124M.bin")
        (out / "whole").touch()
    return model, texts, folder
