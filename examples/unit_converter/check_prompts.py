#!/usr/bin/env python3
"""How often does a model call Convert with the right arguments on prompts.jsonl?

    check_prompts.py TOOLFORMER [MODEL]
"""
import json
import os
import subprocess
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))


def main():
    rows = [json.loads(line) for line in open(os.path.join(FOLDER, "prompts.jsonl"), encoding="utf-8")]
    command = [sys.argv[1], "generate", "--json", "--tools", os.path.join(FOLDER, "convert.json"), "--max-tokens", "40",
               "--prompts", "/dev/stdin"]
    if len(sys.argv) > 2:
        command += ["--model", sys.argv[2]]
    done = subprocess.run(command, input="".join(row["prompt"] + "\n" for row in rows), capture_output=True, text=True,
                          check=False)
    if done.returncode:
        sys.exit(done.stderr)
    called, right, answered = 0, 0, 0
    for row, line in zip(rows, done.stdout.splitlines(), strict=True):
        answer = json.loads(line)
        calls = answer["calls"]
        args = calls[0]["args"] if calls else None
        called += bool(calls)
        right += args == row["args"]
        # The number that the sentence goes on with.
        words = answer["text_without_calls"].split()
        answered += bool(words) and words[0].rstrip(".,;:") == row["result"]
        print(f"{'right' if args == row['args'] else 'wrong' if calls else 'none '}  {row['prompt']}{answer['text']!r}")
    n = len(rows)
    print(f"called {called} of {n}; right arguments {right} of {n}; goes on with the right number {answered} of {n}")


main()
