"""Annotation (recipe `paper`) by this program and by a program on libllama that does the same work, text for text.

The peer is written to be quick: the prompt's demonstrations stay in its key-value memory from text to text, all samples
of a text are decoded together behind sequences that share P(x) + x, all calls of a text are scored together in packed
batches, and only wanted rows reach the vocabulary. The calls are those that we sampled (our grammar is no part of the
comparison): the peer decodes the same tokens under a softmax and a draw. Tokenising, running the tools and writing
results down is left out of its time, and is in ours.

Three peers: as described; with our exact pruning of places and losses too (then only the engines differ); and with
--server the access pattern of llama-server, which returns no log-probabilities of a prompt: each wanted position is a
request. That one is a lower bound: no HTTP, no JSON.

    build/peers/venv/bin/python bench/peers/annotate_llama.py --corpus FILE [--texts N] [--json FILE]"""
import argparse
import json
import math
import pathlib
import time

import numpy as np

import annotate_inputs
import llama_lib
from annotate_check import show_differences, show_kept_alone, summary, weighted_loss
from annotate_inputs import TOOLS

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "build" / "peers"


def common_prefix(a, b):
    n = min(len(a), len(b))
    return next((i for i in range(n) if a[i] != b[i]), n)


class Peer:
    """Sequences 0 and 1 of `scan` hold P(x) + x of the two tools, the others the samples."""

    SAMPLES = 32  # decoded together

    def __init__(self, model, threads, pruning, server):
        self.pruning, self.server = pruning, server
        self.plain = llama_lib.Context(model, n_ctx=512, threads=threads)
        self.scan = llama_lib.Context(model, n_ctx=8192, threads=threads, n_seq=2 + self.SAMPLES)
        self.packed = llama_lib.Context(model, n_ctx=4096, threads=threads, n_seq=8, n_batch=2048, unified=False)
        self.held = {tool: [] for tool in TOOLS}  # the ids in their sequence of `scan`
        self.seconds = dict.fromkeys(("scan", "sample", "score"), 0.0)
        self.tokens = dict.fromkeys(self.seconds, 0)
        self.draw = np.random.default_rng(0)

    def timed(self, phase, work, *arguments):
        contexts = (self.plain, self.scan, self.packed)
        before, start = sum(context.decoded for context in contexts), time.perf_counter()
        result = work(*arguments)
        self.seconds[phase] += time.perf_counter() - start
        self.tokens[phase] += sum(context.decoded for context in contexts) - before
        return result

    def annotate(self, text):
        losses, p = self.timed("scan", self.scan_text, text)
        self.timed("sample", self.sample_text, text, losses)
        scores = self.timed("score", self.score_text, text, losses)
        return losses, p, scores

    def decode(self, context, sequence, first, ids, begin, reduce):
        """ids[first:] after what the sequence holds; reduce(rows' logits, their positions) for those from begin on.
        As a server is asked: each of these alone."""
        at, results = first, []
        while at < len(ids):
            end = min(at + context.n_batch, len(ids))
            if self.server:
                end = min(end, begin) if at < begin else at + 1
            rows = range(max(at, begin), end)
            logits = context.decode([(sequence, at, ids[at:end], [row - at for row in rows])])
            if rows:
                results.append(reduce(logits, rows))
            at = end
        return np.concatenate(results)

    def scan_text(self, text):
        x = text["x"]
        self.plain.clear()
        lps = self.decode(self.plain, 0, 0, x[:-1], 0, lambda logits, rows: llama_lib.token_lps(
            logits, [x[row + 1] for row in rows]))
        losses = [math.nan] + [weighted_loss(lps[i - 1:i + 4]) for i in range(1, len(x))]
        p = {}
        for sequence, tool in enumerate(TOOLS):
            if self.pruning and not any(loss >= tau_of(text, tool) for loss in losses):
                continue
            ids, begin = text["prompts"][tool] + x, text["begin"][tool]
            first = min(common_prefix(ids, self.held[tool]), len(text["prompts"][tool]) - 1)
            self.scan.remove(sequence, first)
            p[tool] = self.decode(self.scan, sequence, first, ids[:-1], len(text["prompts"][tool]) - 1,
                                  lambda logits, rows: np.concatenate(
                                      [set_probability(logits[i:i + 16], begin) for i in range(0, len(rows), 16)]))
            self.held[tool] = ids[:-1]
        return losses, p

    def sample_text(self, text, losses):
        samples = [(c["tool"], c["token"], c["sampled"]) for c in text["candidates"] if c["sampled"]
                   and not (self.pruning and losses[c["token"]] < c["tau_f"]) for _ in range(c["times"])]
        for begin in range(0, len(samples), self.SAMPLES):
            self.sample_batch(text, samples[begin:begin + self.SAMPLES])

    def sample_batch(self, text, samples):
        opened = {}  # the first sample of a place computes ` [Name(` for the others
        parts = []
        for s, (tool, token, _) in enumerate(samples):
            sequence, n = 2 + s, len(text["prompts"][tool]) + token
            self.scan.remove(sequence)
            if (tool, token) not in opened:
                opened[tool, token] = sequence, len(parts)
                self.scan.copy(TOOLS.index(tool), sequence, n)
                parts.append((sequence, n, text["open"][tool], [len(text["open"][tool]) - 1]))
        logits = self.scan.decode(parts)
        rows = []
        for s, (tool, token, _) in enumerate(samples):
            source, row = opened[tool, token]
            if source != 2 + s:
                self.scan.copy(source, 2 + s)
            rows.append(row)
        self.draw_tokens(logits[rows])
        step = 0
        while True:  # the token fed is the one that was sampled; the draw is made and not used
            parts = [(2 + s, len(text["prompts"][tool]) + token + len(text["open"][tool]) + step, [ids[step]], [0])
                     for s, (tool, token, ids) in enumerate(samples) if step + 1 < len(ids)]
            if not parts:
                break
            self.draw_tokens(self.scan.decode(parts))
            step += 1
        for s in range(len(samples)):
            self.scan.remove(2 + s)

    def draw_tokens(self, logits):
        weights = np.exp(logits - logits.max(axis=1)[:, None]).cumsum(axis=1)
        draws = self.draw.random(len(logits)) * weights[:, -1]
        return [int(np.searchsorted(row, draw)) for row, draw in zip(weights, draws)]

    def score_text(self, text, losses):
        """{candidate's number: [loss with result, loss without]}, None where not needed."""
        x, scores = text["x"], {}
        wanted = [k for k, c in enumerate(text["candidates"]) if c["result"] is not None
                  and not (self.pruning and losses[c["token"]] < c["tau_f"])]
        found = self.score_calls(x, [(k, text["candidates"][k]["with_result"]) for k in wanted], text)
        for k in wanted:
            scores[k] = [found[k], None]
        if self.pruning:
            wanted = [k for k in wanted if losses[text["candidates"][k]["token"]] - found[k]
                      >= text["candidates"][k]["tau_f"]]
        for k, loss in self.score_calls(x, [(k, text["candidates"][k]["empty_call"]) for k in wanted], text).items():
            scores[k][1] = loss
        return scores

    def score_calls(self, x, calls, text):
        """Sequences z + x up to the place and the five tokens there, of like length together."""
        jobs = []
        for k, z in calls:
            i = text["candidates"][k]["token"]
            targets = x[i:i + 5]
            jobs.append((k, z + x[:i] + targets[:-1], len(targets), targets))
        jobs.sort(key=lambda job: len(job[1]))
        found = {}
        while jobs:
            batch = []
            while jobs and len(batch) < 8 and sum(len(job[1]) for job in batch) + len(jobs[-1][1]) <= 2048:
                batch.append(jobs.pop())
            found |= self.score_batch(batch)
        return found

    def score_batch(self, batch):
        self.packed.clear()
        if self.server:  # one prompt each, then one more token a request; the slots of the server share batches
            logits = [self.packed.decode([(s, 0, ids[:len(ids) - n + 1], [len(ids) - n])
                                          for s, (_, ids, n, _) in enumerate(batch)]).copy()]
            for t in range(1, max(n for _, _, n, _ in batch)):
                parts = [(s, len(ids) - n + t, [ids[len(ids) - n + t]], [0])
                         for s, (_, ids, n, _) in enumerate(batch) if t < n]
                logits.append(self.packed.decode(parts).copy())
            lps = [[] for _ in batch]
            for t, rows in enumerate(logits):
                mine = [s for s, job in enumerate(batch) if t < job[2]]
                for s, lp in zip(mine, llama_lib.token_lps(rows, [batch[s][3][t] for s in mine])):
                    lps[s].append(lp)
            return {job[0]: weighted_loss(own) for job, own in zip(batch, lps)}
        logits = self.packed.decode([(s, 0, ids, list(range(len(ids) - n, len(ids))))
                                     for s, (_, ids, n, _) in enumerate(batch)])
        lps = llama_lib.token_lps(logits, [target for job in batch for target in job[3]])
        found, at = {}, 0
        for k, _, n, _ in batch:
            found[k] = weighted_loss(lps[at:at + n])
            at += n
        return found


