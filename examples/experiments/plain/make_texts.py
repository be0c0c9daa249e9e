#!/usr/bin/env python3
"""The model's own continuations (JSON lines of `toolformer generate --prompts`) as texts of a corpus, on stdin and stdout."""
import json
import sys

for number, line in enumerate(sys.stdin):
    row = json.loads(line)
    text = row["prompt"] + row["text"].rstrip()
    print(json.dumps({"id": f"plain-{number + 1:05d}", "text": text}, ensure_ascii=False))
