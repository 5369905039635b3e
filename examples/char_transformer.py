"""A small GPT on the letters of a text: one compiled step of AdamW, and text sampled from it.

python examples/char_transformer.py
python examples/char_transformer.py --text FILE --steps 2000
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.nn import functional as F

TEXT = """\
The sea is old and the sea is wide, and the ships go out upon the tide.
The wind is cold and the night is long, and the sailors sing the sea a song.
The moon is high and the sand is white, and the lamp on the hill is the only light.
The tide goes out and the tide comes in, and where it ends the tales begin.
The gulls come down where the nets are dry, and the boats come home when the sun is high.
The old men sit where the walls are warm, and they tell the young of the year of the storm.
The bread is good and the fire is bright, and the door is shut on the rain and the night.
The sea is old and the sea is wide, and the ships come home upon the tide.
"""
CONTEXT = 48
BATCH = 16


class Block(nn.Module):
    """Attention to what came before, then two layers for each letter by itself; both are added to what comes in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def attend(self, x: gt.Tensor) -> gt.Tensor:
        b, t, c = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(y.transpose(1, 2).reshape(b, t, c))

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        x = x + self.attend(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    """Scores f32[b, t, letters] of the letter that follows each of i64[b, t]."""

    def __init__(self, letters: int, width: int = 48, heads: int = 4, layers: int = 2) -> None:
        super().__init__()
        self.letters = nn.Embedding(letters, width)
        self.places = nn.Embedding(CONTEXT, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, letters, bias=False)

    def forward(self, tokens: gt.Tensor) -> gt.Tensor:
        x = self.letters(tokens) + self.places(gt.arange(tokens.shape[1]))
        return self.head(self.norm(self.blocks(x)))


def batch(data: gt.Tensor) -> tuple[gt.Tensor, gt.Tensor]:
    """(letters, the letters that follow them), i64[BATCH, CONTEXT] each, from anywhere in the text."""
    starts = gt.randint(0, len(data) - CONTEXT, (BATCH, 1))
    places = starts + gt.arange(CONTEXT)
    return data[places], data[places + 1]


def sample(model: GPT, start: gt.Tensor, length: int, temperature: float = 0.7) -> list[int]:
    """``length`` letters that follow ``start``. The window has one size, and is filled from the left: one program."""
    model.eval()
    predict = gt.compile(model)
    tokens = start.tolist()
    with gt.no_grad():
        for _ in range(length):
            seen = tokens[-CONTEXT:]
            window = gt.tensor([seen + [0] * (CONTEXT - len(seen))])
            scores = predict(window)[0, len(seen) - 1] / temperature
            tokens.append(gt.multinomial(scores.softmax(0), 1).item())
    return tokens


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, help="a file to learn from (default: a poem that is in here)")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--sample", type=int, default=160, metavar="LETTERS", help="how much to write in the end")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    text = args.text.read_text(encoding="utf-8") if args.text else TEXT
    if len(text) <= CONTEXT:
        raise SystemExit(f"--text {args.text}: expected more than {CONTEXT} letters, got {len(text)}")
    letters = sorted(set(text))
    data = gt.tensor([letters.index(c) for c in text])
    gt.manual_seed(0)
    model = GPT(len(letters))
    optimizer = optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=args.steps + 1)

    @gt.compile
    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    count = sum(p.numel() for p in model.parameters())
    print(f"{len(text):,} letters, {len(letters)} different ones; a GPT of {count:,} parameters")
    for number in range(1, args.steps + 1):
        loss = step(*batch(data)).item()
        schedule.step()
        if number % 100 == 0 or number in (1, args.steps):
            print(f"step {number:5}: loss {loss:.3f}")
        elif sys.stdout.isatty():
            print(f"step {number:5}: loss {loss:.3f}", end="\r", flush=True)
    print(step.explain().splitlines()[1].strip())
    start = data[:4]
    print("\n" + "".join(letters[i] for i in sample(model, start, args.sample)))


if __name__ == "__main__":
    main()
