"""GT920: files of data sets."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT920",
        "MissingFilesError",
        "files of a data set are missing",
        """The message says which files are expected where. `download=True` gets those of published data sets;
        without a network put them there by other means. `ImageFolder` expects a folder for each class.""",
        """
        from graphtorch.vision.datasets import ImageFolder

        ImageFolder("photos/train")
        """,
        """
        import tempfile
        from pathlib import Path

        from graphtorch.vision.datasets import ImageFolder

        with tempfile.TemporaryDirectory() as folder:
            for name in ("ants/1.jpg", "bees/2.jpg"):
                path = Path(folder, "train", name)
                path.parent.mkdir(parents=True)
                path.touch()
            ImageFolder(Path(folder, "train"))
        """,
    ),
)