def tau_of(text, tool):
    return next((c["tau_f"] for c in text["candidates"] if c["tool"] == tool), math.inf)


def set_probability(logits, ids):
    weights = np.exp(logits - logits.max(axis=1)[:, None])
    return weights[:, ids].sum(axis=1) / weights.sum(axis=1, dtype=np.float64)


def run_peer(model, texts, options, pruning, server=False):
    peer = Peer(model, options.threads, pruning, server)
    start = time.perf_counter()
    results = [peer.annotate(text) for text in texts]
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "phases": peer.seconds, "tokens": peer.tokens, **summary(texts, results)}


def show(report, n):
    print(f"{n} texts, {report['candidates']} different calls, of which {report['executed']} with a result; "
          f"{report['threads']} threads")
    print(f"{'':44} {'s a text':>9} {'ratio':>6}")
    best = report["ours"]["seconds"]
    for name, title in (("ours", "ours"), ("ours-unpruned", "ours, every loss computed"),
                        ("llama-pruned", "libllama, with our pruning"), ("llama", "libllama"),
                        ("server", "libllama, asked as llama-server is")):
        if name in report:
            row = report[name]
            count = row.get("texts", n)
            print(f"{title:44} {row['seconds'] / count:9.2f} {row['seconds'] / count / (best / n):6.2f}"
                  + "".join(f"  {phase} {row['phases'][phase] / count:.2f} s, {row['tokens'][phase] // count} tokens"
                            for phase in row.get("phases", ())))
    for name in ("llama", "llama-pruned", "server"):
        if name in report:
            show_differences(name, report[name])
    print(f"kept: ours {len(report['ours']['kept'])}, unpruned {len(report['ours-unpruned']['kept'])}, "
          + ", ".join(f"{name} {len(report[name]['kept'])}" for name in ("llama", "llama-pruned", "server") if name in report))
    for name in ("llama", "llama-pruned", "server"):
        if name in report:
            show_kept_alone(name, report[name], report["ours"]["kept"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True, help="JSON lines with \"text\", .gz or not")
    parser.add_argument("--texts", type=int, default=8)
    parser.add_argument("--peers", default="llama-pruned,llama", help="of those as quick as can be; empty: none")
    parser.add_argument("--server-texts", type=int, default=0, help="texts asked as a server is asked (slow)")
    parser.add_argument("--k", type=int, default=5)
    parser.add_argument("--m", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--operand", default="bf16", help="of our packed weights")
    parser.add_argument("--model", default=OUT / "model.BF16.gguf", help="for both programs")
    parser.add_argument("--json", type=pathlib.Path, default=OUT / "annotate.json")
    options = parser.parse_args()
    corpus, inputs = annotate_inputs.prepare(OUT / "annotate", options.corpus, options)
    program = OUT / "lib" / "toolformer"
    report = {"texts": options.texts, "threads": options.threads}
    for name, pruning in (("ours", True), ("ours-unpruned", False)):
        run = OUT / "annotate" / name
        seconds, said = annotate_inputs.annotate(program, corpus, run, options, pruning)
        report[name] = {"seconds": seconds, "kept": annotate_inputs.kept(run), "said": said}
    texts = annotate_inputs.read_run(OUT / "annotate" / "ours-unpruned", inputs)
    report["candidates"] = sum(len(text["candidates"]) for text in texts)
    report["executed"] = sum(c["result"] is not None for text in texts for c in text["candidates"])
    model = llama_lib.Model(options.model)
    for name, pruning in (("llama-pruned", True), ("llama", False)):
        if name in options.peers.split(","):
            report[name] = run_peer(model, texts, options, pruning)
    if options.server_texts:
        report["server"] = run_peer(model, texts[:options.server_texts], options, False, True)
        report["server"]["texts"] = options.server_texts
    show(report, options.texts)
    options.json.write_text(json.dumps(report, indent=1, default=float) + "\n")


if __name__ == "__main__":
    main()
