"""A registry of images on this machine that gives nobody an image: what it says instead is in the repository's name.

Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_REFUSALS = {
    "absent": (404, "MANIFEST_UNKNOWN", "manifest unknown"),
    "private": (401, "UNAUTHORIZED", "authentication required"),
    "throttled": (429, "TOOMANYREQUESTS", "You have reached your pull rate limit."),
}
_INDEX = "application/vnd.oci.image.index.v1+json"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        repository = self.path.removeprefix("/v2/").partition("/")[0]
        status, code, message = _REFUSALS.get(repository, (200, "", ""))
        kind, document = "application/json", {"errors": [{"code": code, "message": message}]}
        if repository == "foreign":  # an index without an image for any machine that there is
            other = {"architecture": "s390x", "os": "linux"}
            manifest = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 2, "platform": other}
            digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
            kind, document = (
                _INDEX,
                {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [{**manifest, "digest": digest}]},
            )
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Serve, and yield how images of it begin: ``localhost:PORT``."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
