"""The chapters that put it together: data, the loops of training and validation, saving, loading, predicting."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphtorch
from tests.course.oracle import as_torch, as_torch_compiled, filled, numbers, quietly, same


def spots(torch: Any) -> tuple[Any, Any]:
    """Images f32[40, 1, 8, 8] and classes i64[40]: where the bright spot is."""
    images, classes = 0.3 * numbers(40, 1, 8, 8), np.arange(40) % 3
    for image, label in zip(images, classes, strict=True):
        image[0, 2 * label : 2 * label + 3, 1:5] += 1.5
    return torch.from_numpy(images), torch.from_numpy(classes)


def classifier(torch: Any) -> Any:
    nn = torch.nn
    return filled(
        torch,
        nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.0),
            nn.Linear(64, 3),
        ),
    )


@as_torch_compiled
def test_the_loops(torch: Any, compile: Any) -> Any:
    images, classes = spots(torch)
    dataset = torch.utils.data.TensorDataset(images, classes)
    train = torch.utils.data.Subset(dataset, range(30))
    val = torch.utils.data.Subset(dataset, range(30, 40))
    train_loader = torch.utils.data.DataLoader(train, batch_size=10)
    val_loader = torch.utils.data.DataLoader(val, batch_size=4)
    device = torch.device("cpu")
    model = classifier(torch).to(device)
    loss_fn = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    @compile
    def training_step(images: Any, labels: Any) -> Any:
        loss = loss_fn(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    @compile
    def predict(images: Any) -> Any:
        return model(images)

    history = []
    for _ in range(4):
        model.train()
        loss_train = 0.0
        for batch, labels in train_loader:
            loss_train += training_step(batch.to(device), labels.to(device)).item()
        model.eval()
        correct = total = 0
        with torch.no_grad():
            for batch, labels in val_loader:
                _, predicted = torch.max(predict(batch), dim=1)
                total += labels.shape[0]
                correct += int((predicted == labels).sum())
        history.append((loss_train / len(train_loader), correct, total))
    return [history, model.state_dict()]


@as_torch_compiled
def test_penalties_by_hand(torch: Any, compile: Any) -> Any:
    images, classes = spots(torch)
    model = classifier(torch)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    @compile
    def step(images: Any, labels: Any) -> Any:
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss = loss + 0.001 * sum(p.pow(2.0).sum() for p in model.parameters())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return [[step(images, classes).item() for _ in range(3)], model.state_dict()]


@as_torch_compiled
def test_gradients_of_several_batches(torch: Any, compile: Any) -> Any:
    """Two backward passes for each update: gradients accumulate in a program, too."""
    images, classes = spots(torch)
    model = classifier(torch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    @compile
    def step(images: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        losses = []
        for half, answer in zip(images.chunk(2), labels.chunk(2), strict=True):
            loss = torch.nn.functional.cross_entropy(model(half), answer) / 2
            loss.backward()
            losses.append(loss.detach())
        optimizer.step()
        return sum(losses)

    return [[step(images, classes).item() for _ in range(3)], model.state_dict()]


@as_torch_compiled
def test_a_sequence_classifier(torch: Any, compile: Any) -> Any:
    nn = torch.nn

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(11, 6)
            self.lstm = nn.LSTM(6, 7, batch_first=True)
            self.out = nn.Linear(7, 2)

        def forward(self, tokens: Any) -> Any:
            _, (hidden, _) = self.lstm(self.embedding(tokens))
            return self.out(hidden[-1])

    model = filled(torch, Reader())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    tokens = torch.arange(45).reshape(9, 5) % 11
    labels = (tokens.sum(1) % 2).long()

    @compile
    def step(tokens: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(tokens), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return [[step(tokens, labels).item() for _ in range(4)], model(tokens)]


@pytest.mark.torch
def test_a_state_goes_to_torch_and_back(tmp_path: Path) -> None:
    """Keys and arrays are torch's: a file of numpy carries a model from one library to the other."""
    torch = pytest.importorskip("torch")
    ours, theirs = classifier(graphtorch), quietly(classifier, torch)
    with torch.no_grad():
        theirs[5].bias.add_(1)
    np.savez(tmp_path / "model.npz", **{key: value.numpy() for key, value in theirs.state_dict().items()})
    with np.load(tmp_path / "model.npz") as file:
        ours.load_state_dict({key: graphtorch.from_numpy(file[key]) for key in file.files})
    same(ours.state_dict(), theirs.state_dict())
    same(ours(spots(graphtorch)[0]), theirs(spots(torch)[0]))


@as_torch
def test_pickles(torch: Any) -> Any:
    """State of models and optimizers, tensors and modules go through pickle and deepcopy."""
    import copy

    model = torch.nn.Linear(3, 2)
    filled(torch, model)
    again = pickle.loads(pickle.dumps(model))
    state = pickle.loads(pickle.dumps(model.state_dict()))
    twin = copy.deepcopy(model)
    with torch.no_grad():
        model.weight.zero_()
    x = torch.ones(1, 3)
    return [model(x), again(x), twin(x), state, type(state).__name__]
