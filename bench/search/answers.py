#!/usr/bin/env python3
"""answers.py PROGRAM TOOL N QUESTIONS.jsonl...: how often QA (or a manifest's tool) answers rightly. Exact: the
answer is one of the right ones, case, marks and articles aside. Contains: it holds one. TOOLFORMER_INDEX names the
index; questions of which no right answer stands in the three passages that are read are counted apart."""
import json
import os
import subprocess
import sys
import time

from hits import holds, normal, rows


def lines(command, questions):
    text = "".join(row["question"].replace("\n", " ") + "\n" for row in questions)
    out = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def main(program, tool, n, *files):
    questions = list(rows(files))[:int(n)]
    found = lines([program, "index", "search", os.environ["TOOLFORMER_INDEX"], "--n", "3", "--bytes", "700"], questions)
    begin = time.monotonic()
    answers = lines([program, "tool", "call", tool, "--lines"], questions)
    seconds = time.monotonic() - begin
    readable = [any(holds(hit["snippet"], row["answer"]) for hit in result["hits"])
                for row, result in zip(questions, found)]
    for name, chosen in ("all", [True] * len(questions)), ("answer among the passages", readable):
        rowset = [(row, a["result"]) for row, a, c in zip(questions, answers, chosen) if c]
        exact = sum(r is not None and normal(r) in map(normal, row["answer"]) for row, r in rowset)
        contains = sum(r is not None and holds(r, row["answer"]) for row, r in rowset)
        given = sum(r is not None for _, r in rowset)
        print(f"{name}: {len(rowset)} questions, {given} answered, exact {100 * exact / len(rowset):.1f} %, "
              f"contains {100 * contains / len(rowset):.1f} %, of the answered {100 * contains / max(given, 1):.1f} %")
    print(f"{seconds / len(questions):.2f} s a question")


main(*sys.argv[1:])
