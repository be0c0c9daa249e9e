"""One of the two programs under comparison, kept loaded. A line on stdin is a request, a line on stdout its answer:
{"work", "turn"} gets {"seconds"} ("variant": how, when that is known); {"ids"} gets {"lps"}. Only the work is timed: no loading, no making of the ids.

    worker.py ours MODEL OPERAND THREADS
    worker.py llama MODEL THREADS
"""
import json
import math
import sys
import time

import works


class Ours:
    def __init__(self, path, operand, threads):
        import toolformer_lib
        self.model = toolformer_lib.Model(path, int(threads), operand)

    def lps(self, ids):
        return list(self.model.scoring([ids], [1])())

    def turn(self, work, turn, variant=None):
        texts = works.texts(work, turn)
        n_new = works.SIZES[work][4]
        if n_new:  # the prompts are computed before the clock starts
            self.model.sampling(texts, 1)()
            do = self.model.sampling(texts, n_new)
        else:
            last = {"prefill": 1, "ragged-last5": 5}.get(work)
            do = self.model.scoring(texts, [len(ids) - last if last else 1 for ids in texts])
        start = time.perf_counter()
        do()
        return time.perf_counter() - start


class Llama:
    """Each work has its variants; the fastest of a first try is kept. Flash attention on and off; for many texts also
    one after the other, packed into batches with a common key-value memory, and packed with one for each."""

    def __init__(self, path, threads):
        import llama_lib
        self.lib, self.threads = llama_lib, int(threads)
        self.model = llama_lib.Model(path)
        self.chosen = {}

    def context(self, **options):
        return self.lib.Context(self.model, threads=self.threads, **options)

    def lps(self, ids):
        context = self.context(n_ctx=1024)
        lps = []
        for begin in range(0, len(ids) - 1, 512):
            part = ids[begin:min(begin + 512, len(ids) - 1)]
            logits = context.decode([(0, begin, part, slice(None))])
            lps.extend(self.lib.token_lps(logits, ids[begin + 1:begin + 1 + len(part)]).tolist())
        context.free()
        return lps

    def variants(self, work):
        flashes = (True, False)
        if work == "decode-1":
            return [dict(n_ctx=256, flash=flash) for flash in flashes]
        if work == "decode-32":
            return [dict(n_ctx=2048, n_seq=32, flash=flash) for flash in flashes]
        if not work.startswith("ragged"):
            return [dict(n_ctx=1024, flash=flash) for flash in flashes]
        alone = [dict(n_ctx=512, flash=flash) for flash in flashes]
        packed = [dict(n_ctx=4096, n_seq=8, flash=flash, unified=unified, n_batch=2048)
                  for flash in flashes for unified in (True, False)]
        return alone + packed

    def turn(self, work, turn, variant=None):
        if work not in self.chosen:
            self.choose(work, variant)
        return self.run(self.chosen[work][1], work, turn)

    def choose(self, work, options):
        tried = []
        for variant in [] if options else self.variants(work):
            context = self.context(**variant)
            self.run(context, work, -1, limit=8)
            tried.append((min(self.run(context, work, turn, limit=8) for turn in (-2, -3)), variant))
            context.free()
        options = options or min(tried, key=lambda one: one[0])[1]
        self.chosen[work] = (options, self.context(**options))

    def run(self, context, work, turn, limit=None):
        texts = works.texts(work, turn)
        context.clear()
        if work.startswith("decode"):
            return self.generate(context, texts, works.SIZES[work][4], works.SIZES[work][3])
        texts = texts if len(texts) == 1 else texts[:limit]
        start = time.perf_counter()
        if len(texts) == 1 or "n_seq" not in self.options_of(context):
            for ids in texts:
                self.score_one(context, ids, work)
        else:
            self.score_packed(context, texts, work)
        return time.perf_counter() - start

    @staticmethod
    def options_of(context):
        return {"n_seq": True} if context.n_batch > 512 else {}

    @staticmethod
    def wanted_rows(ids, work):
        """Rows whose logits are wanted, and the tokens that they foretell."""
        if work == "prefill":
            return [len(ids) - 1], None
        first = len(ids) - 6 if work == "ragged-last5" else 0
        return list(range(first, len(ids) - 1)), ids[first + 1:]

    def score_one(self, context, ids, work):
        context.clear()
        rows, targets = self.wanted_rows(ids, work)
        for begin in range(0, len(ids), context.n_batch):
            part = ids[begin:begin + context.n_batch]
            mine = [k for k, row in enumerate(rows) if begin <= row < begin + len(part)]
            logits = context.decode([(0, begin, part, [rows[k] - begin for k in mine])])
            if targets and mine:
                self.lib.token_lps(logits, [targets[k] for k in mine])

    def score_packed(self, context, texts, work):
        texts = sorted(texts, key=len)  # of like length together
        while texts:
            parts, targets, n = [], [], 0
            while texts and len(parts) < 8 and n + len(texts[-1]) <= context.n_batch:
                ids = texts.pop()
                rows, foretold = self.wanted_rows(ids, work)
                parts.append((len(parts), 0, ids, rows))
                targets.extend(foretold)
                n += len(ids)
            context.clear()
            self.lib.token_lps(context.decode(parts), targets)

    def generate(self, context, texts, n_new, shared):
        """Greedy, as ours. The shared beginning is computed once and copied between sequences."""
        if shared:
            context.decode([(0, 0, texts[0][:shared], [])])
            for sequence in range(1, len(texts)):
                context.copy(0, sequence)
        logits = context.decode([(s, shared, ids[shared:], [len(ids) - shared - 1]) for s, ids in enumerate(texts)])
        positions = [len(ids) for ids in texts]
        start = time.perf_counter()
        for _ in range(n_new):
            tokens = logits.argmax(axis=1)
            logits = context.decode([(s, positions[s], [token], [0]) for s, token in enumerate(tokens)])
            positions = [position + 1 for position in positions]
        return time.perf_counter() - start


def main():
    program = Ours(*sys.argv[2:]) if sys.argv[1] == "ours" else Llama(*sys.argv[2:])
    for line in sys.stdin:
        request = json.loads(line)
        if "ids" in request:
            answer = {"lps": [x if math.isfinite(x) else None for x in program.lps(request["ids"])]}
        else:
            answer = {"seconds": program.turn(request["work"], request["turn"], request.get("variant"))}
            if sys.argv[1] == "llama":
                answer["variant"] = program.chosen[request["work"]][0]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
