#!/usr/bin/env python3
"""The published schema of manifests and the reader agree: both take the good ones, both refuse every field wrong in turn.

    manifest_schema.py PROGRAM SOURCE
"""
import copy
import json
import os
import subprocess
import sys
import tempfile

try:
    import jsonschema
except ImportError:
    print("skipped: python3-jsonschema is not installed (scripts/setup.sh)")
    sys.exit(77)

PROGRAM, SOURCE = sys.argv[1:3]
SCHEMA = json.load(open(os.path.join(SOURCE, "docs", "tool-manifest.schema.json"), encoding="utf-8"))
jsonschema.Draft202012Validator.check_schema(SCHEMA)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

BASE = {
    "_": "a comment", "name": "Own", "description": "d", "version": "1", "instruction": "i",
    "args": {"form": "text", "_form": "c", "order": ["b", "a"], "schema": {
        "type": "object", "required": ["a"], "properties": {
            "a": {"type": "string", "minLength": 1, "maxLength": 9, "enum": ["x", "y"], "default": "x"},
            "b": {"type": ["integer", "null"], "minimum": 0, "maximum": 9, "description": "d"}}}},
    "demonstrations": [{"input": "a b", "output": "a [Own(1, x)] b", "date": "2023-01-30", "results": ["r"]}],
    "head": [{"input": "c d", "output": "c [Own(2, y)] d"}],
    "after": ["Calendar"], "heuristic": {"pattern": "a+"}, "places": {"before": "\\d"},
    "propose": [{"pattern": "(a)(b)?", "args": ["$1, $2", "$$"]}, {"pattern": "x", "args": "1, x"}],
    "tau_s": 0.1, "tau_f": 2, "k": 3, "m": 4, "max_result_bytes": 100, "deadline_ms": 5, "retries": 0,
    "retry_backoff_ms": 0, "retry_timeouts": True, "rate_per_s": 2.5, "concurrency": 2, "cache": "run", "cost": 1,
    "max_failure_rate": 0.1,
    "backend": {"type": "command", "_argv": "c", "argv": ["./x", "y"], "mode": "lines", "processes": 2, "in_flight": 3,
                "environment": ["HOME", "A=b"], "files": {"read": ["/r"], "write": ["w"]}, "network": True,
                "sandbox": "strict", "memory_mb": 100, "file_mb": 2, "max_processes": 5},
}
HTTP = {"type": "http", "url": "https://h.example/{args}", "method": "POST", "headers": {"X-Y": "z"}, "body": {"q": 1},
        "answer": "/a/0", "error": "/e", "ca_file": "ca.pem", "max_body_bytes": 1000, "environment": ["K"]}
MCP = {"type": "mcp", "tool": "t", "argv": ["server"], "arguments": {"a": 1}, "answer": "/x", "network": True,
       "environment": ["K"], "files": {"read": ["/r"]}, "sandbox": "best", "memory_mb": 5, "file_mb": 5, "max_processes": 5}
MCP_HTTP = {"type": "mcp", "tool": "t", "url": "http://h.example/mcp", "headers": {"X": "y"}, "environment": ["K"],
            "ca_file": "x", "param_headers": {"Region": "a"}}
MT = {"type": "builtin:mt", "modes": "/m", "url": "http://h.example", "api_key_env": "K"}
CALENDAR = {"type": "builtin:calendar", "date": "2023-01-30"}
NUMBERS = {"tau_s": (0, 1), "tau_f": (0, 100), "k": (1, 10000), "m": (1, 10000), "max_result_bytes": (1, 1 << 20),
           "deadline_ms": (1, 86400000), "retries": (0, 100), "retry_backoff_ms": (0, 3600000), "rate_per_s": (0.001, 1e6),
           "concurrency": (1, 256), "cost": (0, 1e9), "max_failure_rate": (0, 1)}


def changed(path, value):
    """BASE with the value at the path; value None takes the member out."""
    manifest = copy.deepcopy(BASE)
    place = manifest
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return manifest


