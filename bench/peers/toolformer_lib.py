"""This library from Python, through shim.c."""
import ctypes as c
import itertools
import pathlib

PEERS = pathlib.Path(__file__).resolve().parent.parent.parent / "build" / "peers"


class Model:
    """A loaded model with its session."""

    def __init__(self, path, threads, operand=None):
        self.c = c.CDLL(str(PEERS / "lib" / "libtfc_peers.so"))
        for name in ("open", "tokenize", "begin_tokens", "prompt"):
            getattr(self.c, f"peer_{name}").restype = c.c_void_p
        for name in ("message", "token_text"):
            getattr(self.c, f"peer_{name}").restype = c.c_char_p
        self.handle = c.c_void_p(self.made(self.c.peer_open(str(path).encode(), operand and operand.encode(), threads)))

    def made(self, result):
        if not result:
            raise RuntimeError(self.c.peer_message().decode())
        return result

    @staticmethod
    def flat(texts):
        ids = list(itertools.chain.from_iterable(texts))
        return (c.c_int32 * len(ids))(*ids), (c.c_int64 * len(texts))(*map(len, texts)), c.c_int64(len(texts))

    def scoring(self, texts, firsts):
        """A function that scores, so that the making of its arguments can stay out of a measured time: log p of
        the tokens from first on, of all texts in one list."""
        ids, lengths, n = self.flat(texts)
        first = (c.c_int64 * len(texts))(*firsts)
        lps = (c.c_double * sum(len(text) - at for text, at in zip(texts, firsts)))()

        def score():
            self.made(self.c.peer_score(self.handle, ids, lengths, first, n, lps) == 0)
            return lps
        return score

    def sampling(self, texts, n_new):
        ids, lengths, n = self.flat(texts)
        new = (c.c_int32 * (len(texts) * n_new))()

        def sample():
            self.made(self.c.peer_sample(self.handle, ids, lengths, n, c.c_int64(n_new), new) == 0)
            return new
        return sample

    def take_ids(self, pointer, n):
        ids = c.cast(self.made(pointer), c.POINTER(c.c_int32))
        out = ids[:n.value]
        self.c.tfc_ids_free(ids)
        return out

    def tokenize(self, text):
        data, n = text.encode(), c.c_int64()
        return self.take_ids(self.c.peer_tokenize(self.handle, data, c.c_size_t(len(data)), c.byref(n)), n)

    def begin_tokens(self, tool):
        n = c.c_int64()
        return self.take_ids(self.c.peer_begin_tokens(self.handle, tool.encode(), c.byref(n)), n)

    def token_bytes(self, token):
        return self.c.peer_token_text(self.handle, token)

    def prompt(self, tool, text):
        data = text.encode()
        pointer = c.c_void_p(self.made(self.c.peer_prompt(tool.encode(), data, c.c_size_t(len(data)))))
        prompt = c.cast(pointer, c.c_char_p).value.decode()
        self.c.tfc_text_free(pointer)
        return prompt
