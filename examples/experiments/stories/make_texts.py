#!/usr/bin/env python3
"""Fill the story frames with numbers: plain texts with arithmetic in them, one JSON object a line.

    make_texts.py [--seed 1] [--fill 4] [--words 0.12] [--frames frames.jsonl] [--name story] > stories.jsonl

A frame is a text with {a} {b} {c} {d} (numbers, from their ranges), {r} and {s} (results of expressions over
them), {F} {F2} {M} {M2} (names). {a:w} is written as a word, {a:n} always in figures, as in ${a:n}; a share of
the texts (--words) has all its other whole numbers below 1,000 in words but the result. A filling in which another
short expression over the text's numbers also gives the result is drawn again, up to 30 times: chance arithmetic
teaches nothing.
"""
import argparse
import itertools
import json
import os
import random
import re
import sys
from fractions import Fraction

FEMALE = ("Amara Ana Astrid Aiko Beatriz Carmen Chidi Clara Dilara Elena Fatima Freya Grace Hana Imani Ines Ivy Jana "
          "Joy Kavya Keiko Lena Lin Lucia Maja Mei Mila Nadia Noor Olga Paula Priya Rosa Ruth Sara Selin Sofia Tara "
          "Uma Vera Wanda Ximena Yara Zoe").split()
MALE = ("Adam Ahmed Anders Arjun Bao Ben Carlos Daniel Davi Emil Farid Felix George Hamid Hugo Ivan Jack Jamal Jonas "
        "Kenji Kofi Leo Luca Mateo Milan Nikos Noah Omar Oskar Pablo Pavel Rafael Ravi Samir Sven Tariq Theo Tomas "
        "Umar Viktor Wei Yusuf Zain").split()
ONES = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen").split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def word(n):
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10 - 2] + ("-" + ONES[n % 10] if n % 10 else "")
    return ONES[n // 100] + " hundred" + (" and " + word(n % 100) if n % 100 else "")


def draw(rng, spec):
    if isinstance(spec, dict) and "choice" in spec:
        return Fraction(str(rng.choice(spec["choice"])))
    if isinstance(spec, dict):
        low, high, places = spec["decimal"]
        scale = 10 ** places
        return Fraction(rng.randint(round(low * scale), round(high * scale)), scale)
    return Fraction(rng.randint(spec[0], spec[1]))


def evaluate(expression, values):
    """The frames are ours: arithmetic over Fractions. Whole numbers in it become Fractions too."""
    exact = re.sub(r"\d+(\.\d+)?", lambda m: f"Fraction('{m.group(0)}')", expression)
    return eval(exact, {"Fraction": Fraction, "__builtins__": {}}, dict(values))


def printed(value, commas):
    """Whole numbers bare, others with two places or as many as they need; None when they need more."""
    if value.denominator == 1:
        return f"{int(value):,}" if commas else str(int(value))
    for places in (1, 2):
        if (value * 10 ** places).denominator == 1:
            return f"{float(value):.2f}" if places == 2 or value * 10 != int(value * 10) else f"{float(value):.1f}"
    return None


def ambiguous(values, result):
    """True when two different one-operation expressions over the numbers give the result."""
    found = set()
    for x, y in itertools.permutations(sorted(values), 2):
        a, b = values[x], values[y]
        for op, r in (("+", a + b), ("-", a - b), ("*", a * b), ("/", a / b if b else None)):
            if r == result:
                found.add((op, tuple(sorted((a, b)))) if op in "+*" else (op, a, b))
    return len(found) > 1 or result in values.values()


def fill(rng, frame, words):
    letters = [k for k in frame if len(k) == 1 and k not in "rs"]
    fallback = None
    for attempt in range(400):
        values = {k: draw(rng, frame[k]) for k in letters}
        if "s" in frame:
            values["s"] = evaluate(frame["s"], values)
        try:
            result = evaluate(frame["r"], values)
            holds = all(evaluate(rule, values) for rule in frame.get("where", []))
        except ZeroDivisionError:
            continue
        if not holds or result <= 0:
            continue
        rest = {k: v for k, v in values.items() if k != "s"}
        commas = rng.random() < 0.5
        values["r"] = result
        if any(printed(v, commas) is None for v in values.values()):
            continue
        if fallback is None or not ambiguous(rest, result):
            fallback = (values, commas)
        if not ambiguous(rest, result) or attempt > 30:
            break
    if fallback is None:
        return None
    values, commas = fallback
    in_words = rng.random() < words
    names = {}
    for key, pool in (("F", FEMALE), ("M", MALE)):
        names[key], names[key + "2"] = rng.sample(pool, 2)

    def put(match):
        key, form = match.group(1), match.group(2)
        if key in names:
            return names[key]
        spoken = in_words and key != "r" and form != "n" and values[key].denominator == 1 and values[key] < 1000
        if form == "w" or spoken:
            return word(int(values[key]))
        return printed(values[key], commas)
    text = re.sub(r"\{(\w+)(?::(\w))?\}", put, frame["text"])
    return text[0].upper() + text[1:]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fill", type=int, default=4, help="texts made from each frame")
    parser.add_argument("--words", type=float, default=0.12, help="share of texts with their numbers in words")
    parser.add_argument("--name", default="story", help="how the ids begin")
    parser.add_argument("--frames", default=os.path.join(here, "frames.jsonl"))
    options = parser.parse_args()
    with open(options.frames, encoding="utf-8") as file:
        frames = [json.loads(line) for line in file]
    rng = random.Random(options.seed)
    texts = []
    for number, frame in enumerate(frames):
        seen = set()
        for k in range(options.fill):
            text = fill(rng, frame, options.words)
            if text is None:
                sys.exit(f"{options.frames}: line {number + 1}: no numbers meet its conditions")
            if text not in seen:
                texts.append({"id": f"{options.name}-{number + 1:04d}-{k + 1}", "text": text})
            seen.add(text)
    rng.shuffle(texts)
    for text in texts:
        print(json.dumps(text, ensure_ascii=False))


if __name__ == "__main__":
    main()
