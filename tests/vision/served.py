"""A web server of this machine, for data sets to be downloaded from, and small files in the forms of published ones."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from graphtorch.vision import datasets


class Server:
    """Serves ``files``, bytes by name, with ranges; ``asked`` are (name, range) of the requests. ``cut`` bytes of a
    file are sent, and then the connection closes, as often as ``cuts`` says."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.asked, self.cut, self.cuts, self.url = files, [], 0, 0, ""


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Server]:
    """A server for the block."""
    state = Server(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name, ranged = self.path.lstrip("/"), self.headers.get("Range")
            state.asked.append((name, ranged))
            if name not in files:
                self.send_error(404)
                return
            start = int(ranged.removeprefix("bytes=").rstrip("-")) if ranged else 0
            body = files[name][start:]
            self.send_response(206 if ranged else 200)
            self.send_header("Content-Length", str(len(body)))
            if ranged:
                self.send_header("Content-Range", f"bytes {start}-{len(files[name]) - 1}/{len(files[name])}")
            self.end_headers()
            if state.cuts:
                state.cuts -= 1
                body = body[: state.cut]
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def idx(values: Any, code: int = 0x08) -> bytes:
    """A file of IDX, written as its description says."""
    head = bytes([0, 0, code, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.astype(values.dtype.newbyteorder(">")).tobytes()


def mnist_files(train: int = 13, test: int = 7, classes: int = 10) -> dict[str, bytes]:
    """The four files, compressed, of images that are noise."""
    rng, files = np.random.default_rng(train), {}
    for prefix, count in (("train", train), ("t10k", test)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) * 3 % classes).astype(np.uint8)
        files[f"{prefix}-images-idx3-ubyte.gz"] = gzip.compress(idx(images), mtime=0)
        files[f"{prefix}-labels-idx1-ubyte.gz"] = gzip.compress(idx(labels), mtime=0)
    return files


def cifar_files(count: int = 6) -> dict[str, bytes]:
    """Batches of CIFAR10 by name, in the protocol of those that are published."""
    rng, files = np.random.default_rng(count), {}
    for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]:
        pixels = rng.integers(0, 256, (count, 3072), dtype=np.uint8)
        batch = {"batch_label": name, "labels": [(n * 7 + len(files)) % 10 for n in range(count)], "data": pixels}
        files[name] = pickle.dumps(batch, 2)
    names = "airplane automobile bird cat deer dog frog horse ship truck".split()
    files["batches.meta"] = pickle.dumps({"num_cases_per_batch": count, "label_names": names}, 2)
    return files


def archive(folder: str, files: dict[str, bytes]) -> bytes:
    """A .tar.gz of ``files`` in ``folder``, and of a file outside of it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in {f"{folder}/{name}": data for name, data in files.items()}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        outside = tarfile.TarInfo("../outside")
        outside.size = 4
        tar.addfile(outside, io.BytesIO(b"none"))
    return out.getvalue()


def small_mnist(files: dict[str, bytes], url: str = "http://127.0.0.1:9/") -> type[datasets.MNIST]:
    """MNIST with other files, by their checksums."""
    resources = [(name, md5(files[name])) for name, _ in datasets.MNIST.resources]
    return type("Small", (datasets.MNIST,), {"mirrors": [url], "resources": resources})


def small_cifar(
    files: dict[str, bytes], url: str = "http://127.0.0.1:9/", packed: bytes = b""
) -> type[datasets.CIFAR10]:
    def sums(names: list[list[str]]) -> list[list[str]]:
        return [[name, md5(files[name])] for name, _ in names]

    kind = datasets.CIFAR10
    changes = {
        "url": url + kind.filename, "tgz_md5": md5(packed), "train_list": sums(kind.train_list),
        "test_list": sums(kind.test_list), "meta": {**kind.meta, "md5": md5(files["batches.meta"])},
    }  # fmt: skip
    return type("Small", (kind,), changes)


def put(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
