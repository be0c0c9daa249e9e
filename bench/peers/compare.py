"""Ours and llama.cpp, turn by turn alternately on one machine. Medians, their ratio, and how far the turns lie apart.

    build/peers/venv/bin/python bench/peers/compare.py [--works A,B] [--types BF16,…] [--turns N] [--json FILE]

The results of several calls gather in the JSON file, --more turns of the same work too; --table prints it alone.
`others`: the share of these processors' time that other processes took meanwhile; above a few percent the figures say
little."""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time

import works

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUT = ROOT / "build" / "peers"
PROMPT = "The capital of France is"
KEY = ("work", "type", "operand", "threads")
TYPES = ["BF16", "F16", "Q8_0", "Q4_1", "Q4_0"]


def model_path(kind):
    if kind != "Q4_1":
        return OUT / f"model.{kind}.gguf"
    info = subprocess.run([OUT / "lib" / "toolformer", "model", "info", "--json"], capture_output=True, check=True)
    return pathlib.Path(json.loads(info.stdout)["path"])  # as downloaded


class Worker:
    def __init__(self, *arguments):
        self.process = subprocess.Popen([sys.executable, HERE / "worker.py", *map(str, arguments)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("a worker ended early")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def ticks(pids):
    """Processor time, in ticks, that anybody took on our processors, and that these processes took."""
    busy = own = 0
    mine = {f"cpu{n}" for n in os.sched_getaffinity(0)}
    for line in open("/proc/stat"):
        name, *values = line.split()
        if name in mine:
            busy += sum(map(int, values[:3] + values[5:8]))  # not idle, not waiting for input
    for pid in pids:
        fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        own += sum(map(int, fields[11:15]))  # with the children that ended
    return busy, own


class Others:
    """The share of the processors that others took since it was made."""

    def __init__(self, *workers):
        self.pids = [os.getpid()] + [worker.process.pid for worker in workers]
        self.begin, self.start = ticks(self.pids), time.perf_counter()

    def share(self):
        busy, own = (now - then for now, then in zip(ticks(self.pids), self.begin))
        room = (time.perf_counter() - self.start) * os.sysconf("SC_CLK_TCK") * len(os.sched_getaffinity(0))
        return max(0.0, busy - own) / room


def compare(work, ours, theirs, turns, old):
    """turns more, after those of `old`."""
    begin = len(old["seconds"]["ours"]) if old else 0
    variant = theirs.ask(work=work, turn=-1, variant=old and old["variant"])["variant"]
    ours.ask(work=work, turn=-1)
    seconds, others = {"ours": [], "theirs": []}, Others(ours, theirs)
    for turn in range(begin, begin + turns):
        seconds["ours"].append(ours.ask(work=work, turn=turn)["seconds"])
        seconds["theirs"].append(theirs.ask(work=work, turn=turn)["seconds"])
    return seconds, variant, others.share()


def first_token(kind, operand, threads, turns):
    path = model_path(kind)
    seconds, others = {"ours": [], "theirs": []}, Others()
    for _ in range(turns + 1):  # the first fills the page cache
        start = time.perf_counter()
        subprocess.run([OUT / "lib" / "toolformer", "generate", "--model", path, "--tools", "none",
                        *(["--weights", "stored"] if operand == "stored" else ["--operand", operand]), "--max-tokens", "1", "--temperature", "0", "--threads", str(threads), "--quiet", PROMPT],
                       capture_output=True, check=True)
        seconds["ours"].append(time.perf_counter() - start)
        out = subprocess.run([sys.executable, HERE / "first_token.py", path, str(threads), PROMPT],
                             capture_output=True, check=True, text=True)
        seconds["theirs"].append(float(out.stdout.split()[0]))
    seconds = {name: values[1:] for name, values in seconds.items()}
    return seconds, None, others.share()


def row_of(key, seconds, variant, others, same, old):
    """A row of the results, with the turns of `old` before these."""
    work = key[0]
    for name in seconds if old else ():
        seconds[name] = old["seconds"][name] + seconds[name]
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    timed = work == "first-token"
    return dict(zip(KEY, key)) | {
        "unit": "s" if timed else "tokens/s", "variant": variant, "seconds": seconds, "same_model": same,
        "others": max(others, old["others"] if old else 0),
        **{name: value if timed else works.tokens_of(work) / value for name, value in middle.items()}}


def check_same_model(kind, ours, theirs):
    """Both see the same model: the perplexities of one text."""
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text()[:3500]
    import llama_lib
    ids = llama_lib.Model(model_path(kind)).tokenize(text)[:700]
    a, b = ours.ask(ids=ids)["lps"], theirs.ask(ids=ids)["lps"]
    result = {"tokens": len(a), "ours": math.exp(-statistics.fmean(a)), "theirs": math.exp(-statistics.fmean(b)),
              "mean_difference": statistics.fmean(abs(x - y) for x, y in zip(a, b))}
    if abs(math.log(result["ours"] / result["theirs"])) > 0.03:
        raise SystemExit(f"the two programs disagree on {kind}: {result}")
    return result


def table(results):
    width = max(len(title) for title in works.TITLES.values())
    print(f"{'':{width}} threads type  {'ours':>9} {'llama.cpp':>9} {'':8} ratio  of single turns  others")
    for row in results:
        timed = row["unit"] == "s"
        ratio = row["theirs"] / row["ours"] if timed else row["ours"] / row["theirs"]
        pairs = [b / a for a, b in zip(row["seconds"]["ours"], row["seconds"]["theirs"])]
        digits = 3 if timed else 1
        print(f"{works.TITLES[row['work']]:{width}} {row['threads']:7} {row['type']:5} {row['ours']:9.{digits}f} "
              f"{row['theirs']:9.{digits}f} {row['unit']:8} {ratio:5.2f}  {min(pairs):.2f}-{max(pairs):.2f} (n {len(pairs)})"
              f"  {100 * row['others']:3.0f} %")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--works", default=",".join(works.TITLES))
    parser.add_argument("--types", default="BF16", help=f"of the peer's weights: {','.join(TYPES)}")
    parser.add_argument("--operand", default="bf16", help="of our packed weights; stored: the file's own blocks")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--more", action="store_true", help="after the turns that the file has")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=pathlib.Path, default=OUT / "results.json")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    results = {}
    if arguments.json.exists():
        results = {tuple(row[name] for name in KEY): row for row in json.loads(arguments.json.read_text())}
    for kind in [] if arguments.table else arguments.types.split(","):
        # Ours reads the same file where it can; Q4_0 is the peer's alone.
        path = model_path("Q4_1" if kind == "Q4_0" else kind)
        ours = Worker("ours", path, arguments.operand, arguments.threads)
        theirs = Worker("llama", model_path(kind), arguments.threads)
        same = check_same_model(kind, ours, theirs) if kind != "Q4_0" else None
        for work in arguments.works.split(","):
            key = (work, kind, arguments.operand, arguments.threads)
            old = results.get(key) if arguments.more else None
            if work != "first-token":
                measured = compare(work, ours, theirs, arguments.turns, old)
            elif kind != "Q4_0":
                measured = first_token(kind, arguments.operand, arguments.threads, arguments.turns)
            else:
                continue
            results[key] = row_of(key, *measured, same, old)
            arguments.json.write_text(json.dumps(list(results.values()), indent=1) + "\n")
        ours.close()
        theirs.close()
    order = list(works.TITLES)
    table(sorted(results.values(), key=lambda row: (row["threads"], order.index(row["work"]), TYPES.index(row["type"]))))


if __name__ == "__main__":
    main()
