#!/usr/bin/env python3
"""plain.py INDEX QUESTIONS.jsonl...: the same passages in a plain FTS5 table (title, text; unicode61), ranked by
SQLite's bm25(), with the words of the question joined by OR and by AND, none left out."""
import re
import sqlite3
import sys
import time

from hits import holds, rows


def main(index, *files):
    source = sqlite3.connect(f"file:{index}?mode=ro", uri=True)
    plain = sqlite3.connect(":memory:")
    plain.execute("CREATE VIRTUAL TABLE t USING fts5(title, text)")
    plain.executemany("INSERT INTO t VALUES(?,?)", source.execute(
        "SELECT d.title, p.text FROM passages p JOIN documents d ON d.id = p.document ORDER BY p.id"))
    questions = list(rows(files))
    for word in "OR", "AND":
        hits, times = 0, []
        for row in questions:
            query = f" {word} ".join(f'"{term}"' for term in re.findall(r"\w+", row["question"]))
            begin = time.monotonic()
            found = plain.execute("SELECT title || ' > ' || text FROM t WHERE t MATCH ? ORDER BY bm25(t) LIMIT 5",
                                  (query,)).fetchall()
            times.append(1000 * (time.monotonic() - begin))
            hits += any(holds(text, row["answer"]) for text, in found)
        times.sort()
        print(f"{word}: hit at 5 {100 * hits / len(questions):.1f} %, median {times[len(times) // 2]:.1f} ms, "
              f"95th percentile {times[len(times) * 95 // 100]:.1f} ms")


main(*sys.argv[1:])
