"""A server of files on this machine, that can break off, ignore ranges, and tell what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server:
    """``files`` by path; ``asked`` has (path, range) of each request. ``breaks``: bytes after which an answer ends;
    ``ranges``: whether parts are given."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.asked, self.url = files, [], ""
        self.breaks: int | None = None
        self.ranges = True

    def answer(self, handler: Any) -> None:
        path, asked = handler.path.partition("?")[0], handler.headers.get("Range")
        self.asked.append((handler.path, asked))
        if path not in self.files:
            handler.send_error(404)
            return
        data, start = self.files[path], 0
        if asked and self.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                handler.send_error(416)
                return
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(data) - start))
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.end_headers()
        end = len(data) if self.breaks is None else min(len(data), start + self.breaks)
        handler.wfile.write(data[start:end])


@contextmanager
def serving(files: dict[str, bytes], monkeypatch: Any) -> Iterator[Server]:
    """The server, at ``url``, past any proxy."""
    monkeypatch.setenv("no_proxy", "*")
    server = Server(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{httpd.server_port}"
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
