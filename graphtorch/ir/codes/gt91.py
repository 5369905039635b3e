"""GT910 to GT913: downloads, and repositories of models."""

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
    entry(
        "GT912",
        "HubError",
        "a repository of models is not trusted",
        """`gt.hub` runs the `hubconf.py` of a repository, which may do all that you may. It is fetched and run only
        after `trust_repo=True`, or a yes at a terminal. A folder of this machine (`source="local"`) needs neither.""",
        """
        import graphtorch as gt

        gt.hub.load("nobody/models", "net", trust_repo=False)
        """,
        """
        import tempfile
        from pathlib import Path

        import graphtorch as gt

        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "hubconf.py").write_text("from graphtorch.nn import Linear")
            gt.hub.load(folder, "Linear", 4, 3, source="local")
        """,
    ),
    entry(
        "GT913",
        "HubError",
        "a repository has no such entry, or needs what is not installed",
        """`gt.hub.list(repo)` gives the entries: the functions of `hubconf.py` whose names do not begin with `_`. The
        list `dependencies` in it names the modules that have to be installed.""",
        """
        import tempfile
        from pathlib import Path

        import graphtorch as gt

        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "hubconf.py").write_text("from graphtorch.nn import Linear")
            gt.hub.load(folder, "linear", 4, 3, source="local")
        """,
        """
        import tempfile
        from pathlib import Path

        import graphtorch as gt

        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "hubconf.py").write_text("from graphtorch.nn import Linear")
            gt.hub.load(folder, gt.hub.list(folder, source="local")[0], 4, 3, source="local")
        """,
    ),
)
