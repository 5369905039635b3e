"""GT910 to GT914: downloads, and repositories of models."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT910",
        "DownloadError",
        "a file cannot be downloaded",
        """There is no connection, no such file, or it broke off. The message says where the file is looked for:
        put it there by other means, or call again. What has come is gone on with where a checksum is known.""",
        """
        from graphtorch.utils.download import download

        download("file:///no/such/weights.pth", "weights.pth")
        """,
        """
        import tempfile
        from pathlib import Path

        from graphtorch.utils.download import download

        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "source.pth")
            source.write_bytes(b"weights")
            download(source.as_uri(), Path(folder, "weights.pth"))
        """,
    ),
    entry(
        "GT911",
        "DownloadError",
        "a downloaded file has another checksum",
        """The file that came is not the one that was meant: it was changed, or a server sent a page in its place.
        It was deleted.""",
        """
        from graphtorch.utils.download import download

        download("file:///dev/null", "labels.txt", sha256="f37072fd")
        """,
        """
        import tempfile
        from pathlib import Path

        from graphtorch.utils.download import download

        with tempfile.TemporaryDirectory() as folder:
            download("file:///dev/null", Path(folder, "labels.txt"), sha256="e3b0c442")
        """,
    ),
)
