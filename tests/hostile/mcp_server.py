#!/usr/bin/env python3
"""A small MCP server of either generation, good and bad.

    mcp_server.py MODE        over its standard streams
    mcp_server.py http        prints its port; /MODE is the endpoint; ends when stdin ends

MODE: modern, legacy, mute (a legacy one that answers nothing it does not know), frail (one that ends on what it
does not know), strange (a version nobody knows), chatty (log lines on stdout), future (modern, of later
versions only), 2024 (the first revision), sleepy (modern, slow to start). What tool `echo` does is chosen by its text, see `misbehave`."""
import json, os, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

META = "io.modelcontextprotocol/"
TOOLS = [
    {"name": "echo", "description": "Says it again.\nSecond line.", "annotations": {"readOnlyHint": True},
     "inputSchema": {"type": "object", "properties": {"text": {"type": "string", "title": "Text"}},
                     "required": ["text"]}},
    {"name": "add", "description": "Adds two numbers.",
     "inputSchema": {"type": "object", "properties": {
         "a": {"type": "number", "x-mcp-header": "First"}, "b": {"type": "integer", "default": 1},
         "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}}, "required": ["a"]}},
    {"name": "none", "description": "Takes nothing.", "inputSchema": {"type": "object"}},
    {"name": "deep", "description": "Wants an object.", "inputSchema": {
        "type": "object", "properties": {"o": {"type": "object"}}, "required": ["o"]}},
    {"name": "bad name!", "description": "", "inputSchema": {"type": "object", "properties": {
        "when": {"type": "string", "enum": ["now", "later"]},
        "where": {"$ref": "#/$defs/Place"}}, "$defs": {"Place": {"type": "string", "x-mcp-header": "Where"}}}},
]
TOOLS[1]["inputSchema"]["properties"]["a"]["type"] = "integer"


def text(words, **more):
    return {"content": [{"type": "text", "text": words}], **more}


def call(params):
    """tools/call of what is good."""
    name, a = params["name"], params.get("arguments", {})
    if name == "echo":
        known = {"error": text("it went wrong", isError=True), "empty": {"content": []},
                 "two": {"content": [{"type": "text", "text": "one"}, {"type": "image", "data": "", "mimeType": "i/x"},
                                     {"type": "text", "text": "two"}]},
                 "structured": {"content": [], "structuredContent": {"a": [1, {"b": "deep"}]}},
                 "asks": {"resultType": "input_required", "inputRequests": {}},
                 "odd": {"resultType": "odd"}}
        return known.get(a["text"], text(a["text"]))
    if name == "add":
        return text(str(a["a"] + a["b"]))
    return text(json.dumps(a))


class Session:
    """One client: `send` takes a message (dict) or raw bytes."""

    def __init__(self, mode, send):
        self.mode, self.send, self.ready, self.pong = mode, send, False, threading.Event()

    def answer(self, m, result=None, error=None, id=None):
        self.send({"jsonrpc": "2.0", "id": m["id"] if id is None else id,
                   **({"result": result} if error is None else {"error": error})})

    def refuse(self, m, code, message, data=None):
        self.answer(m, error={"code": code, "message": message, **({"data": data} if data else {})})

    def handle(self, m):
        method, modern = m.get("method"), self.mode in ("modern", "future")
        if method is None:  # an answer to our ping or roots/list
            if m.get("id") == "ping-1" and m.get("result") == {}:
                self.pong.set()
            return
        if "id" not in m:
            self.ready |= method == "notifications/initialized"
            return
        if modern:
            meta = m.get("params", {}).get("_meta", {})
            version = meta.get(META + "protocolVersion")
            if META + "clientCapabilities" not in meta or version is None:
                return self.refuse(m, -32602, "no _meta")
            supported = ["2026-07-28"] if self.mode == "modern" else ["2031-01-01"]
            if version not in supported:
                return self.refuse(m, -32022, "Unsupported protocol version", {"supported": supported})
            if method == "server/discover":
                return self.answer(m, {"resultType": "complete", "supportedVersions": supported,
                                       "capabilities": {"tools": {}}})
        elif method == "initialize":
            version = {"strange": "1999-01-01", "2024": "2024-11-05"}.get(self.mode, m["params"]["protocolVersion"])
            return self.answer(m, {"protocolVersion": version, "capabilities": {"tools": {}},
                                   "serverInfo": {"name": "x", "version": "1"}})
        if method == "tools/list":
            if not modern and not self.ready:
                return self.refuse(m, -32600, "not initialized")
            if self.mode == "legacy" and not self.pong.is_set():
                self.send({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "hello"}})
                self.send({"jsonrpc": "2.0", "id": "roots-1", "method": "roots/list"})
                self.send({"jsonrpc": "2.0", "id": "ping-1", "method": "ping"})
                threading.Thread(target=lambda: (self.pong.wait(20), self.list(m)), daemon=True).start()
                return
            return self.list(m)
        if method == "tools/call":
            if "arguments" in m["params"] and self.misbehave(m, m["params"]["arguments"].get("text")):
                return
            if m["params"]["name"] not in [t["name"] for t in TOOLS]:
                return self.refuse(m, -32602, "Unknown tool")
            return self.answer(m, call(m["params"]))
        if self.mode == "mute":
            return
        if self.mode == "frail":
            os._exit(1)
        self.refuse(m, -32601, "Method not found")

    def list(self, m):
        cursor = m.get("params", {}).get("cursor")
        self.answer(m, {"tools": TOOLS[3:], } if cursor else {"tools": TOOLS[:3], "nextCursor": "page 2"})

    def misbehave(self, m, how):
        if how == "dies":
            print("first words\nout of ideas", file=sys.stderr, flush=True)
            os._exit(3)
        elif how == "half":
            self.send(b'{"jsonrpc": "2.0", "id": ')
            os._exit(0)
        elif how == "nonsense":
            self.send(b"{this is no JSON}\n")
        elif how == "array":
            self.send(b'{"jsonrpc": "2.0", "id": 1, "result": []}\n')
        elif how == "noise":
            self.send(b"INFO all is well\n" * 1000)
        elif how == "binary":
            self.send(b"{\xff\xfe\0\n")
        elif how == "wrong":
            self.answer(m, text("not yours"), id=m["id"] + 100000)
        elif how == "string id":
            self.answer(m, text("not yours"), id=str(m["id"]))
        elif how == "twice":
            self.answer(m, text("once"))
            self.answer(m, text("again"))
        elif how == "huge":
            self.send(b'{"jsonrpc": "2.0", "id": %d, "result": {"content": [{"type": "text", "text": "' % m["id"])
            for _ in range(512):
                self.send(b"x" * (1 << 16))
            self.send(b'"}]}}\n')
        elif how == "drips":
            for c in b'{"jsonrpc": "2.0", "id": %d, "result": {' % m["id"] + b" " * 200:
                self.send(bytes([c]))
                time.sleep(0.05)
        elif how == "stderr":
            for _ in range(200):
                sys.stderr.write("x" * 65535 + "\n")
            self.answer(m, text("written"))
        elif how == "deep json":
            self.send(b'{"jsonrpc": "2.0", "id": %d, "result": ' % m["id"] + b"[" * 100000 + b"\n")
        elif how == "floods":
            end = time.time() + 20
            while time.time() < end:
                self.send({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "x" * 1000}})
        elif how == "pings":
            for i in range(2000):
                self.send({"jsonrpc": "2.0", "id": i, "method": "ping"})
            self.answer(m, text("pinged"))
        elif how == "internal":
            self.refuse(m, -32603, "inside out")
        elif how == "bad error":
            self.send({"jsonrpc": "2.0", "id": m["id"], "error": "a text"})
        elif how == "late":
            threading.Thread(target=lambda: (time.sleep(1), self.answer(m, text("late"))), daemon=True).start()
        elif how == "closes":
            sys.stdout.close()
            os.close(1)
            time.sleep(30)
        elif how == "deaf":  # reads nothing more
            time.sleep(30)
        elif how != "never":
            return False
        return True


def stdio(mode):
    lock, out = threading.Lock(), sys.stdout.buffer

    def send(m):
        with lock:
            out.write(m if isinstance(m, bytes) else json.dumps(m).encode() + b"\n")
            out.flush()

    if mode == "sleepy":
        time.sleep(2)
        mode = "modern"
    if mode == "chatty":
        send(b"Starting up ...\n\nlistening\n")
    session = Session(mode, send)
    for line in sys.stdin.buffer:
        session.handle(json.loads(line))


sessions = {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, code, body=b"", kind="application/json", **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_DELETE(self):
        known = sessions.pop(self.headers.get("Mcp-Session-Id"), None)
        self.reply(200 if known else 404)

    def do_GET(self):
        self.reply(405)

    def stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def event(self, m):
        self.chunk(m if isinstance(m, bytes) else b"event: message\r\ndata: " + json.dumps(m).encode() + b"\r\n\r\n")

    def header_error(self, m):
        h, p = self.headers, m.get("params", {})
        wanted = {"MCP-Protocol-Version": p.get("_meta", {}).get(META + "protocolVersion"), "Mcp-Method": m["method"]}
        if m["method"] == "tools/call":
            wanted["Mcp-Name"] = p["name"]
            if p["name"] == "add":
                wanted["Mcp-Param-First"] = str(p["arguments"]["a"])
        return next((k for k, v in wanted.items() if h.get(k) != v), None)

    def do_POST(self):
        m = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            self.serve(m, self.path[1:])
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def serve(self, m, mode):
        accept = self.headers.get("Accept", "")
        if "application/json" not in accept or "text/event-stream" not in accept:
            return self.reply(406)
        if mode in ("modern", "future"):
            out = []
            bad = self.header_error(m)
            if bad:
                return self.reply(400, {"jsonrpc": "2.0", "id": m["id"],
                                        "error": {"code": -32020, "message": "Header mismatch: " + bad}})
            if self.hostile(m):
                return
            Session(mode, out.append).handle(m)
            if "error" in out[0]:
                return self.reply(404 if out[0]["error"]["code"] == -32601 else 400, out[0])
            return self.reply(200, out[0])
        if m.get("method") == "initialize":
            key = "session-%d" % len(sessions)
            sessions[key] = Session(mode, None)
            out = sessions[key].outbox = []
            sessions[key].send = out.append
            sessions[key].handle(m)
            return self.reply(200, out.pop(), Mcp_Session_Id=key)
        session = sessions.get(self.headers.get("Mcp-Session-Id"))
        if session is None:
            return self.reply(404 if self.headers.get("Mcp-Session-Id") else 400, b"no session", "text/plain")
        if "id" not in m or "method" not in m:
            session.handle(m)
            return self.reply(202)
        if self.hostile(m):
            return
        self.stream()
        done = threading.Event()

        def send(answer):
            self.event(answer)
            if isinstance(answer, dict) and "method" not in answer:
                done.set()

        session.send = send
        session.handle(m)
        done.wait(20)
        self.chunk(b": bye\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def hostile(self, m):
        how = m.get("params", {}).get("arguments", {}).get("text") if m.get("method") == "tools/call" else None
        good = {"jsonrpc": "2.0", "id": m.get("id"), "result": text("fine")}
        if how == "cut stream":
            self.stream()
            self.chunk(b'data: {"jsonrpc": "2.0", ')
            self.close_connection = True
        elif how == "ended stream":
            self.stream()
            self.chunk(b": nothing\n\n")
            self.wfile.write(b"0\r\n\r\n")
        elif how == "bad event":
            self.stream()
            self.event(b"data: nonsense\n\n")
            self.wfile.write(b"0\r\n\r\n")
        elif how == "split":
            self.stream()
            whole = b"\xef\xbb\xbf: a comment\rid: 7\revent: message\rretry: 3\r"
            whole += b"".join(b"data:" + line + b"\r" for line in json.dumps(good, indent=1).encode().split(b"\n")) + b"\r"
            for i in range(len(whole)):
                self.chunk(whole[i : i + 1])
            self.wfile.write(b"0\r\n\r\n")
        elif how == "open stream":  # the answer, and then the stream stays open
            self.stream()
            self.event(good)
            time.sleep(30)
        elif how == "wrong type":
            self.reply(200, b"<html>hello</html>", "text/html")
        elif how == "wrong id":
            self.reply(200, {**good, "id": 999999})
        elif how == "batch":
            self.reply(200, [{"jsonrpc": "2.0", "method": "notifications/message"}, good])
        elif how == "not json":
            self.reply(200, b"{nonsense", "application/json")
        elif how == "big json":
            self.reply(200, b'"' + b"x" * (20 << 20) + b'"')
        elif how == "big event":
            self.stream()
            for _ in range(400):
                self.chunk(b"x" * (1 << 16))
        elif how == "500":
            self.reply(500, b"oh no", "text/plain")
        elif how == "429":
            self.reply(429, b"slow down", "text/plain")
        elif how == "401":
            self.reply(401, b"who are you", "text/plain")
        elif how == "forgets":
            sessions.clear()
            self.reply(404, b"no session", "text/plain")
        elif how == "loop":
            self.reply(307, Location=self.path)
        elif how == "hangs":
            time.sleep(30)
        else:
            return False
        return True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, address):
        pass


if sys.argv[1] == "http":
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)
stdio(sys.argv[1])
