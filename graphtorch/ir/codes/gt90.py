"""GT901 to GT907: files that are loaded and saved."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT901",
        "LoadError",
        "the file has a format that is not read",
        """`gt.load` reads files of `torch.save` (both formats), of `gt.save` and of safetensors. It looks at how they
        begin, not at their names.""",
        """
        import gzip
        import io

        import graphtorch as gt

        gt.load(io.BytesIO(gzip.compress(b"weights")))
        """,
        """
        import gzip
        import io
        import pickle

        import graphtorch as gt

        parts = [0x1950A86A20F9469CFC6C, 1001, {}, {"epoch": 3}, []]  # a file of torch, in its older format
        packed = gzip.compress(b"".join(pickle.dumps(part, 2) for part in parts))
        gt.load(io.BytesIO(gzip.decompress(packed)))
        """,
    ),
    entry(
        "GT902",
        "LoadError",
        "the file is damaged",
        """It ends too early, or contradicts itself: a tensor reaches beyond its storage, a record is missing.
        Most often a download or a copy was cut off. Get the file again.""",
        """
        import io
        import pickle

        import graphtorch as gt

        parts = [0x1950A86A20F9469CFC6C, 1001, {}, {"epoch": 3}, []]
        data = b"".join(pickle.dumps(part, 2) for part in parts)
        gt.load(io.BytesIO(data[:-5]))
        """,
        """
        import io
        import pickle

        import graphtorch as gt

        parts = [0x1950A86A20F9469CFC6C, 1001, {}, {"epoch": 3}, []]
        data = b"".join(pickle.dumps(part, 2) for part in parts)
        gt.load(io.BytesIO(data))
        """,
    ),
    entry(
        "GT903",
        "LoadError",
        "the file names something that is not data",
        """A pickle can name any function of any module, to be called when it is read. `gt.load` builds tensors and
        plain data only, and refuses the rest by name: nothing was imported or called. A whole module that torch saved
        is such a file; save its `state_dict` instead.""",
        """
        import fractions
        import io
        import pickle

        import graphtorch as gt

        parts = [0x1950A86A20F9469CFC6C, 1001, {}, {"rate": fractions.Fraction(1, 3)}, []]
        gt.load(io.BytesIO(b"".join(pickle.dumps(part, 2) for part in parts)))
        """,
        """
        import io
        import pickle

        import graphtorch as gt

        parts = [0x1950A86A20F9469CFC6C, 1001, {}, {"rate": 1 / 3}, []]
        gt.load(io.BytesIO(b"".join(pickle.dumps(part, 2) for part in parts)))
        """,
    ),
    entry(
        "GT904",
        "LoadError",
        "the file asks for more than it holds",
        """What a file describes may take twice the memory that the file has bytes (256 MiB for small ones). A small one
        that wants more is made to fill the memory; compressed archives are refused for the same reason.""",
        """
        import io
        import zipfile

        import graphtorch as gt

        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("model/data.pkl", bytes(100_000))
        gt.load(io.BytesIO(file.getvalue()))
        """,
        """
        import io
        import pickle
        import zipfile

        import graphtorch as gt

        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("model/data.pkl", pickle.dumps({"epoch": 3}, 2))
        gt.load(io.BytesIO(file.getvalue()))
        """,
    ),
    entry(
        "GT905",
        "LoadError",
        "the file has a tensor of a dtype that graphtorch has not",
        """There are float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8 and bool. Complex numbers,
        float8 and quantized tensors have to be converted where the file comes from.""",
        """
        import io
        import json

        import graphtorch as gt

        head = json.dumps({"scale": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}}).encode()
        gt.load(io.BytesIO(len(head).to_bytes(8, "little") + head + bytes(1)))
        """,
        """
        import io
        import json

        import graphtorch as gt

        head = json.dumps({"scale": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
        gt.load(io.BytesIO(len(head).to_bytes(8, "little") + head + bytes(4)))
        """,
    ),
    entry(
        "GT906",
        "LoadError",
        "a module in the file is of a class that is not trusted, or is gone",
        """`gt.load` makes the package's own layers. Name a class of yours with `classes=[Net]`, also where it was
        moved; `weights_only=False` imports whatever the file names. A `state_dict` needs neither.""",
        """
        import io
        import sys
        import types

        import graphtorch as gt
        from graphtorch import nn


        class Net(nn.Module):
            pass


        Net.__module__ = "net"  # as if it came from a file net.py
        sys.modules["net"] = types.SimpleNamespace(Net=Net)
        file = io.BytesIO()
        gt.save(Net(), file)
        gt.load(io.BytesIO(file.getvalue()))
        """,
        """
        import io
        import sys
        import types

        import graphtorch as gt
        from graphtorch import nn


        class Net(nn.Module):
            pass


        Net.__module__ = "net"
        sys.modules["net"] = types.SimpleNamespace(Net=Net)
        file = io.BytesIO()
        gt.save(Net(), file)
        gt.load(io.BytesIO(file.getvalue()), classes=[Net])
        """,
    ),
    entry(
        "GT907",
        "SaveError",
        "a value that a file cannot hold",
        """Files hold data: tensors, modules, numbers, texts and containers of them. The message names what is none, and
        where it was found. Save the `state_dict()` of objects that have one; write a function as a method, or at the
        top level of a module.""",
        """
        import io

        import graphtorch as gt
        from graphtorch import nn

        net = nn.Linear(4, 3)
        net.scale = lambda x: x * 2
        gt.save(net, io.BytesIO())
        """,
        """
        import io

        import graphtorch as gt
        from graphtorch import nn

        net = nn.Linear(4, 3)
        net.scale = lambda x: x * 2
        gt.save(net.state_dict(), io.BytesIO())
        """,
    ),
)
