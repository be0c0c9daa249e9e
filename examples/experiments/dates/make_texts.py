#!/usr/bin/env python3
"""Fill the date frames: plain dated texts in which a word can be calculated from the document's date.

    make_texts.py [--seed 1] [--n 3000] [--frames frames.jsonl] [--answers] > texts.jsonl

Prints {"id", "text", "date"} a line; with --answers also what is to be calculated in it and by which call.
A frame has a text, a kind (its share of all texts is SHARES) and dates E, F told by a few words:

    "+days 2-60"      the document's date and a span: + or -, one or more units with |, or any; a range or none
    "past", "future", "anyday"   a date within four years; "past in weeks": and the time to it in weeks
    "near -2 -1"      the day before yesterday .. the day after tomorrow, those named or all
    "holiday past"    a US federal holiday of this year; or future, or any; "in any": days, weeks, months or years

{E:what} puts what is given into the text, {E!what} what must be calculated; {a|b|c} is one of them,
{name} and {name2} are first names, {3-9} is a number between. {part} is one of the parts of a date (PARTS), {part2}
another, and {E!part} what E has there; a holiday's year is not asked for.
"""
import argparse
import calendar
import datetime
import json
import math
import os
import random
import re
import sys

SHARES = {"shift": 25, "count": 14, "weekday": 8, "near": 33, "holiday": 20}  # percent of the texts
UNITS = ("days", "weeks", "months", "years")
RANGES = {"days": (2, 400), "weeks": (1, 60), "months": (1, 30), "years": (1, 12)}
COUNT_UNITS = {"days": 40, "weeks": 25, "months": 25, "years": 10}  # asked for, in percent
FOUR_YEARS = 1460
WORDS_AMONG_NUMBERS = 0.12
FIRST_DAY, LAST_DAY = datetime.date(2005, 1, 1), datetime.date(2030, 12, 31)
NEAR = {-2: "the day before yesterday", -1: "yesterday", 0: "today", 1: "tomorrow", 2: "the day after tomorrow"}
PARTS = {"day of the week": "weekday", "day of the month": "day", "month": "month", "year": "year"}
NAMES = ("Amara Ana Astrid Beatriz Carmen Clara Dilara Elena Fatima Freya Grace Hana Imani Ivy Jana Joy Kavya Keiko "
         "Lena Lucia Maja Mei Nadia Noor Olga Paula Priya Rosa Ruth Sara Selin Sofia Tara Vera Yara Zoe Adam Ahmed "
         "Anders Arjun Bao Ben Carlos Daniel Emil Farid Felix George Hugo Ivan Jamal Jonas Kenji Kofi Leo Luca Mateo "
         "Milan Nikos Noah Omar Oskar Pablo Rafael Ravi Samir Sven Tariq Theo Tomas Viktor Wei Yusuf").split()
ONES = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty").split()
# A day of a month, or its nth Monday or Thursday (5: the last); the names that people use.
HOLIDAYS = (
    ((1, 1), ("New Year's Day",)),
    ((1, "Mon", 3), ("Martin Luther King Jr. Day", "Martin Luther King Day", "MLK Day")),
    ((2, "Mon", 3), ("Presidents' Day", "Washington's Birthday")),
    ((5, "Mon", 5), ("Memorial Day",)),
    ((6, 19), ("Juneteenth", "Juneteenth National Independence Day")),
    ((7, 4), ("Independence Day", "the Fourth of July")),
    ((9, "Mon", 1), ("Labor Day",)),
    ((10, "Mon", 2), ("Columbus Day", "Indigenous Peoples' Day")),
    ((11, 11), ("Veterans Day",)),
    ((11, "Thu", 4), ("Thanksgiving", "Thanksgiving Day")),
    ((12, 25), ("Christmas", "Christmas Day")),
)


def holiday_date(rule, year):
    if len(rule) == 2:
        return datetime.date(year, *rule)
    month, weekday, nth = rule
    column = 0 if weekday == "Mon" else 3
    days = [week[column] for week in calendar.monthcalendar(year, month) if week[column]]
    return datetime.date(year, month, days[-1] if nth == 5 else days[nth - 1])


def shift(date, count, unit):
    """A month or year keeps the day of the month, or takes the month's last day."""
    if unit in ("days", "weeks"):
        return date + datetime.timedelta(**{unit: count})
    months = date.year * 12 + date.month - 1 + (count if unit == "months" else 12 * count)
    year, month = months // 12, months % 12 + 1
    return datetime.date(year, month, min(date.day, calendar.monthrange(year, month)[1]))


