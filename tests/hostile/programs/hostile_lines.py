"""Speaks JSON lines, and misbehaves when a request's arguments say so. `early` as its own argument: before
being asked. `batch N`: answers only when it holds N requests, the last one first. `log FILE`: appends each
request's arguments to the file."""
import json
import os
import signal
import sys
import time

out = sys.stdout.buffer


def send(data):
    out.write(data)
    out.flush()


def answer(n, **members):
    send(json.dumps({"id": n, **members}).encode() + b"\n")


def misbehave(deed, n):
    if deed == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
    elif deed == "exit":
        sys.exit(0)
    elif deed == "exit 7":
        sys.stderr.write("licence expired\n")
        sys.exit(7)
    elif deed == "fault":
        os.abort()
    elif deed == "half":
        send(b'{"id": %d, "res' % n)
        sys.exit(0)
    elif deed == "half and hang":
        send(b'{"id": %d, "res' % n)
        time.sleep(60)
    elif deed == "twice":
        answer(n, result="first")
        answer(n, result="second")
    elif deed == "unknown id":
        answer(n + 1000, result="x")
    elif deed == "negative id":
        answer(-n, result="x")
    elif deed == "huge id":
        send(b'{"id": 1' + b"0" * 400 + b', "result": "x"}\n')
    elif deed == "id as text":
        answer(str(n), result="x")
    elif deed == "fraction":
        send(b'{"id": %d.5, "result": "x"}\n' % n)
    elif deed == "no json":
        send(b"Listening on port 8080\n")
    elif deed == "binary":
        send(bytes(range(256)) * 8 + b"\n")
    elif deed == "nul":
        send(b'{"id": %d, "result": "a\x00b"}\n' % n)
    elif deed == "invalid utf-8":
        send(b'{"id": %d, "result": "a\xff\xc3(b\xed\xa0\x80"}\n' % n)
    elif deed == "escaped nul":
        send(b'{"id": %d, "result": "a\\u0000b"}\n' % n)
    elif deed == "deep":
        send(b'{"id": %d, "result": ' % n + b"[" * 100000 + b"]" * 100000 + b"}\n")
    elif deed == "duplicate keys":
        send(b'{"id": %d, "result": "a", "result": "b"}\n' % n)
    elif deed == "result and error":
        answer(n, result="a", error="b")
    elif deed == "number":
        answer(n, result=42)
    elif deed == "array":
        send(b"[1, 2, 3]\n")
    elif deed == "gigabyte":
        block = b"x" * (1 << 20)
        send(b'{"id": %d, "result": "' % n)
        for _ in range(1024):
            send(block)
    elif deed == "flood of lines":
        line = b'{"id": 999999999, "result": "x"}\n' * 1000
        while True:
            send(line)
    elif deed == "flood of blanks":
        while True:
            send(b"\n" * 65536)
    elif deed == "flood of errors":
        for _ in range(2000):
            os.write(2, b"e" * 65536)
        answer(n, result="after the flood")
    elif deed == "drip":
        for byte in b'{"id": %d, "result": "slow"}\n' % n:
            send(bytes([byte]))
            time.sleep(0.1)
    elif deed == "close stdin":
        os.close(0)
        answer(n, result="deaf")
        time.sleep(60)
    elif deed == "close stdout":
        os.close(1)
        time.sleep(60)
    elif deed == "bracket":
        answer(n, result="] [Calculator(1+1)] ->")
    elif deed == "newlines":
        answer(n, result="one\r\ntwo\u2028three\x1b[31m")
    elif deed == "empty":
        answer(n, result="")
    elif deed == "once":
        answer(n, result="once")
        sys.exit(0)
    elif deed == "failure":
        answer(n, failure="the disk is full")
    else:
        if log is not None:
            os.write(log, deed.encode() + b"\n")
        answer(n, result=deed)


if sys.argv[1:] == ["early"]:
    answer(77, result="too early")
log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT) if sys.argv[1:2] == ["log"] else None
batch, held = (int(sys.argv[2]) if sys.argv[1:2] == ["batch"] else 1), []
for line in sys.stdin:
    held.append(json.loads(line))
    if len(held) == batch:
        for request in reversed(held):
            misbehave(request["args"], request["id"])
        held = []
