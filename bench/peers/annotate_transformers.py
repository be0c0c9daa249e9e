"""Annotation (recipe `paper`) by this program and by the loop that one writes with Hugging Face transformers (torch on
the CPU, f32, as many threads). From the repository's root, about ten minutes on two quiet cores:

    bench/peers/setup.sh transformers
    build/peers/torch-venv/bin/python bench/peers/annotate_transformers.py --corpus FILE [--texts N] [--turns N]

FILE: JSON lines with "text", long ones with numbers in them. The loop shares nothing: for each tool a forward of
P(x) + x gives p at every position; at each of the k places model.generate draws the m samples as one batch, in which it
computes the prompt m times; each of the three losses of a call is a forward. To its advantage it knows our places and
calls (no grammar, no tools, no tokenising), decodes no further than our longest sample of the place and nothing for
Calendar, which has no arguments, and cuts x behind the last token whose loss is wanted (--whole-texts: it does not). It
keeps the model between the turns; our figure is the whole program's, from its start to the database."""
import argparse
import json
import math
import os
import pathlib
import statistics
import time

import annotate_inputs
from annotate_check import show_differences, show_kept_alone, summary, weighted_loss
from annotate_inputs import TOOLS
from compare import OUT, Others

os.environ["HF_HUB_OFFLINE"] = "1"

try:
    import torch
    import transformers
except ImportError as error:
    raise SystemExit(f"{error}: bench/peers/setup.sh transformers brings it; this comparison is left out") from None


class Loop:
    def __init__(self, path, options):
        torch.set_num_threads(options.threads)
        torch.manual_seed(0)
        transformers.utils.logging.disable_progress_bar()
        self.model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=getattr(torch, options.dtype)).eval()
        self.m, self.whole = options.m, options.whole_texts
        self.seconds = dict.fromkeys(("scan", "sample", "score"), 0.0)

    def timed(self, phase, work, *arguments):
        start = time.perf_counter()
        result = work(*arguments)
        self.seconds[phase] += time.perf_counter() - start
        return result

    def logits(self, ids):
        return self.model(torch.tensor([ids]), use_cache=False).logits[0].float()

    @torch.inference_mode()
    def annotate(self, text):
        losses, p = self.timed("scan", self.scan, text)
        self.timed("sample", self.sample, text)
        return losses, p, self.timed("score", self.score, text)

    def scan(self, text):
        """The loss of the plain text at every position, and each tool's p there."""
        x = text["x"]
        lps = self.token_lps(self.logits(x)[:-1], x[1:])
        losses = [math.nan] + [weighted_loss(lps[i - 1:i + 4]) for i in range(1, len(x))]
        p = {}
        for tool in TOOLS:
            prompt = text["prompts"][tool]
            rows = self.logits(prompt + x)[len(prompt) - 1:-1]
            p[tool] = rows.softmax(-1)[:, text["begin"][tool]].sum(-1).tolist()
        return losses, p

    def sample(self, text):
        longest = {}
        for c in text["candidates"]:
            if c["sampled"]:
                place = c["tool"], c["token"]
                longest[place] = max(longest.get(place, 0), len(c["sampled"]))
        for (tool, token), n in longest.items():
            ids = torch.tensor([text["prompts"][tool] + text["x"][:token] + text["open"][tool]])
            self.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=True, temperature=1.0, top_k=0,
                                num_return_sequences=self.m, min_new_tokens=n, max_new_tokens=n, pad_token_id=0)

    def score(self, text):
        """{candidate's number: [loss with result, loss without]}."""
        scores = {}
        for k, c in enumerate(text["candidates"]):
            if c["result"] is not None:
                losses = [self.loss(z, text["x"], c["token"]) for z in ([], c["empty_call"], c["with_result"])]
                scores[k] = [losses[2], losses[1]]
        return scores

    def loss(self, z, x, i):
        """Of the five tokens from i on, z in front of x."""
        targets = x[i:i + 5]
        ids = z + (x if self.whole else x[:i + len(targets)])
        at = len(z) + i - 1
        return weighted_loss(self.token_lps(self.logits(ids)[at:at + len(targets)], targets))

    @staticmethod
    def token_lps(rows, targets):
        return (-torch.nn.functional.cross_entropy(rows, torch.tensor(targets), reduction="none")).tolist()


def show(report, n):
    print(f"{n} texts, {report['candidates']} different calls, of which {report['executed']} with a result; "
          f"{report['threads']} threads, medians of {report['turns']} turns; others {100 * report['others']:.0f} %")
    print(f"{'':32} {'s a text':>9}  ratio (single turns)")
    best = report["seconds"]["ours"]
    for name, title in (("ours", "ours"), ("ours-unpruned", "ours, every loss computed"),
                        ("loop", f"transformers, {report['dtype']}")):
        seconds = report["seconds"][name]
        pairs = [b / a for a, b in zip(best, seconds)]
        middle = statistics.median(seconds)
        print(f"{title:32} {middle / n:9.2f} {middle / statistics.median(best):6.2f} "
              f"({min(pairs):.2f}-{max(pairs):.2f})")
    print("of the loop's: " + ", ".join(f"{phase} {seconds / report['turns'] / n:.2f} s"
                                        for phase, seconds in report["phases"].items()))
    show_differences("loop", report["loop"])
    print(f"kept: ours {len(report['kept']['ours'])}, unpruned {len(report['kept']['ours-unpruned'])}, "
          f"loop {len(report['loop']['kept'])}")
    show_kept_alone("loop", report["loop"], report["kept"]["ours"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True, help="JSON lines with \"text\", .gz or not")
    parser.add_argument("--texts", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--k", type=int, default=5)
    parser.add_argument("--m", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--operand", default="bf16", help="of our packed weights")
    parser.add_argument("--dtype", default="float32", help="of the loop: float32 or bfloat16")
    parser.add_argument("--whole-texts", action="store_true", help="each loss by a forward of all of z + x")
    parser.add_argument("--model", default=OUT / "model.F32", help="the default model as a Hugging Face folder")
    parser.add_argument("--program", default=OUT / "lib" / "toolformer")
    parser.add_argument("--json", type=pathlib.Path, default=OUT / "annotate_transformers.json")
    options = parser.parse_args()
    out = OUT / "annotate-transformers"
    corpus, inputs = annotate_inputs.prepare(out, options.corpus, options)
    report = {"texts": options.texts, "turns": options.turns, "threads": options.threads, "dtype": options.dtype,
              "seconds": {"ours": [], "ours-unpruned": [], "loop": []}, "kept": {}}
    loop = Loop(options.model, options)
    loop.logits([1] * 64)  # torch's first call makes its threads
    others = Others()
    for _ in range(options.turns):
        for name, pruning in (("ours", True), ("ours-unpruned", False)):
            seconds, _ = annotate_inputs.annotate(options.program, corpus, out / name, options, pruning)
            report["seconds"][name].append(seconds)
            report["kept"][name] = annotate_inputs.kept(out / name)
        texts = annotate_inputs.read_run(out / "ours-unpruned", inputs)
        start = time.perf_counter()
        results = [loop.annotate(text) for text in texts]
        report["seconds"]["loop"].append(time.perf_counter() - start)
    report["others"] = others.share()
    report |= {"phases": loop.seconds, "loop": summary(texts, results),
               "candidates": sum(len(text["candidates"]) for text in texts),
               "executed": sum(c["result"] is not None for text in texts for c in text["candidates"])}
    options.json.write_text(json.dumps(report, indent=1, default=float) + "\n")
    show(report, options.texts)


if __name__ == "__main__":
    main()
