#!/usr/bin/env python3
"""hits.py PROGRAM INDEX QUESTIONS.jsonl...: how often one of the first five snippets holds an answer, and how long
a question takes. A question is {"question", "answer": [...]}; an answer is held where its words stand in a row,
case, marks and articles aside."""
import json
import re
import subprocess
import sys
import unicodedata


def normal(text):
    text = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    words = re.sub(r"[^\w]+", " ", text).split()
    return " " + " ".join(word for word in words if word not in ("a", "an", "the")) + " "


def holds(text, answers):
    text = normal(text)
    return any(normal(answer).strip() and normal(answer) in text for answer in answers)


def rows(files):
    for name in files:
        with open(name, encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def main(program, index, *files):
    questions = list(rows(files))
    text = "".join(row["question"].replace("\n", " ") + "\n" for row in questions)
    out = subprocess.run([program, "index", "search", index], input=text, capture_output=True, text=True, check=True)
    found = [json.loads(line) for line in out.stdout.splitlines()]
    times = sorted(row["ms"] for row in found)
    print(f"{len(questions)} questions, median {times[len(times) // 2]:.1f} ms, "
          f"95th percentile {times[len(times) * 95 // 100]:.1f} ms, longest {times[-1]:.1f} ms")
    for n in 1, 5:
        for field in "snippet", "text":
            hits = sum(any(holds(hit[field], row["answer"]) for hit in result["hits"][:n])
                       for row, result in zip(questions, found))
            print(f"hit at {n}, {field}: {100 * hits / len(questions):.1f} %")


if __name__ == "__main__":
    main(*sys.argv[1:])
