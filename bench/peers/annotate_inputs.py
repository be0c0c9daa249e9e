"""Texts for the comparison of annotation, our run over them, and that run's work as token ids for the peers."""
import gzip
import json
import pathlib
import re
import shutil
import sqlite3
import subprocess
import time

import toolformer_lib

TOOLS = ("Calculator", "Calendar")
WEIGHTS = (5 / 15, 4 / 15, 3 / 15, 2 / 15, 1 / 15)
LEAST, MOST = 256, 512  # tokens of a text


def open_text(path):
    return gzip.open(path, "rt") if str(path).endswith(".gz") else open(path)


def choose_texts(source, n, model):
    """The first n documents whose beginning, cut at a sentence, has LEAST to MOST tokens and at least eight numbers.
    Lengths spread over the range: the cut is aimed at a different one for each text."""
    chosen = []
    for line in open_text(source):
        text = json.loads(line)["text"][:8 * MOST].replace("\n", " ")
        aim = LEAST + 16 + (len(chosen) * 89) % (MOST - LEAST - 16)
        ids = model.tokenize(text)[:aim]
        cut = text[:sum(len(model.token_bytes(i)) for i in ids)]
        end = cut.rfind(". ")
        cut = cut[:end + 1]
        if end < 0 or not cut.isascii() or not LEAST <= len(model.tokenize(" " + cut)) <= MOST:
            continue
        if "formula_" in cut or "|" in cut or len(re.findall(r"\d+", cut)) < 8:
            continue
        chosen.append(cut)
        if len(chosen) == n:
            return chosen
    raise SystemExit(f"{source}: only {len(chosen)} fitting texts")


def annotate(program, corpus, run, options, pruning):
    """Our run, from the start of the process to its end: (seconds, what --json said)."""
    shutil.rmtree(run, ignore_errors=True)
    command = [program, "annotate", "--corpus", corpus, "--run", run, "--recipe", "paper", "--tools", ",".join(TOOLS),
               "--k", options.k, "--m", options.m, "--tau-s", "0", "--heuristics", "no", "--snippet-tokens", MOST,
               "--date", "2015-05-01", "--threads", options.threads, "--operand", options.operand, "--quiet", "--json"]
    if not pruning:
        command.append("--no-pruning")
    start = time.perf_counter()
    out = subprocess.run([str(x) for x in command], check=True, capture_output=True, text=True)
    return time.perf_counter() - start, json.loads(out.stdout)


class Inputs:
    """Our tokens: x (in the prefix context with a leading blank), P(x), the tokens that begin a call."""

    def __init__(self, model):
        self.model = model
        self.begin = {tool: model.begin_tokens(tool) for tool in TOOLS}

    def text(self, text):
        x = self.model.tokenize(text if text[0] in " \n\t" else " " + text)
        prompts = {tool: self.model.tokenize(self.model.prompt(tool, text)) for tool in TOOLS}
        return {"x": x, "prompts": prompts, "open": {tool: self.model.tokenize(f" [{tool}(") for tool in TOOLS},
                "begin": self.begin}

    def candidate(self, row):
        head = self.model.tokenize(f" [{row['tool']}({row['args']}) ->")
        row["sampled"] = self.model.tokenize(row["args"] + ")") if row["tool"] != "Calendar" else []
        if row["result"] is not None:
            row["with_result"] = head + self.model.tokenize(f" {row['result']}]")
            row["empty_call"] = head + self.model.tokenize(" ]")
        return row


def read_run(run, inputs):
    """The texts of a run with all their places and candidates."""
    store = sqlite3.connect(pathlib.Path(run) / "run.db")
    store.row_factory = sqlite3.Row
    texts = []
    for snippet in store.execute("SELECT i, text FROM snippets ORDER BY i"):
        text = inputs.text(snippet["text"])
        text["places"] = [dict(row) for row in store.execute(
            "SELECT tool, token, p, loss_empty FROM places WHERE snippet = ? ORDER BY tool, token", (snippet["i"],))]
        text["candidates"] = [inputs.candidate(dict(row)) for row in store.execute(
            "SELECT tool, token, n, args, times, result, loss_empty, loss_call, loss_result, tau_f FROM candidates "
            "WHERE snippet = ? ORDER BY tool, token, n", (snippet["i"],))]
        texts.append(text)
    return texts


def kept(store):
    rows = sqlite3.connect(pathlib.Path(store) / "run.db").execute(
        "SELECT snippet, tool, token, args, loss_empty, loss_result FROM candidates WHERE kept ORDER BY 1, 2, 3, 4")
    return [tuple(row[:4]) for row in rows]


def prepare(out, source, options):
    """Corpus, model and inputs under out."""
    out.mkdir(parents=True, exist_ok=True)
    model = toolformer_lib.Model(options.model, options.threads, options.operand)
    texts = choose_texts(source, options.texts, model)
    corpus = out / "corpus.jsonl"
    corpus.write_text("".join(json.dumps({"id": f"text-{i}", "text": text}) + "\n" for i, text in enumerate(texts)))
    return corpus, Inputs(model)
