"""What the Python services share: listen where the runner says, answer, call others through the sidecar.

Standard library only. urllib uses the http_proxy variable by itself.
"""

import json
import os
import signal
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = os.environ.get("SERVICE_VERSION", "v1")
INSTANCE = os.environ.get("HOSTNAME", "local")
CALL_TIMEOUT_SECONDS = 10

# A proxy cannot know which outgoing call belongs to which incoming one: the service hands these on.
HANDED_ON = ("x-request-id", "traceparent", "tracestate", "b3", "x-tester", "end-user")


def context_of(headers):
    """The headers of an incoming request that belong on every call made on its behalf."""
    return {name: headers[name] for name in HANDED_ON if headers[name] is not None}


def get_json(url, context):
    """GET of JSON; raises OSError when the service does not answer 200."""
    request = urllib.request.Request(url, headers=context)
    with urllib.request.urlopen(request, timeout=CALL_TIMEOUT_SECONDS) as response:
        return json.load(response)


def serve(name, answer):
    """Serves `answer(path, headers) -> (status, body)` until SIGTERM; a str is HTML, the rest JSON."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            try:
                status, body = answer(self.path.split("?")[0], self.headers)
            except OSError as error:
                status, body = 502, {"error": str(error)}
            html = isinstance(body, str)
            data = (body if html else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("content-type", "text/html; charset=utf-8" if html else "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format, *args):
            pass  # the sidecar keeps the access log

    host, port = os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "9080"))
    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True

    def stop(_signal, _frame):
        # shutdown() waits for serve_forever, which runs in this thread.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"{name} {VERSION} on http://{host}:{port}, Python {sys.version.split()[0]}", flush=True)
    server.serve_forever()
