#!/usr/bin/env python3
"""Word problems from a grammar (schemas.py): plain texts, one JSON object a line.

    make_problems.py [--seed 1] [--n 3000] [--words 0.2] > problems.jsonl
    make_problems.py --check toolformer [--n 3000]     compares every answer with the program's Calculator

Questions of all schemas take turns. A text states some numbers of a small world and asks for another; in one of five an
aside holds a number of no use, in some the last sentence is joined to the question with "if". Numbers are drawn again
where another expression of two of them has the same result.
"""
import argparse
import itertools
import json
import random
import re
import subprocess
import sys
from fractions import Fraction

from make_texts import FEMALE, MALE, evaluate, printed, word
from schemas import (ASIDES, FOOD_IN, FOOD_OUT, FOOD_PAIRS, FOODS, GROUPS, IN, OUT, PAIRS, SCHEMAS, THINGS)

ASIDE_SHARE, IF_SHARE = 0.2, 0.25
SCALES = ({"some": (2, 15), "more": (6, 20), "most": (15, 40)}, {"some": (8, 60), "more": (20, 99), "most": (60, 200)},
          {"some": (50, 400), "more": (200, 900), "most": (500, 2000)})
SCALE_WEIGHTS = (45, 40, 15)
FEW, RATE, AGE = (2, 12), (3, 60), (8, 60)


def draw(rng, kind, scale):
    if kind == "price":
        return Fraction(rng.randint(5, 60), 4) if rng.random() < 0.25 else Fraction(rng.randint(2, 40))
    low, high = {"few": FEW, "rate": RATE, "age": AGE}.get(kind) or scale[kind]
    if kind == "few" and scale is SCALES[2] and rng.random() < 0.4:
        high = 40
    return Fraction(rng.randint(low, high))


def results(values):
    """What expressions of two of the numbers come to, each expression once."""
    for (x, a), (y, b) in itertools.permutations(values.items(), 2):
        if x < y:
            yield a + b
            yield a * b
        yield a - b
        if b:
            yield a / b


def numbers(rng, schema, said, expression, aside):
    """The values of the letters that are said, and the result; None where the draw does not fit."""
    scale = rng.choices(SCALES, SCALE_WEIGHTS)[0]
    drawn = {k: draw(rng, kind, scale) for k, kind in schema["numbers"].items() if kind.isalpha() and len(kind) > 1}
    for key, rule in schema["numbers"].items():
        if key not in drawn:
            drawn[key] = evaluate(rule, drawn)
    used = set(re.findall(r"\{([a-z])(?::n)?\}", said))
    values = {k: v for k, v in drawn.items() if k in used}
    if aside:
        values["z"] = Fraction(rng.randint(3, 60))
    result = evaluate(expression, drawn)
    money = "price" in schema["numbers"].values()
    if any(v <= 0 for v in drawn.values()) or not money and any(v.denominator > 1 for v in [*drawn.values(), result]):
        return None
    if result < 2 or any(v < 2 for v in values.values()) or result in values.values():
        return None
    two = len(re.findall(r"[a-z]", expression)) == 2
    if sum(r == result for r in results(values)) != two:
        return None
    values["r"] = result
    return values


def put_numbers(rng, text, values, words):
    commas, in_words = rng.random() < 0.5, rng.random() < words
    if any(printed(v, commas) is None for v in values.values()):
        return None

    def put(match):
        key, bare = match.group(1), match.group(2)
        value = values[key]
        if in_words and key != "r" and not bare and value.denominator == 1 and value < 1000:
            return word(int(value))
        return f"{float(value):.2f}" if bare and value.denominator > 1 else printed(value, commas)
    return re.sub(r"\{([a-z])(:n)?\}", put, text)


def choose_words(rng, schema):
    """What the placeholders of one text stand for."""
    she = rng.random() < 0.5
    names = rng.sample(FEMALE if she else MALE, 1) + rng.sample(FEMALE + MALE, 3)
    food = rng.random() < 0.4
    pair = rng.choice(FOOD_PAIRS if food else PAIRS)
    gs, g, its, where = rng.choice(GROUPS)
    obj = rng.choice(FOODS if food else THINGS)
    out, into = rng.choice(FOOD_OUT if food else OUT), rng.choice(FOOD_IN if food else IN)
    return {
        "N": names[0], "N2": names[1] if names[1] != names[0] else names[2], "N3": names[3],
        "he": "she" if she else "he", "He": "She" if she else "He", "his": "her" if she else "his",
        "him": "her" if she else "him", "obj": obj, "x": pair[0], "y": pair[1], "groups": gs, "group": g,
        "its": obj if its == "{obj}" else its, "in": where, "V": into if schema["of"] == "in" else out, "W": out,
    }


