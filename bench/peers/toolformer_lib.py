"""This library from Python: the few functions of its headers that the comparison calls."""
import ctypes as c
import pathlib

WANT_TOKEN, WANT_SET = 0, 1


class Error(c.Structure):
    _fields_ = [("status", c.c_int), ("message", c.c_char * 640)]


class ModelParams(c.Structure):
    _fields_ = [("cpu", c.c_char_p), ("operand", c.c_char_p), ("n_threads", c.c_int)]


class SessionParams(c.Structure):
    _fields_ = [("n_threads", c.c_int), ("batch_tokens", c.c_int64), ("kv_bytes", c.c_size_t)]


class Want(c.Structure):
    _fields_ = [("kind", c.c_int), ("position", c.c_int64), ("token", c.c_int32), ("set", c.c_void_p),
                ("n_set", c.c_int64), ("top", c.c_void_p), ("k", c.c_int32), ("lp", c.c_double)]


class ScoreRequest(c.Structure):
    _fields_ = [("ids", c.c_void_p), ("n_ids", c.c_int64), ("wants", c.POINTER(Want)), ("n_wants", c.c_int64)]


class Sampler(c.Structure):
    _fields_ = [("temperature", c.c_double), ("top_k", c.c_int32), ("top_p", c.c_double), ("seed", c.c_uint64),
                ("stream", c.c_uint64)]


class SampleRequest(c.Structure):
    _fields_ = [("ids", c.c_void_p), ("n_ids", c.c_int64), ("max_new", c.c_int64), ("sampler", Sampler),
                ("grammar", c.c_void_p), ("banned", c.c_void_p), ("n_banned", c.c_int64),
                ("ignore_eos", c.c_bool), ("stop", c.c_void_p), ("context", c.c_void_p), ("new_ids", c.c_void_p),
                ("lps", c.c_void_p), ("n_new", c.c_int64), ("finish", c.c_int)]


class Counters(c.Structure):
    _fields_ = [("rows", c.c_int64), ("rows_shared", c.c_int64), ("head_rows", c.c_int64), ("passes", c.c_int64),
                ("seconds", c.c_double), ("flops", c.c_double)]


class Library:
    def __init__(self, folder):
        self.c = c.CDLL(str(pathlib.Path(folder) / "libtoolformer.so"))
        pointers = ("tfc_model_open", "tfc_session_create", "tfc_model_tokenizer", "tfc_tools_create",
                    "tfc_tools_find", "tfc_tool_prompt")
        for name in pointers:
            getattr(self.c, name).restype = c.c_void_p
        self.c.tfc_token_text.restype = c.c_char_p
        self.c.tfc_session_params_default.restype = SessionParams
        self.c.tfc_session_get_counters.restype = Counters
        self.error = Error()

    def check(self, ok):
        if not ok:
            raise RuntimeError(self.error.message.decode())

    def call(self, name, *arguments):
        self.check(getattr(self.c, name)(*arguments, c.byref(self.error)) == 0)

    def make(self, name, *arguments):
        handle = getattr(self.c, name)(*arguments, c.byref(self.error))
        self.check(handle)
        return c.c_void_p(handle)


class Model:
    def __init__(self, library, path, threads, operand=None):
        self.library = library
        params = ModelParams(None, operand.encode() if operand else None, threads)
        self.handle = library.make("tfc_model_open", str(path).encode(), c.byref(params))
        self.tokenizer = c.c_void_p(library.c.tfc_model_tokenizer(self.handle))

    def tokenize(self, text):
        data, ids, n = text.encode(), c.POINTER(c.c_int32)(), c.c_int64()
        self.library.call("tfc_tokenize", self.tokenizer, data, c.c_size_t(len(data)), 0, c.byref(ids), c.byref(n))
        out = ids[:n.value]
        self.library.c.tfc_ids_free(ids)
        return out

    def token_bytes(self, token):
        return self.library.c.tfc_token_text(self.tokenizer, token, c.byref(c.c_size_t()))


class Session:
    def __init__(self, model, threads):
        self.library = model.library
        params = self.library.c.tfc_session_params_default()
        params.n_threads = threads
        self.handle = self.library.make("tfc_session_create", model.handle, c.byref(params))

    def counters(self):
        return self.library.c.tfc_session_get_counters(self.handle)

    def prepare_score(self, texts, firsts):
        """texts: lists of ids; the probabilities of ids[first:] of each are wanted."""
        requests = (ScoreRequest * len(texts))()
        keep = []
        for request, ids, first in zip(requests, texts, firsts):
            array = (c.c_int32 * len(ids))(*ids)
            wants = (Want * (len(ids) - first))()
            for want, position in zip(wants, range(first, len(ids))):
                want.kind, want.position, want.token = WANT_TOKEN, position, ids[position]
            request.ids, request.n_ids = c.cast(array, c.c_void_p), len(ids)
            request.wants, request.n_wants = wants, len(wants)
            keep.append((array, wants))
        return requests, keep

    def score(self, prepared):
        requests, _ = prepared
        self.library.call("tfc_score", self.handle, requests, c.c_int64(len(requests)))

    @staticmethod
    def results(prepared):
        return [[want.lp for want in wants] for _, wants in prepared[1]]

    def sample(self, prompts, n_new, temperature=0.0):
        requests = (SampleRequest * len(prompts))()
        keep = []
        for i, (request, ids) in enumerate(zip(requests, prompts)):
            array, new = (c.c_int32 * len(ids))(*ids), (c.c_int32 * n_new)()
            request.ids, request.n_ids, request.max_new = c.cast(array, c.c_void_p), len(ids), n_new
            request.sampler = Sampler(temperature, 0, 1.0, 0, i)
            request.ignore_eos, request.new_ids = True, c.cast(new, c.c_void_p)
            keep.append((array, new))
        self.library.call("tfc_sample", self.handle, requests, c.c_int64(len(requests)))
        return [list(new) for _, new in keep]
