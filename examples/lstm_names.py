"""A classifier of names by language: letters in, an LSTM, a language out. Sequences of different lengths are padded.

python examples/lstm_names.py
python examples/lstm_names.py --cell GRU --predict Giordano Kowalczyk
"""

from __future__ import annotations

import argparse
import sys

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.nn import functional as F
from graphtorch.nn.utils.rnn import pad_sequence
from graphtorch.utils.data import DataLoader, TensorDataset, random_split

NAMES = {
    "Italian": """Abate Albertini Bellucci Bianchi Bruno Caruso Colombo Conti Costa Esposito Fabbri Ferrari Fontana
        Gallo Gentile Giordano Greco Leone Lombardi Mancini Marchetti Mariani Marino Martini Mazza Messina Monti
        Moretti Pellegrini Rinaldi Rizzo Romano Rossetti Rossi Russo Santoro Serra Testa Valentini Vitale""",
    "Polish": """Adamczyk Baranowski Borkowski Chmielewski Czarnecki Dudek Dziedzic Gajewski Grabowski Jankowski
        Jasinski Kaczmarek Kaminski Kowalczyk Kowalski Kozlowski Krawczyk Kubiak Lewandowski Maciejewski Majewski
        Mazurek Michalski Nowakowski Olszewski Pawlak Pawlowski Piotrowski Sikorski Sobczak Stankiewicz Szymanski
        Tomczyk Walczak Wieczorek Wisniewski Wojciechowski Wozniak Wrobel Zielinski""",
    "Japanese": """Abe Arakawa Fujimoto Fujita Goto Hasegawa Hashimoto Hayashi Ikeda Inoue Ishikawa Ito Kato Kimura
        Kobayashi Kondo Maeda Matsumoto Mori Murakami Nakajima Nakamura Nishimura Ogawa Okada Ota Saito Sakamoto
        Sasaki Shimizu Suzuki Takahashi Takeuchi Tanaka Watanabe Yamada Yamaguchi Yamamoto Yamashita Yoshida""",
}
LANGUAGES = list(NAMES)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LONGEST = 16
BATCH = 20


def encoded(names: list[str]) -> tuple[gt.Tensor, gt.Tensor]:
    """(letters i64[n, LONGEST], padded with 0; lengths i64[n])."""
    rows = [gt.tensor([LETTERS.index(c) + 1 for c in name.lower()]) for name in names]
    padded = pad_sequence(rows, batch_first=True)
    return F.pad(padded, (0, LONGEST - padded.shape[1])), gt.tensor([len(row) for row in rows])


class Classifier(nn.Module):
    """The state behind the last letter of each name decides; letters behind it are padding, and change nothing."""

    def __init__(self, cell: str, width: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(LETTERS) + 1, 12, padding_idx=0)
        self.reader = getattr(nn, cell)(12, width, batch_first=True)
        self.out = nn.Linear(width, len(LANGUAGES))

    def forward(self, letters: gt.Tensor, lengths: gt.Tensor) -> gt.Tensor:
        states, _ = self.reader(self.embedding(letters))
        last = states[gt.arange(len(lengths)), lengths - 1]
        return self.out(last)


def accuracy(model: Classifier, batches: DataLoader) -> float:
    """The share of names whose language is found."""
    model.eval()
    with gt.no_grad():
        hits = [(model(x, lengths).argmax(1) == y).float() for x, lengths, y in batches]
    model.train()
    return gt.cat(hits).mean().item()


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cell", choices=["LSTM", "GRU", "RNN"], default="LSTM")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--predict", nargs="*", default=["Fiorentino", "Wasilewski", "Kawaguchi"], metavar="NAME")
    args = parser.parse_args()
    for name in args.predict:
        if not 0 < len(name) <= LONGEST or not set(name.lower()) <= set(LETTERS):
            parser.error(f"--predict {name!r}: expected 1 to {LONGEST} of the letters a to z")
    return args


def main() -> None:
    args = parse_args()
    gt.manual_seed(1)
    names = [(name, number) for number, text in enumerate(NAMES.values()) for name in text.split()]
    letters, lengths = encoded([name for name, _ in names])
    data = TensorDataset(letters, lengths, gt.tensor([number for _, number in names]))
    train, test = random_split(data, [100, len(data) - 100])

    model = Classifier(args.cell)
    optimizer = optim.Adam(model.parameters(), lr=0.01)

    @gt.compile
    def step(letters: gt.Tensor, lengths: gt.Tensor, languages: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(letters, lengths), languages)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    print(f"{len(train)} names to learn from, {len(test)} to test with; {args.cell}, in one program with its gradients")
    for epoch in range(1, args.epochs + 1):
        losses = [step(*batch).item() for batch in DataLoader(train, BATCH, shuffle=True)]
        if sys.stdout.isatty() or epoch % 10 == 0 or epoch == args.epochs:
            end = "\n" if epoch % 10 == 0 or epoch == args.epochs else "\r"
            print(f"epoch {epoch:3}: loss {sum(losses) / len(losses):.3f}", end=end, flush=True)
    print(f"test accuracy {accuracy(model, DataLoader(test, BATCH)):.2f} (chance: {1 / len(LANGUAGES):.2f})")
    with gt.no_grad():
        likely = model(*encoded(args.predict)).softmax(1) if args.predict else []
    for name, row in zip(args.predict, likely, strict=True):
        print(f"{name}: {LANGUAGES[row.argmax().item()]} ({row.max().item():.2f})")


if __name__ == "__main__":
    main()
