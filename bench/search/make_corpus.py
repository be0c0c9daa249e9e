#!/usr/bin/env python3
"""make_corpus.py OUT.jsonl FILE...: a corpus of about a million passages from a few thousand articles.

The articles stand in OUT as they are, then COPIES more times with changes: three words in ten give way to a word
drawn from all texts (so that each word keeps its share), and a word that stands at most three times in all texts
gets the copy's letter (so that the vocabulary grows as it does with more texts).
"""
import collections
import gzip
import json
import random
import sys

COPIES = 6


def rows(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def main(out, files):
    random.seed(1)
    documents = [(row["title"], row["text"]) for path in files for row in rows(path)]
    counts = collections.Counter(word for _, text in documents for word in text.split())
    pool = [word for _, text in documents for word in text.split()[:: 8]]
    n_pool, draw = len(pool), random.random

    def change(text, letter):
        lines = []
        for line in text.split("\n"):
            words = line.split(" ")
            for i, word in enumerate(words):
                if draw() < 0.3:
                    words[i] = pool[int(draw() * n_pool)]
                elif counts[word] <= 3 and word.isalpha():
                    words[i] = word + letter
            lines.append(" ".join(words))
        return "\n".join(lines)

    with open(out, "w", encoding="utf-8") as sink:
        for copy in range(COPIES + 1):
            letter = "zqxjvw"[copy - 1]
            for i, (title, text) in enumerate(documents):
                if copy:
                    title, text = change(title, letter), change(text, letter)
                row = {"id": f"{copy}-{i}", "title": title, "text": text}
                sink.write(json.dumps(row, ensure_ascii=False) + "\n")


main(sys.argv[1], sys.argv[2:])
