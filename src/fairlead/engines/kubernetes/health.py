"""An endpoint that says whether a process is well: ``GET /healthz``, for a kubelet."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATH = "/healthz"


@contextmanager
def serving_health(is_well: Callable[[], bool], port: int) -> Iterator[int]:
    """Answer on a port, 0 for any free one, while the ``with`` lasts; gives the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            well = self.path == PATH and is_well()
            body = b"ok\n" if well else b"not well\n"
            self.send_response(200 if well else 404 if self.path != PATH else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: it is asked every few seconds."""

    server = ThreadingHTTPServer(("", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="fairlead-health", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
