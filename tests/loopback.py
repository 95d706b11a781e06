"""A real HTTP server on this machine that answers as CMS's does, and misbehaves where a test says so."""

import ssl
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass(frozen=True)
class Request:
    """What a client asked; the names of headers are in lower case."""

    path: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """What the server says. With `cut_at` it hangs up after so many bytes of the body it announced."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None


HANG_UP = Answer(0)  # closes the connection without a word


@dataclass
class Site:
    """Files with their validators; `script` is played first, one answer per request, whatever is asked."""

    address: str
    files: dict[str, Answer] = field(default_factory=dict)
    script: deque[Answer] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)

    def put(self, path: str, body: bytes, **validators: str) -> str:
        """Serve a file, `etag` and `last_modified` as given; return its URL."""
        self.files[path] = Answer(200, body, {name.replace("_", "-"): text for name, text in validators.items()})
        return self.address + path

    def break_next(self, path: str, after: int) -> None:
        """Break the connection of the next request when so many bytes of the file are sent."""
        self.script.append(replace(self.files[path], cut_at=after))

    def seen(self, header: str) -> list[str | None]:
        """Return the value of a header in each request."""
        return [request.headers.get(header) for request in self.requests]

    def answer(self, request: Request) -> Answer:
        """Answer as a plain web server does: conditional requests, ranges, If-Range, 404."""
        self.requests.append(request)
        if self.script:
            return self.script.popleft()
        file = self.files.get(request.path.partition("?")[0])
        if file is None:
            return Answer(404)
        validators = file.headers.values()
        condition = request.headers.get("if-none-match") or request.headers.get("if-modified-since")
        if condition in validators:
            return Answer(304, headers=file.headers)
        if "range" in request.headers and request.headers.get("if-range") in validators:
            return _rest_of(file, int(request.headers["range"].removeprefix("bytes=").removesuffix("-")))
        return file


def _rest_of(file: Answer, start: int) -> Answer:
    size = len(file.body)
    if start >= size:
        return Answer(416, headers={"Content-Range": f"bytes */{size}"})
    place = {"Content-Range": f"bytes {start}-{size - 1}/{size}"}
    return Answer(206, file.body[start:], file.headers | place)


@contextmanager
def serve(tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """Run a site on a free port of 127.0.0.1, over TLS if a context is given."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): text for name, text in self.headers.items()}
            _send(self, site.answer(Request(self.path, headers)))

        def log_message(self, format: str, *args: object) -> None:
            """Keep the tests' output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        site = Site(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


def _send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    if answer == HANG_UP:
        handler.close_connection = True
        return
    handler.send_response(answer.status)
    headers = answer.headers if answer.status == 304 else {"Content-Length": str(len(answer.body))} | answer.headers
    for name, text in headers.items():
        handler.send_header(name, text)
    handler.end_headers()
    with suppress(ConnectionError):  # a client may hang up on a body that is too long for it
        handler.wfile.write(answer.body[: answer.cut_at])
    if answer.cut_at is not None:
        handler.close_connection = True
