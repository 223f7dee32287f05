"""An HTTP endpoint to test with: real, in a thread, with or without TLS, as bad as it is told."""

from __future__ import annotations

import http.server
import json
import threading
import time
from dataclasses import dataclass


@dataclass
class Request:
    """What was posted."""

    path: str
    headers: dict[str, str]
    content: bytes
    at: float

    @property
    def json(self):
        return json.loads(self.content)


class Endpoint:
    """Answers 200, or what stands next in `answers`: (code, headers), or a function that answers.

    Attributes:
        requests: all that came.
    """

    def __init__(self, certificate=None):
        self.requests = []
        self.answers = []
        self.released = threading.Event()
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                content = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.requests.append(
                    Request(self.path, dict(self.headers), content, time.monotonic())
                )
                answer = endpoint.answers.pop(0) if endpoint.answers else (200, {})
                if callable(answer):
                    answer(self)
                    return
                code, headers = answer
                self.send_response(code)
                for name, value in {"Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            do_GET = do_POST  # noqa: N815 - the standard library's

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a client that hangs up

            def get_request(self):
                connection, address = super().get_request()
                if certificate is not None:
                    connection = certificate.wrap_socket(
                        connection, server_side=True, do_handshake_on_connect=False
                    )
                return connection, address

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def hang(self, _):
        """An answer that does not come."""
        self.released.wait(20)

    def drop(self, handler):
        """An answer that is an end."""
        handler.close_connection = True
        handler.connection.close()

    def stop(self):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
