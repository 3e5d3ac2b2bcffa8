# SPDX-License-Identifier: GPL-2.0
"""metrics: print counters, gauges and histograms, or serve them to Prometheus

/proc/net/xtcp_metrics of this network namespace, in the format OpenMetrics. With --listen
it is served as http://ADDRESS:PORT/metrics until Ctrl-C. Each host that reaches the port
may read it.
"""

import os
import re

from xtcptool import Failure, Usage, choose, procfs, text

METRICS = "xtcp_metrics"
CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
# A client that has not sent its request and taken the answer after so long is left.
PATIENCE_S = 3
# So many clients are served at once, and others wait to be accepted.
CLIENTS = 16
BACKLOG = 128
NOBODY = 65534

SAMPLE = re.compile(r'(\w+)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
ESCAPE = re.compile(r"\\(.)")


def add_arguments(parser):
    parser.add_argument("-l", "--listen", type=choose.end, metavar="ADDRESS:PORT",
                        help="serve them by HTTP; port 0: a free one")


def unescaped(match):
    return "\n" if match.group(1) == "n" else match.group(1)


def samples(content):
    """The samples as objects of JSON."""
    for line in content.splitlines():
        found = not line.startswith("#") and SAMPLE.match(line)
        if found:
            name, labels, value = found.groups()
            yield {"name": name, "value": float(value), "labels": {
                key: ESCAPE.sub(unescaped, word) for key, word in LABEL.findall(labels or "")}}


def server_class():
    """Imported here: it takes longer than the other subcommands need to run."""
    # pylint: disable=import-outside-toplevel
    import http.server
    import socket
    import threading

    class Handler(http.server.BaseHTTPRequestHandler):
        def setup(self):
            super().setup()
            # A timeout of the socket would begin anew with each byte.
            self.ends = threading.Timer(PATIENCE_S, self.leave)
            self.ends.daemon = True
            self.ends.start()

        def finish(self):
            self.ends.cancel()
            super().finish()

        def leave(self):
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass    # it has gone

        def do_GET(self):
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404, "only /metrics is here")
                return
            try:
                content = procfs.read(METRICS).encode()
            except Failure as e:
                self.send_error(503, str(e))
                return
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_HEAD = do_GET

        def log_message(self, *_):
            """A scrape each second is no news."""

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = BACKLOG

        def __init__(self, end):
            self.free = threading.BoundedSemaphore(CLIENTS)
            self.address_family = socket.AF_INET if end.address.version == 4 else socket.AF_INET6
            super().__init__((str(end.address), end.port), Handler)

        def server_bind(self):
            # That of HTTPServer asks the resolver for the host's name.
            http.server.socketserver.TCPServer.server_bind(self)
            self.server_name, self.server_port = self.server_address[:2]

        def process_request(self, request, client_address):
            self.free.acquire()
            try:
                super().process_request(request, client_address)
            except Exception:
                self.free.release()
                raise

        def process_request_thread(self, request, client_address):
            try:
                super().process_request_thread(request, client_address)
            finally:
                self.free.release()

        def handle_error(self, *_):
            """The client has gone, or was silent."""

    return Server


def become_nobody():
    """Clients get what the kernel shows to everybody, and none of them talks to root."""
    if os.geteuid():
        return
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def serve(end):
    try:
        server = server_class()(end)
        become_nobody()
    except OSError as e:
        raise Failure(f"{end}: {e.strerror}") from None
    with server:
        port = server.server_port
        print(f"serving http://{str(end).rpartition(':')[0]}:{port}/metrics", flush=True)
        server.serve_forever()


def run(args):
    if args.listen and (args.json or args.listen.device):
        raise Usage("--listen takes no device and no --json")
    content = procfs.read(METRICS)
    if args.listen:
        serve(args.listen)
    elif args.json:
        text.print_json(samples(content))
    else:
        print(content, end="")