def members(value, path=()):
    """The paths of all members, but for comments, and what is in a schema's names."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not key.startswith("_"):
                yield (*path, key)
                yield from members(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from members(inner, (*path, i))


# A description may be anything; that a default is of its property's type is more than a schema can say.
ANY = {("args", "schema", "properties", "b", "description"), ("args", "schema", "properties", "a", "default")}


def wrong_ones():
    for path in members(BASE):
        inside = BASE
        for step in path:
            inside = inside[step]
        if path not in ANY:
            yield f"{path} of another kind", changed(path, [] if not isinstance(inside, list) else {})
            yield f"{path} true or 7", changed(path, 7 if isinstance(inside, (bool, str, list, dict)) else True)
    for key in ("name", "description", "instruction", "args", "demonstrations", "backend"):
        yield f"no {key}", changed((key,), None)
    for path in (("args", "form"), ("demonstrations", 0, "input"), ("demonstrations", 0, "output"), ("heuristic", "pattern"),
                 ("places", "before"), ("propose", 0, "pattern"), ("propose", 0, "args"), ("backend", "type"),
                 ("backend", "argv"), ("args", "schema", "type"), ("args", "schema", "properties", "a", "type")):
        yield f"no {path}", changed(path, None)
    for path in ((), ("args",), ("args", "schema"), ("args", "schema", "properties", "a"), ("demonstrations", 0), ("heuristic",),
                 ("places",), ("propose", 0), ("backend",), ("backend", "files")):
        yield f"another member in {path}", changed((*path, "other"), 1)
    for key, (low, high) in NUMBERS.items():
        yield f"{key} too small", changed((key,), low - 1)
        yield f"{key} too large", changed((key,), high + 1)
        yield f"{key} a text", changed((key,), "1")
    for key in ("k", "m", "deadline_ms", "retries", "concurrency", "max_result_bytes", "retry_backoff_ms"):
        yield f"{key} a fraction", changed((key,), 2.5)
    for path in (("args", "form"), ("heuristic",), ("places",), ("cache",), ("backend", "mode"), ("backend", "sandbox"),
                 ("backend", "type"), ("backend",)):
        yield f"{path} no such word", changed(path, "nonsense")
    for path in (("name",), ("description",), ("version",), ("instruction",), ("demonstrations", 0, "input"),
                 ("heuristic", "pattern"), ("places", "before"), ("propose", 0, "pattern")):
        yield f"{path} empty", changed(path, "")
    for path in (("demonstrations",), ("head",), ("propose",), ("backend", "argv"), ("propose", 0, "args")):
        yield f"{path} empty", changed(path, [])
    yield "a name with a blank", changed(("name",), "a b")
    yield "a name that begins with a digit", changed(("name",), "9a")
    yield "a name of 65 letters", changed(("name",), "a" * 65)
    yield "after: no name", changed(("after",), ["a b"])
    yield "date", changed(("demonstrations", 0, "date"), "tomorrow")
    yield "a dollar sign alone", changed(("propose", 0, "args"), "5 $")
    yield "a comment that is a number", changed(("_note",), 7)
    yield "a type of argument", changed(("args", "schema", "properties", "a", "type"), "array")
    yield "a name of an argument", changed(("args", "schema", "properties", "a b"), {"type": "string"})
    for backend, keys in ((HTTP, ("url",)), (MCP, ("tool",)), (MCP_HTTP, ("tool",)), (MT, ()), (CALENDAR, ())):
        for key, value in backend.items():
            if key not in ("type", "body"):
                yield f"{backend['type']}: {key} 7", changed(("backend",), {**backend, key: 7 if not isinstance(value, int) else "7"})
        for key in keys:
            yield f"{backend['type']}: no {key}", changed(("backend",), {k: v for k, v in backend.items() if k != key})
        yield f"{backend['type']}: other", changed(("backend",), {**backend, "other": 1})
        if keys:
            yield f"{backend['type']} alone", changed(("backend",), backend["type"])
    yield "calendar: a date", changed(("backend",), {**CALENDAR, "date": "tomorrow"})
    yield "mt: an address", changed(("backend",), {**MT, "url": "h.example"})
    yield "mt: no folder", changed(("backend",), {**MT, "modes": ""})
    yield "an empty result", changed(("demonstrations", 0, "results"), [""])
    yield "mcp without a server", changed(("backend",), {"type": "mcp", "tool": "t"})
    yield "http: a pointer", changed(("backend",), {**HTTP, "answer": "a"})
    yield "http: an address", changed(("backend",), {**HTTP, "url": "ftp://h.example/"})


def good_ones():
    yield "all fields", BASE
    yield "only what is needed", {k: BASE[k] for k in ("name", "description", "instruction", "args", "demonstrations", "backend")}
    for word in ("none", "calculator", "calendar", "mt"):
        yield f"heuristic {word}", changed(("heuristic",), word)
    for word in ("any", "numbers", "dates", "dates_and_numbers", "after_foreign"):
        yield f"places {word}", changed(("places",), word)
    for key, bounds in NUMBERS.items():
        for bound in bounds:
            yield f"{key} {bound}", changed((key,), int(bound) if float(bound).is_integer() else bound)
    for backend in (HTTP, MCP, MCP_HTTP, MT, CALENDAR, {**CALENDAR, "date": "today"}, {"type": "builtin:mt"}, "builtin:mt", "function", {"type": "function"}):
        yield f"backend {backend}", changed(("backend",), backend)
    data = os.path.join(SOURCE, "data")
    for name in sorted(os.listdir(data)):
        manifest = json.load(open(os.path.join(data, name), encoding="utf-8"))
        if "demonstrations" in manifest:
            yield name, manifest


def reader_takes(manifest, folder):
    path = os.path.join(folder, "manifest.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(manifest, file)
    done = subprocess.run([PROGRAM, "tool", "show", path], capture_output=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"exit {done.returncode}: {done.stderr.decode()}")
    return done.returncode == 0, done.stderr.decode().strip()


def main():
    n, failed = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for good, ones in ((True, good_ones()), (False, wrong_ones())):
            for what, manifest in ones:
                taken, message = reader_takes(manifest, folder)
                valid = VALIDATOR.is_valid(manifest)
                n += 1
                if taken != good or valid != good:
                    failed += 1
                    print(f"{what}: the reader {'takes' if taken else 'refuses'} it ({message}), "
                          f"the schema {'takes' if valid else 'refuses'} it")
    print(f"{n - failed} cases passed")
    if failed:
        print(f"{failed} cases failed")
    return 1 if failed else 0


sys.exit(main())
