"""Seconds from loading to the first token, libllama: `first_token.py MODEL THREADS PROMPT`. The interpreter's own start
and its imports are left out of the figure, so a C program would do no better."""
import sys
import time

import llama_lib

start = time.perf_counter()
model = llama_lib.Model(sys.argv[1])
context = llama_lib.Context(model, n_ctx=512, threads=int(sys.argv[2]))
ids = model.tokenize(sys.argv[3])
token = int(context.decode([(0, 0, ids, [len(ids) - 1])]).argmax())
print(time.perf_counter() - start, token)