NESTED = r"((?:[^{}]|\{[^{}]*\})*)"


def put_words(rng, text, words):
    for key in "VW":
        past, base, tail = words[key]
        text = re.sub(r"\{%s:%s\}" % (key, NESTED), lambda m: f"{past} {m.group(1)}{tail}", text)
        text = text.replace("{Vb}", base + tail) if key == "V" else text
    n = 1
    while n:
        text = re.sub(r"\{(\w+)\}", lambda m: words[m.group(1)] if m.group(1) in words else m.group(0), text)
        text, n = re.subn(r"\{([^{}|]*(?:\{[^{}|]*\}[^{}|]*)*(?:\|[^{}|]*(?:\{[^{}|]*\}[^{}|]*)*)+)\}",
                          lambda m: rng.choice(m.group(1).split("|")), text, count=1)
    return text


def make(rng, schema, question, words_share):
    """A text and its expression in figures; None where the drawn words or numbers do not fit."""
    said, asked, expression = question
    words = choose_words(rng, schema)
    if words["N3"] in (words["N"], words["N2"]):
        return None
    names = said.split()
    parts, i = [], 0
    while i < len(names):  # a sentence's name may have two words
        name = next(n for n in (" ".join(names[i:i + 2]), names[i]) if n in schema)
        parts.append(put_words(rng, rng.choice(schema[name]), words))
        i += len(name.split())
    ask = put_words(rng, rng.choice(asked), words)
    aside = rng.random() < ASIDE_SHARE
    if aside:
        parts.insert(rng.randint(1, len(parts)), put_words(rng, rng.choice(ASIDES), words))
    elif len(parts) > 1 and rng.random() < IF_SHARE and re.match(r"(He|She|It|They|Then) ", parts[-1]):
        last = parts.pop().rstrip(".")
        ask = f"If {last[0].lower()}{last[1:]}, {ask[0].lower()}{ask[1:]}"
    text = " ".join(parts + [ask]) + " The answer is {r}."
    for _ in range(200):
        values = numbers(rng, schema, text, expression, aside)
        filled = values and put_numbers(rng, text, values, words_share)
        if filled:
            figures = re.sub("[a-z]", lambda m: str(float(values[m.group(0)])), expression)
            return ". ".join(s[0].upper() + s[1:] for s in filled.split(". ")), figures
    return None


def make_all(seed, n, words):
    """[(id, text, expression)]: the questions of all schemas take turns, in an order drawn anew each time."""
    rng = random.Random(seed)
    questions = [(s, q) for s, schema in enumerate(SCHEMAS) for q in range(len(schema["ask"]))]
    turns, made, seen = [], [], set()
    while len(made) < n:
        if not turns:
            turns = rng.sample(questions, len(questions))
        s, q = turns.pop()
        text, expression = make(rng, SCHEMAS[s], SCHEMAS[s]["ask"][q], words) or (None, None)
        if text is None or text in seen:
            continue
        if "{" in text or "}" in text:
            sys.exit(f"a placeholder that is none: {text}")
        seen.add(text)
        made.append((f"problem-{s + 1:02d}-{q + 1}-{len(made) + 1:05d}", text, expression))
    return made


def check(program, problems):
    faults = 0
    for key, text, expression in problems:
        run = subprocess.run([program, "tool", "call", "Calculator", expression], capture_output=True, text=True,
                             check=False)
        answer = text.rsplit(" ", 1)[1].rstrip(".").replace(",", "")
        if run.returncode != 0 or abs(float(run.stdout) - float(answer)) > 0.005:
            faults += 1
            print(f"{key}: {expression} is {run.stdout.strip()}: {text}")
    kinds = len({key.rsplit("-", 1)[0] for key, _, _ in problems})
    print(f"{len(problems)} problems of {kinds} kinds: {f'{faults} faults' if faults else 'all right'}")
    sys.exit(faults > 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--n", type=int, default=3000, help="texts")
    parser.add_argument("--words", type=float, default=0.2, help="share of texts with their numbers in words")
    parser.add_argument("--check", metavar="PROGRAM", help="compare with this program's Calculator instead")
    options = parser.parse_args()
    problems = make_all(options.seed, options.n, options.words)
    if options.check:
        check(options.check, problems)
    for key, text, _ in problems:
        print(json.dumps({"id": key, "text": text}, ensure_ascii=False))


if __name__ == "__main__":
    main()
