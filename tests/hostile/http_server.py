#!/usr/bin/env python3
"""A server that behaves badly on demand: http_server.py [CERT KEY]. Prints its port, serves until stdin ends.

GET or POST /NAME calls the function `on_NAME`; anything raw is written to the socket by hand."""
import gzip, json, os, socket, ssl, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

flaky = {"n": 0}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def send(self, code, body=b"", kind="text/plain", **headers):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(code)
        if kind:
            self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def raw(self, data):
        self.wfile.write(data)
        self.wfile.flush()
        self.close_connection = True

    def serve(self):
        parts = urlsplit(self.path)
        self.query = parse_qs(parts.query, keep_blank_values=True)
        self.tail = parts.path.split("/", 2)[2] if parts.path.count("/") > 1 else ""
        n = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(n)
        try:
            getattr(self, "on_" + parts.path.split("/")[1], lambda: self.send(404, "nothing here"))()
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    do_GET = do_POST = do_PUT = serve

    # well-behaved
    def on_echo(self):
        self.send(200, json.dumps({"method": self.command, "path": unquote(urlsplit(self.path).path), "raw": self.path,
                                   "query": {k: v[0] for k, v in self.query.items()}, "body": self.body.decode(),
                                   "type": self.headers.get("Content-Type"), "key": self.headers.get("X-Key")},
                                  separators=(",", ":"), ensure_ascii=False),
                  "application/json")

    def on_text(self):
        self.send(200, "  plain answer\n")

    def on_port(self):  # one and the same when a connection is used again
        self.send(200, str(self.client_address[1]))

    def on_json(self):
        self.send(200, '{"results":[{"text":"first"},{"n":42}],"none":null,"error":null}', "application/json")

    def on_fails(self):
        self.send(200, '{"error":"no such city"}', "application/json")

    def on_latin(self):
        self.send(200, b"caf\xe9 \x00 ok")

    def on_zip(self):
        self.send(200, gzip.compress(b"packed"), Content_Encoding="gzip")

    # codes
    def on_code(self):
        code = int(self.tail)
        self.send(code, b"" if code in (204, 304) else b"code " + self.tail.encode(), "text/plain")

    def on_empty(self):
        self.send(200)

    def on_leak(self):
        self.send(400, "bad key " + str(self.headers.get("X-Key")))

    def on_flaky(self):
        flaky["n"] += 1
        self.send(503 if flaky["n"] % 2 else 200, "flaky")

    # redirects
    def on_loop(self):
        self.send(302, Location="/loop")

    def on_hops(self):
        left = int(self.tail)
        self.send(302, Location="/hops/%d" % (left - 1)) if left else self.send(200, "arrived")

    def on_to(self):
        self.send(int(self.query.get("code", ["302"])[0]), Location=self.query["url"][0])

    def on_see(self):
        self.send(303, Location="/echo")

    def on_keep(self):
        self.send(307, Location="/echo")

    # bodies
    def chunked(self, blocks, **headers):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        for block in blocks:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
        self.wfile.write(b"0\r\n\r\n")

    def on_big(self):
        self.chunked(b"x" * (1 << 16) for _ in range(1 << 14))

    def on_claims(self):  # says a gigabyte, and would send it
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 30))
        self.end_headers()
        for _ in range(1 << 14):
            self.wfile.write(b"x" * (1 << 16))

    def on_bomb(self):
        self.send(200, gzip.compress(b"\0" * (1 << 28), 9), Content_Encoding="gzip")

    def on_badzip(self):
        self.send(200, b"this is no gzip", Content_Encoding="gzip")

    def on_cut(self):
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    def on_nonsense(self):
        self.raw(b"\x00\xffthis is no HTTP\r\n\r\n")

    def on_badchunk(self):
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nwhat\r\n")

    def on_hugechunk(self):
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nwhat\r\n")

    def on_headers(self):
        self.raw(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 60000) for i in range(2000)) + b"\r\n")

    def on_header(self):
        self.raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * (1 << 24) + b"\r\n\r\n")

    def on_closes(self):
        self.raw(b"")

    def on_reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")

    # time
    def on_hangs(self):
        time.sleep(30)

    def on_drips(self):
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(300):
            self.wfile.write(b".")
            time.sleep(0.1)

    def on_dripsheader(self):
        self.raw(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(300):
            self.wfile.write(b"y")
            time.sleep(0.1)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, address):
        pass


def main():
    server = Server(("127.0.0.1", 0), Handler)
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


main()
