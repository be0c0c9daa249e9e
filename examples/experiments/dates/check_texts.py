#!/usr/bin/env python3
"""Check what make_texts.py writes: the form of the texts, and every answer by a second way of calculating.

    check_texts.py [--check toolformer] [--n 500] [--seed 1]

An answer's call is worked out by walking from day to day, without the datetime module. With --check the program's
DateCalc must print the same. --show prints each text with its chain of calls.
"""
import argparse
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
MONTHS = ("January February March April May June July August September October November December").split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
DATE = re.compile(r"(%s) (\d+), (\d{4})$" % "|".join(MONTHS))
# month, day or None, weekday (0 is Monday), which of them (-1: the last)
HOLIDAYS = {
    "New Year's Day": (1, 1), "Martin Luther King": (1, None, 0, 2), "MLK Day": (1, None, 0, 2),
    "Presidents' Day": (2, None, 0, 2), "Washington's Birthday": (2, None, 0, 2), "Memorial Day": (5, None, 0, -1),
    "Juneteenth": (6, 19), "Independence Day": (7, 4), "the Fourth of July": (7, 4), "Labor Day": (9, None, 0, 0),
    "Columbus Day": (10, None, 0, 1), "Indigenous Peoples' Day": (10, None, 0, 1), "Veterans Day": (11, 11),
    "Thanksgiving": (11, None, 3, 3), "Christmas": (12, 25),
}


def month_length(year, month):
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]


def next_day(date):
    year, month, day = date
    if day < month_length(year, month):
        return year, month, day + 1
    return (year, month + 1, 1) if month < 12 else (year + 1, 1, 1)


def days_between():
    """Every date from 1980 to 2049 with its number; January 7, 1980 was a Monday."""
    numbers, date, n = {}, (1980, 1, 7), 0
    while date[0] < 2050:
        numbers[date] = n
        date, n = next_day(date), n + 1
    return numbers


NUMBER = days_between()
DATE_OF = list(NUMBER)


def add(date, count, unit):
    if unit in ("days", "weeks"):
        return DATE_OF[NUMBER[date] + count * (7 if unit == "weeks" else 1)]
    year, month, day = date
    for _ in range(abs(count) * (12 if unit == "years" else 1)):
        month += 1 if count > 0 else -1
        if month in (0, 13):
            year, month = (year - 1, 12) if month == 0 else (year + 1, 1)
    return year, month, min(day, month_length(year, month))


def read_date(text):
    m = DATE.match(text)
    if m:
        return int(m.group(3)), MONTHS.index(m.group(1)) + 1, int(m.group(2))
    name, year = text[:-5], int(text[-4:])
    month, day, *nth = next(rule for key, rule in HOLIDAYS.items() if name.startswith(key))
    if nth:
        day = [d for d in range(1, month_length(year, month) + 1) if NUMBER[year, month, d] % 7 == nth[0]][nth[1]]
    return year, month, day


def result_of(call):
    """What DateCalc has to print."""
    m = re.fullmatch(r"(.+) - (.+?)(?: in (\w+))?", call)
    if m and not re.match(r"\d", m.group(2)):
        a, b = sorted((read_date(m.group(1)), read_date(m.group(2))))
        unit, count = m.group(3) or "days", 0
        while add(a, count + 1, unit) <= b:
            count += 1
        return f"{count} {unit[:-1] if count == 1 else unit}"
    m = re.fullmatch(r"(.+) ([+-]) (\d+) (\w+?)s?", call)
    date = read_date(m.group(1) if m else call)
    if m:
        date = add(date, int(m.group(2) + m.group(3)), m.group(4) + "s")
    return f"{WEEKDAYS[NUMBER[date] % 7]}, {MONTHS[date[1] - 1]} {date[2]}, {date[0]}"


def asked(result, what):
    """The part of a result that the text gives."""
    if what in ("k", "num", "number"):
        return (result, result.split()[0])
    weekday, monthday, year = result.split(", ")
    month, day = monthday.split()
    return {"weekday": (weekday,), "month": (month,), "day": (day,), "year": (year,), "full": (result,),
            "date": (f"{monthday}, {year}",), "monthday": (monthday,)}[what]


def faults_of(text, frame):
    """What is wrong with a text."""
    words = len(text["text"].split())
    if not 11 <= words <= 60:
        yield f"{words} words"
    if re.search(r"[{}\[\]|]|  | [.,?]|\ba [aeio]|\b(one|1) (days|weeks|months|years)\b", text["text"]):
        yield "a slip in the wording"
    if not text["answers"]:
        yield "nothing to calculate"
    year, month, day = map(int, text["date"].split("-"))
    today = f"{MONTHS[month - 1]} {day}, {year}"
    whole = [a["answer"] for a in text["answers"] if a["what"] in ("date", "full")]
    if today in text["text"] and not any(today in answer for answer in whole):
        yield "the document's date stands in it"
    for answer in text["answers"]:
        before = text["text"].encode()[:answer["at"]].decode()
        if frame["form"] == "qa" and not re.search("[?:]", before[-70:]):
            yield f"no question before {answer['answer']}"
        if not text["text"].encode()[answer["at"]:].startswith(answer["answer"].encode()):
            yield f"{answer['answer']} is not at {answer['at']}"
        if answer["answer"] not in asked(result_of(answer["call"]), answer["what"]):
            yield f"{answer['answer']}, but {answer['call']} -> {result_of(answer['call'])}"


def ask(program, call):
    run = subprocess.run([program, "tool", "call", "DateCalc", call], capture_output=True, text=True, check=False)
    return run.stdout.strip() or run.stderr.strip()


def make(seed, n):
    command = [sys.executable, os.path.join(HERE, "make_texts.py"), "--seed", str(seed), "--n", str(n), "--answers"]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", metavar="PROGRAM", help="compare with this program's DateCalc")
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    made, n_faults, n_answers = make(options.seed, options.n), 0, 0
    if made != make(options.seed, options.n) or made == make(options.seed + 1, options.n):
        sys.exit("a seed must decide the texts")
    with open(os.path.join(HERE, "frames.jsonl"), encoding="utf-8") as file:
        frames = [json.loads(line) for line in file]
    if len({frame["text"] for frame in frames}) < len(frames):
        sys.exit("a frame stands twice in frames.jsonl")
    for line in made.splitlines():
        text = json.loads(line)
        faults = list(faults_of(text, frames[int(text["id"].split("-")[2]) - 1]))
        if options.show:
            print(f"{text['date']} {text['id']}: {text['text']!r}")
        for answer in text["answers"]:
            n_answers += 1
            expected = result_of(answer["call"])
            if options.show:
                print(f"    {answer['answer']}: [Calendar() -> …] [DateCalc({answer['call']}) -> {expected}]")
            if options.check and ask(options.check, answer["call"]) != expected:
                faults.append(f"DateCalc({answer['call']}) -> {ask(options.check, answer['call'])}, not {expected}")
        for fault in faults if n_faults < 10 else ():
            print(f"{text['id']}: {fault}: {text['text']!r}", file=sys.stderr)
        n_faults += len(faults)
    if n_faults:
        sys.exit(f"{n_faults} faults in {options.n} texts")
    print(f"{options.n} texts, {n_answers} answers: all right")


if __name__ == "__main__":
    main()