def distance(a, b, unit):
    """Whole units between two dates: the largest count that does not go past the later one."""
    a, b = min(a, b), max(a, b)
    days = (b - a).days
    if unit in ("days", "weeks"):
        return days // (1 if unit == "days" else 7)
    months = (b.year - a.year) * 12 + b.month - a.month
    if shift(a, months, "months") > b:
        months -= 1
    return months // (1 if unit == "months" else 12)


def long_date(date, weekday=False):
    return date.strftime("%A, " if weekday else "") + f"{date.strftime('%B')} {date.day}, {date.year}"


def counted(count, unit):
    return f"{count} {unit[:-1] if count == 1 else unit}"


def capital(text):
    return text[0].upper() + text[1:]


class Day:
    """A date E of a frame, drawn for the document's date; None of its fields is asked of a model."""

    def __init__(self, rng, today, spec, prose):
        self.rng, self.today, self.unit, self.name = rng, today, "days", ""
        head, _, unit = spec.partition(" in ")
        words = head.split()
        if unit:
            weights = [COUNT_UNITS[u] for u in UNITS] if unit == "any" else [u in unit.split("|") for u in UNITS]
            self.unit = rng.choices(UNITS, weights)[0]
        if words[0][0] in "+-":
            self.draw_shift(words)
        elif words[0] == "near":
            offset = int(rng.choice(words[1:] or list(NEAR)))
            self.date, self.name = today + datetime.timedelta(offset), NEAR[offset]
            sign = "+" if offset > 0 else "-"
            self.call = long_date(today) + (f" {sign} {counted(abs(offset), 'days')}" if offset else "")
        elif words[0] == "holiday":
            self.draw_holiday(words[1])
        else:
            low, high = map(int, words[1].split("-")) if len(words) > 1 else (2, FOUR_YEARS)
            way = {"past": -1, "future": 1}.get(words[0]) or rng.choice((-1, 1))
            self.date = today + datetime.timedelta(way * rng.randint(low, high))
            self.call = long_date(self.date)
        self.count = distance(self.date, today, self.unit)
        least = 1 if prose or self.unit in ("days", "weeks") else 0  # "0 years" only where it is asked for
        self.holds = (words[0] != "holiday" or self.date != today) and (not unit or self.count >= least)

    def draw_shift(self, words):
        units = words[0][1:]
        self.unit = self.rng.choice(UNITS if units == "any" else units.split("|"))
        low, high = map(int, words[1].split("-")) if len(words) > 1 else RANGES[self.unit]
        # As many spans between 2 and 4 as between 200 and 400, say: people count in small numbers.
        self.n = min(high, int(math.exp(self.rng.uniform(math.log(low), math.log(high + 1)))))
        self.date = shift(self.today, self.n if words[0][0] == "+" else -self.n, self.unit)
        self.call = f"{long_date(self.today)} {words[0][0]} {counted(self.n, self.unit)}"

    def draw_holiday(self, way):
        year = self.today.year
        fit = [(rule, names) for rule, names in HOLIDAYS if way == "any" or
               (holiday_date(rule, year) < self.today if way == "past" else holiday_date(rule, year) > self.today)]
        rule, names = self.rng.choice(fit or HOLIDAYS)
        self.date, self.name = holiday_date(rule, year), self.rng.choice(names)
        if not fit:
            self.date = self.today  # no such holiday: drawn again
        self.call = f"{self.name} {year}"

    def put(self, what):
        date, number = self.date, getattr(self, "n", None)
        later = (date > self.today) - (date < self.today)
        if what in ("span", "Span", "n"):
            text = str(number) if what == "n" else counted(number, self.unit)
            if number <= 20 and self.rng.random() < WORDS_AMONG_NUMBERS:
                text = ONES[number] + text[len(str(number)):]
            return capital(text) if what == "Span" else text
        if what == "k":
            return counted(self.count, self.unit)
        if what == "num":
            return str(self.count)
        if what == "number":  # with or without its unit
            return counted(self.count, self.unit) if self.rng.random() < 0.5 else str(self.count)
        return {
            "weekday": date.strftime("%A"), "month": date.strftime("%B"), "day": str(date.day),
            "year": str(date.year), "date": long_date(date), "full": long_date(date, weekday=True),
            "monthday": f"{date.strftime('%B')} {date.day}", "iso": date.isoformat(),
            "name": self.name, "Name": capital(self.name) if self.name else "", "unit": self.unit,
            "is": "was" if later < 0 else "is", "isit": ("is it", "will it be", "was it")[later],
            "falls": "fell" if later < 0 else "falls", "do": "did" if later < 0 else "do",
            "does": "did" if later < 0 else "does",
        }[what]

    def call_for(self, what):
        """The call whose result holds the word: a date, or a time between two."""
        if what not in ("k", "num", "number"):
            return self.call
        unit = "" if self.unit == "days" else f" in {self.unit}"
        return f"{self.call} - {long_date(self.today)}{unit}"


