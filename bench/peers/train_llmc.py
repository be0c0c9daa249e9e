"""Training beside llm.c's CPU program (train_gpt2.c: f32, OpenMP), both unmodified: GPT-2's shape of 124M parameters,
batches of 4 sequences of 64 tokens. From the repository's root, about five minutes on two quiet cores:

    bench/peers/setup.sh llmc        # --source DIR: from a clone of llm.c that is there already
    build/peers/venv/bin/python bench/peers/train_llmc.py [--turns N] [--steps N] [--operands bf16,f32] [--json FILE]

The two run alternately. A turn starts a program, leaves out its first step, and takes the median of the next ones by
the program's own clock: forward, backward, update. Both have the same random weights, the same batch in every step and
the same optimizer, so their losses have to fall alike, which is checked: they do the same work. GF/s counts that work
by one formula for all (train_inputs.flops). `others` is the share of the processors that other processes took."""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import time

import train_inputs
from compare import OUT, Others

LR, BETA2 = "1e-4", "0.999"  # llm.c's; its other constants are our defaults


def ours(operand, model, texts, options):
    """Losses and seconds of the steps, the first included. Ended after these: no checkpoint, no tuned model."""
    run = OUT / "train" / "run"
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir()
    log = run / "train.jsonl"
    log.touch()
    command = [options.program, "train", "--model", model, "--data", texts, "--out", run, "--batch", train_inputs.B,
               "--steps", 100, "--lr", LR, "--beta2", BETA2, "--warmup-share", 0, "--clip", 0, "--no-eos",
               "--dev-share", 0, "--operand", operand, "--threads", options.threads, "--quiet"]
    with subprocess.Popen([str(x) for x in command]) as process:
        while log.read_text().count("\n") <= options.steps:
            if process.poll() is not None:
                raise SystemExit("our training ended early")
            time.sleep(0.05)
        process.kill()
    steps = [json.loads(line) for line in log.read_text().splitlines()[:1 + options.steps]]
    # A text's last token is only foretold; we carry it through the layers all the same, and do not count it.
    if any(step["tokens"] != train_inputs.B * (train_inputs.T + 1) for step in steps):
        raise SystemExit("our steps have other numbers of tokens")
    return [step["loss"] for step in steps], [step["seconds"] for step in steps]


def llmc(folder, options):
    """The same of llm.c, which has no option for the number of steps and is ended after these."""
    losses, seconds = [], []
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    with subprocess.Popen(["stdbuf", "-oL", OUT / "llm.c" / "train_gpt2"], cwd=folder, env=environment,
                          stdout=subprocess.PIPE, text=True) as process:
        while len(losses) <= options.steps:
            line = process.stdout.readline()
            if not line:
                raise SystemExit("llm.c's program ended early")
            step = re.match(r"step \d+: train loss (\S+) \(took (\S+) ms\)", line)
            if step:
                losses.append(float(step[1]))
                seconds.append(float(step[2]) / 1000)
        process.kill()
    return losses, seconds


def peak(operand, model, options):
    """Of the multiply-add on this machine, GF/s."""
    out = subprocess.run([options.program, "bench", "--model", model, "--operand", operand, "--only", "none", "--json",
                          "--threads", str(options.threads)], check=True, capture_output=True, text=True)
    return json.loads(out.stdout.splitlines()[0])["value"]


def check_losses(losses, operands):
    """That all go the same way, within what the rounding of bf16 and of another order of sums explains."""
    for operand in operands:
        apart = max(abs(a - b) for a, b in zip(losses[operand], losses["llm.c"]))
        print(f"loss, {operand}: {' '.join(f'{x:.4f}' for x in losses[operand])}; at most {apart:.4f} from llm.c's")
        if apart > 0.05:
            raise SystemExit(f"not the same work; llm.c's: {losses['llm.c']}")


def show(report):
    tokens, work = train_inputs.B * train_inputs.T, train_inputs.flops()
    print(f"GPT-2 124M, {train_inputs.B} sequences of {train_inputs.T} tokens, {report['threads']} threads, medians of "
          f"{report['turns']} turns of {report['steps']} steps; others {100 * report['others']:.0f} %")
    print(f"{'':12} {'s a step':>9} {'tokens/s':>9} {'GF/s':>7} {'of peak':>8}  ours to llm.c (single turns)")
    theirs = report["seconds"]["llm.c"]
    for name, seconds in report["seconds"].items():
        middle = statistics.median(seconds)
        rate, title, kind, ratio = work / middle / 1e9, f"ours, {name}", name, ""
        if name == "llm.c":
            title, kind = "llm.c, f32", "f32"
        else:
            pairs = [b / a for a, b in zip(seconds, theirs)]
            ratio = f"{statistics.median(theirs) / middle:6.2f} ({min(pairs):.2f}-{max(pairs):.2f})"
        print(f"{title:12} {middle:9.3f} {tokens / middle:9.1f} {rate:7.1f} "
              f"{100 * rate / report['peaks'][kind]:6.1f} %  {ratio}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="of a turn, after the one left out; fewer than 20")
    parser.add_argument("--operands", default="bf16,f32", help="of our products")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--program", type=pathlib.Path, default=OUT / "lib" / "toolformer")
    parser.add_argument("--json", type=pathlib.Path, default=OUT / "train.json")
    options = parser.parse_args()
    if not (OUT / "llm.c" / "train_gpt2").exists():
        raise SystemExit("bench/peers/setup.sh llmc first")
    model, texts, folder = train_inputs.write(OUT / "train")
    operands = options.operands.split(",")
    report = {"threads": options.threads, "turns": options.turns, "steps": options.steps,
              "seconds": {name: [] for name in [*operands, "llm.c"]}, "losses": {},
              "peaks": {operand: peak(operand, model, options) for operand in {*operands, "f32"}}}
    others = Others()
    for _ in range(options.turns):
        for name in report["seconds"]:
            losses, seconds = llmc(folder, options) if name == "llm.c" else ours(name, model, texts, options)
            report["losses"][name] = losses
            report["seconds"][name].append(statistics.median(seconds[1:]))
    report["others"] = others.share()
    options.json.write_text(json.dumps(report, indent=1) + "\n")
    check_losses(report["losses"], operands)
    show(report)


if __name__ == "__main__":
    main()
