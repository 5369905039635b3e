"""Training that is stopped and goes on from a file, in another process, ends with the same bits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

#: trains from step ``first`` to ``last``, from the file ``begin`` if there is one, and writes all its state to ``end``
PROGRAM = """
import sys
import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from graphtorch.utils.data import DataLoader, TensorDataset

compiled, workers, begin, stop, end = sys.argv[1] == "compiled", int(sys.argv[2]), *sys.argv[3:]
rng = gt.Generator().manual_seed(5)
data = TensorDataset(gt.randn(52, 6, generator=rng), gt.randint(0, 3, (52,), generator=rng))
gt.manual_seed(1)
net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
ema = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9))
optimizer = optim.AdamW(net.parameters(), lr=0.01, amsgrad=True)
schedule = optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=40)
loader = DataLoader(data, batch_size=7, shuffle=True, num_workers=workers)
parts = {"net": net, "ema": ema, "optimizer": optimizer, "schedule": schedule, "loader": loader}


def step(x, y):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
    return loss


step = gt.compile(step) if compiled else step
done, epoch, losses = 0, 0, []
if begin != "none":
    saved = gt.load(begin)
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    gt.set_rng_state(saved["rng"])
    done, epoch, losses = saved["done"], saved["epoch"], saved["losses"]
while done < int(stop):
    for x, y in loader:
        losses.append(step(x, y).item())
        ema.update_parameters(net)
        schedule.step()
        done += 1
        if done == int(stop):
            break
    else:
        epoch += 1
state = {name: part.state_dict() for name, part in parts.items()}
gt.save(state | {"rng": gt.get_rng_state(), "done": done, "epoch": epoch, "losses": losses}, end)
"""


@pytest.mark.parametrize(
    ("how", "workers"), [("eager", 0), pytest.param("compiled", 0, marks=pytest.mark.slow), ("compiled", 2)]
)
def test_training_goes_on_exactly(how: str, workers: int, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(PROGRAM)

    def train(begin: str, stop: int, end: str) -> None:
        command = [sys.executable, "train.py", how, str(workers), begin, str(stop), end]
        subprocess.run(command, cwd=tmp_path, check=True)

    train("none", 12, "half.pt")  # in the second pass over the data
    train("half.pt", 25, "resumed.pt")
    train("none", 25, "whole.pt")
    resumed, whole = (tmp_path / "resumed.pt").read_bytes(), (tmp_path / "whole.pt").read_bytes()
    assert resumed == whole
    length = int.from_bytes(whole[:8], "little")
    said = json.loads(json.loads(whole[8 : 8 + length])["__metadata__"]["graphtorch"])["value"]
    assert said["done"] == 25 and len(set(said["losses"])) == 25
