#!/usr/bin/env python3
"""Checks corpus.jsonl and prompts.jsonl, which lie beside this script, and counts what is in them."""
import datetime
import json
import pathlib
import re
import sys
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from itertools import permutations

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
DAY = "(%s)" % "|".join(DAYS)
MONTH = r"\b(%s)\b" % "|".join(MONTHS)
DATE = r"(?:%s,? )?%s (\d{1,2})\b(?:,? (\d{4}))?" % (DAY, MONTH)
NUMBER = r"(?<![\w.])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?!\w)"
EQUATION = r"([\d.,]*\d) ([-+*/]) ([\d.,]*\d) = ([\d.,]*\d)"
problems = []


def numbers(text):
    return [Decimal(n.replace(",", "")) for n in re.findall(NUMBER, text)]


def evaluate(a, op, b):
    value = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else Decimal(0)}[op]
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def operation(earlier, result):
    """The operation on two earlier numbers that gives the result, the latest pair first, or None."""
    pairs = sorted(permutations(range(len(earlier)), 2), key=sum, reverse=True)
    for a, b in ((earlier[i], earlier[j]) for i, j in pairs):
        for op in "+-*/" if 1 not in (a, b) else "+-":
            if 0 not in (a, b) and evaluate(a, op, b) == result:
                return op, a, b
    return None


def results(text):
    """Every new number of the text that is one operation on two numbers before it."""
    seen = numbers(text)
    found = [(n, operation(seen[:i], n)) for i, n in enumerate(seen) if n not in seen[:i]]
    return [(n, *how) for n, how in found if how]


def check_dates(name, text, date):
    named = [re.findall(p, text)[:1] for p in (DAY, MONTH, r"\b20[0-2]\d\b")]
    if not named[0] and not named[1]:
        problems.append(f"{name}: names neither a weekday nor a month")
    for found, expected in zip(named, (DAYS[date.weekday()], MONTHS[date.month - 1], str(date.year))):
        if found and found != [expected]:
            problems.append(f"{name}: names {found[0]} first, not {expected}")
    for i, (day, month, number, year) in enumerate(re.findall(DATE, text)):
        full = datetime.date(int(year or date.year), MONTHS.index(month) + 1, int(number))
        if (day and DAYS[full.weekday()] != day) or (i == 0 and full != date and "omorrow" not in text):
            problems.append(f"{name}: {day} {month} {number} {year} does not agree with {date}")
    for word, step in (("omorrow", 1), ("esterday", -1)):
        for day in re.findall(rf"{word},? (?:is |was )?{DAY}", text):
            if DAYS[(date.weekday() + step) % 7] != day:
                problems.append(f"{name}: {day} is not {word}")


def check_text(item, counts, operations):
    name, text, found = item["id"], item["text"], results(item["text"])
    kind = {"problem": "word problem", "equation": "equation", "ledger": "dated with sums"}.get(
        name.split("-")[0], "dated" if "date" in item else "arithmetic")
    if not 40 <= len(text.split()) <= 110:
        problems.append(f"{name}: {len(text.split())} words")
    if re.search(r"[\[\]{}→]|->|=>|  ", text) or text != text.strip():
        problems.append(f"{name}: bracket, arrow or stray space")
    for a, op, b, c in re.findall(EQUATION, text):
        if evaluate(*numbers(a), op, *numbers(b)) != numbers(c)[0]:
            problems.append(f"{name}: {a} {op} {b} is not {c}")
    if "date" in item:
        check_dates(name, text, datetime.date.fromisoformat(item["date"]))
    if len(found) < {"dated": 0, "dated with sums": 1, "word problem": 1}.get(kind, 2):
        problems.append(f"{name}: {len(found)} results of one operation")
    answer = re.search(r"The answer is (%s)\.$" % NUMBER, text)
    if kind == "word problem" and (not answer or numbers(answer[1])[0] not in (f[0] for f in found)):
        problems.append(f"{name}: does not end with an answer that follows")
    counts[kind] += 1
    if kind != "dated":
        operations.update(op for _, op, _, _ in found)
        operations["with hard operands"] += sum(min(f[2:]) >= 10 or max(f[2:]) >= 100 for f in found)


def grams(text, n=13):
    words = re.findall(r"[\w']+", text.lower())
    return set(zip(*(words[i:] for i in range(n))))


def main():
    files = (pathlib.Path(__file__).resolve().with_name(f) for f in ("corpus.jsonl", "prompts.jsonl"))
    corpus, prompts = ([json.loads(line) for line in f.read_text("utf-8").splitlines()] for f in files)
    counts, operations, ids = Counter(), Counter(), Counter(item["id"] for item in corpus + prompts)
    problems.extend(f"{name}: {times} times" for name, times in ids.items() if times > 1)
    for item in corpus:
        check_text(item, counts, operations)
    known = set().union(*(grams(item["text"]) for item in corpus))
    for item in prompts:
        name, prompt, answer, tool = (item[key] for key in ("id", "prompt", "answer", "tool"))
        counts[tool + " prompts"] += 1
        if prompt != prompt.rstrip() or grams(prompt) & known:
            problems.append(f"{name}: trailing space, or 13 words in a row shared with the corpus")
        if tool == "Calendar":
            check_dates(name, prompt + " " + answer, datetime.date.fromisoformat(item["date"]))
        elif operation(numbers(prompt), numbers(answer)[0]) is None:
            problems.append(f"{name}: {answer} is not one operation on two numbers")
    print(f"{len(corpus)} texts, {len(prompts)} prompts")
    for title, counter in (("kinds", counts), ("results", operations)):
        print(f"{title}:", ", ".join(f"{key} {value}" for key, value in counter.most_common()))
    print("\n".join(problems) or "no problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