PLACEHOLDER = re.compile(r"\{(?:([EF])([:!])(\w+)|(name2?|part2?)|(\d+)-(\d+))\}")


def fill(rng, frame):
    """One text; its answers with their byte offsets and calls."""
    prose = frame["form"] == "prose"
    while True:
        today = FIRST_DAY + datetime.timedelta(rng.randrange((LAST_DAY - FIRST_DAY).days + 1))
        days = {key: Day(rng, today, frame[key], prose) for key in ("E", "F") if key in frame}
        if all(day.holds for day in days.values()):
            break
    words = dict(zip(("name", "name2"), rng.sample(NAMES, 2)))
    words.update(zip(("part", "part2"), rng.sample(list(PARTS)[:3 if frame["kind"] == "holiday" else 4], 2)))
    text, answers, template = "", [], frame["text"]
    while "|" in template:  # choices first, from the innermost: they may hold other placeholders
        template, n = re.subn(r"\{([^{}|]*(?:\{[^{}|]*\}[^{}|]*)*(?:\|[^{}|]*(?:\{[^{}|]*\}[^{}|]*)*)+)\}",
                              lambda m: rng.choice(m.group(1).split("|")), template, count=1)
        if n == 0:
            raise ValueError(f"a choice without its braces: {frame['text']}")
    end = 0
    for m in PLACEHOLDER.finditer(template):
        key, sign, what, name, low, high = m.groups()
        text += template[end:m.start()]
        end = m.end()
        what = PARTS[words[what]] if what in ("part", "part2") else what
        put = words[name] if name else str(rng.randint(int(low), int(high))) if low else days[key].put(what)
        if sign == "!":
            answers.append({"at": len(text.encode()), "answer": put, "what": what, "call": days[key].call_for(what)})
        text += put
    text += template[end:]
    if "{" in text or "}" in text:
        raise ValueError(f"a placeholder that is none: {text}")
    return {"text": capital(text), "date": today.isoformat(), "answers": answers}


def kinds_in_turn(n):
    """The kind of each of n texts, by their shares."""
    given = dict.fromkeys(SHARES, 0)
    for i in range(n):
        kind = max(SHARES, key=lambda k: SHARES[k] * (i + 1) / 100 - given[k])
        given[kind] += 1
        yield kind


def make(frames, seed, n):
    """Frames of a kind take turns, in an order drawn anew each round; no text comes twice."""
    rng = random.Random(seed)
    turns, seen, texts = {kind: [] for kind in SHARES}, set(), []
    for kind in kinds_in_turn(n):
        for _ in range(1000):
            if not turns[kind]:
                turns[kind] = [i for i, frame in enumerate(frames) if frame["kind"] == kind]
                rng.shuffle(turns[kind])
            number = turns[kind].pop()
            try:
                text = fill(rng, frames[number])
            except (KeyError, ValueError) as error:
                sys.exit(f"frame {number + 1}: {error!r}")
            if text["text"] not in seen:
                break
        seen.add(text["text"])
        texts.append({"id": f"date-{kind}-{number + 1:03d}-{len(texts) + 1:05d}", **text})
    rng.shuffle(texts)
    return texts


def read_frames(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--n", type=int, default=3000, help="texts")
    parser.add_argument("--frames", default=os.path.join(here, "frames.jsonl"))
    parser.add_argument("--answers", action="store_true", help="print the answers and their calls too")
    options = parser.parse_args()
    for text in make(read_frames(options.frames), options.seed, options.n):
        if not options.answers:
            del text["answers"]
        print(json.dumps(text, ensure_ascii=False))


if __name__ == "__main__":
    main()
