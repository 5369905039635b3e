"""Training steps that are wrong, and what is said of each. A program is that of a file example.py."""

from __future__ import annotations

_START = """\
import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.nn import functional as F

x, y = gt.ones(6, 3), gt.tensor([0, 1, 2, 3, 1, 2])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(3, 5)
        self.head = nn.Linear(5, 4)

    def forward(self, x):
        return self.head(self.body(x).relu())


def train(net, optimizer, forward=None):
    @gt.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy((forward or net)(x), y)
        loss.backward()
        optimizer.step()
        return loss

    step(x, y)

"""

#: what is wrong -> (the program, each message of it)
BROKEN: dict[str, tuple[str, ...]] = {
    "a layer was replaced": (
        _START
        + """\
net = Net()
optimizer = optim.SGD(net.parameters(), lr=0.1)
net.head = nn.Linear(5, 7)
train(net, optimizer)
""",
        """\
warning GT330 in SGD "head": 2 of the 4 parameters of the optimizer belong to a layer that was replaced
  example.py:30  optimizer = optim.SGD(net.parameters(), lr=0.1)
  example.py:31  net.head = nn.Linear(5, 7)          <- constructed here
  head.weight: the optimizer has f32[4,5], the model f32[7,5]
  head.bias: the optimizer has f32[4], the model f32[7]
  SGD updates what the model no longer uses; head.weight, head.bias will not change
  fix: below line 31: optimizer = optim.SGD(net.parameters(), lr=0.1)""",
    ),
    "a layer without a bias took its place": (
        _START
        + """\
net = Net()
optimizer = optim.Adam(
    net.parameters(),
    lr=0.1,
)
net.head = nn.Linear(5, 7, bias=False)
train(net, optimizer)
""",
        """\
warning GT330 in Adam "head": 2 of the 4 parameters of the optimizer belong to a layer that was replaced
  example.py:30  optimizer = optim.Adam(
  example.py:34  net.head = nn.Linear(5, 7, bias=False)          <- constructed here
  head.weight: the optimizer has f32[4,5], the model f32[7,5]
  Adam updates what the model no longer uses; head.weight will not change
  fix: build the optimizer below line 34""",
    ),
    "the model was made again": (
        _START
        + """\
net = Net()
optimizer = optim.SGD(net.parameters(), lr=0.1)
net = Net()
train(net, optimizer)
""",
        """\
ContractError GT330 in SGD: none of the 4 parameters of the optimizer is in the model
  example.py:30  optimizer = optim.SGD(net.parameters(), lr=0.1)
  example.py:31  net = Net()          <- constructed here
  the model has body.weight, body.bias, head.weight, head.bias, which no optimizer holds
  the optimizer has f32[5,3], f32[5], f32[4,5], f32[4]; SGD.step() does nothing
  fix: below line 31: optimizer = optim.SGD(net.parameters(), lr=0.1)""",
    ),
    "the optimizer has one parameter of another model": (
        _START
        + """\
other, net = Net(), Net()
optimizer = optim.SGD([other.body.weight], lr=0.1)
train(net, optimizer)
""",
        """\
ContractError GT330 in SGD: the parameter of the optimizer is not in the model
  example.py:30  optimizer = optim.SGD([other.body.weight], lr=0.1)
  example.py:29  other, net = Net(), Net()          <- constructed here
  the model has body.weight, body.bias, head.weight, head.bias, which no optimizer holds
  the optimizer has f32[5,3]; SGD.step() does nothing
  fix: build the optimizer from the model that is trained, after its last layer is in place""",
    ),
    "a layer was added after the optimizer": (
        _START
        + """\
net = nn.Sequential(nn.Linear(3, 5), nn.ReLU())
optimizer = optim.SGD(net.parameters(), lr=0.1)
net.append(nn.Linear(5, 4))
train(net, optimizer)
""",
        """\
warning GT331 in SGD "2": 2 parameters get gradients and are in no optimizer
  example.py:30  optimizer = optim.SGD(net.parameters(), lr=0.1)
  example.py:31  net.append(nn.Linear(5, 4))          <- constructed here
  2.weight, 2.bias will not change
  give the optimizer what is to be trained, and freeze the rest, requires_grad_(False)""",
    ),
    "one of two models is in no optimizer": (
        _START
        + """\
class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Net()
        self.decoder = nn.Linear(4, 4)

    def forward(self, x):
        return self.decoder(self.encoder(x))


pair = Pair()
train(pair, optim.SGD(pair.encoder.parameters(), lr=0.1))
""",
        """\
warning GT331 in SGD "decoder": 2 parameters get gradients and are in no optimizer
  example.py:40  train(pair, optim.SGD(pair.encoder.parameters(), lr=0.1))
  example.py:33  self.decoder = nn.Linear(4, 4)          <- constructed here
  decoder.weight, decoder.bias will not change
  give the optimizer what is to be trained, and freeze the rest, requires_grad_(False)""",
    ),
    "two optimizers step after one backward": (
        _START
        + """\
net = Net()
first = optim.SGD(net.parameters(), lr=0.1)
second = optim.Adam(net.head.parameters(), lr=0.1)


@gt.compile
def step(x, y):
    first.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    first.step()
    second.step()
    return loss


step(x, y)
""",
        """\
warning GT333 in Adam: two optimizers update 2 parameters with the same gradient
  example.py:40  second.step()
  head.weight, head.bias
  SGD was built at example.py:30  first = optim.SGD(net.parameters(), lr=0.1)
  Adam was built at example.py:31  second = optim.Adam(net.head.parameters(), lr=0.1)
  the first of the two steps is example.py:39  first.step()
  give each parameter to one optimizer, or call backward() between the two steps""",
    ),
    "layers in a list": (
        _START
        + """\
class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(3, 3) for _ in range(2)]
        self.head = nn.Linear(3, 4)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).relu()
        return self.head(x)


net = Deep()
train(net, optim.SGD(net.parameters(), lr=0.1))
""",
        """\
ContractError GT334: Deep.layers keeps layers in a plain list, where the module does not count them as its own
  example.py:32  self.layers = [nn.Linear(3, 3) for _ in range(2)]
  example.py:41  net = Deep()          <- constructed here
  layers.0.weight, layers.0.bias, layers.1.weight, layers.1.bias: parameters(), state_dict() and to() do not find them
  the forward pass uses them, and no optimizer trains them
  fix: self.layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(2)])""",
    ),
    "layers in a tuple over several lines": (
        _START
        + """\
class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = (
            nn.Linear(3, 5),
            nn.Linear(5, 5),
        )
        self.head = nn.Linear(5, 4)

    def forward(self, x):
        return self.head(self.layers[1](self.layers[0](x)))


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.deep = Deep()

    def forward(self, x):
        return self.deep(x)


net = Whole()
train(net, optim.SGD(net.parameters(), lr=0.1))
""",
        """\
ContractError GT334 "deep": Deep.layers keeps layers in a plain tuple, where the module does not count them as its own
  example.py:32  self.layers = (
  example.py:45  self.deep = Deep()          <- constructed here
  deep.layers.0.weight, deep.layers.0.bias, deep.layers.1.weight, deep.layers.1.bias: parameters(), state_dict() and to() do not find them
  the forward pass uses them, and no optimizer trains them
  fix: self.layers = nn.ModuleList([nn.Linear(3, 5), nn.Linear(5, 5)])""",
    ),
    "layers in a dict that is filled": (
        _START
        + """\
class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.branches = {}
        for name in ("left", "right"):
            self.branches[name] = nn.Linear(3, 4)
        self.head = nn.Linear(4, 4)

    def forward(self, x):
        return self.head(self.branches["left"](x) + self.branches["right"](x))


net = Branches()
train(net, optim.SGD(net.parameters(), lr=0.1))
""",
        """\
ContractError GT334: Branches.branches keeps layers in a plain dict, where the module does not count them as its own
  example.py:32  self.branches = {}
  example.py:41  net = Branches()          <- constructed here
  branches.left.weight, branches.left.bias, branches.right.weight, branches.right.bias: parameters(), state_dict() and to() do not find them
  the forward pass uses them, and no optimizer trains them
  fix: self.branches = nn.ModuleDict()""",
    ),
    "layers by number": (
        _START
        + """\
class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.by_size = {3: nn.Linear(3, 4)}
        self.head = nn.Linear(4, 4)

    def forward(self, x):
        return self.head(self.by_size[x.shape[1]](x))


net = Branches()
train(net, optim.SGD(net.parameters(), lr=0.1))
""",
        """\
ContractError GT334: Branches.by_size keeps layers in a plain dict, where the module does not count them as its own
  example.py:32  self.by_size = {3: nn.Linear(3, 4)}
  example.py:39  net = Branches()          <- constructed here
  by_size.3.weight, by_size.3.bias: parameters(), state_dict() and to() do not find them
  the forward pass uses them, and no optimizer trains them
  an nn.ModuleList or an nn.ModuleDict, whose keys are strings, counts what it holds; so does an attribute""",
    ),
    "parameters in a list": (
        _START
        + """\
class Sums(nn.Module):
    def __init__(self):
        super().__init__()
        self.scales = [nn.Parameter(gt.ones(3)) for _ in range(2)]
        self.head = nn.Linear(3, 4)

    def forward(self, x):
        return self.head(x * self.scales[0] * self.scales[1])


net = Sums()
train(net, optim.SGD(net.parameters(), lr=0.1))
""",
        """\
ContractError GT334: Sums.scales keeps parameters in a plain list, where the module does not count them as its own
  example.py:32  self.scales = [nn.Parameter(gt.ones(3)) for _ in range(2)]
  example.py:39  net = Sums()          <- constructed here
  scales.0, scales.1: parameters(), state_dict() and to() do not find them
  the forward pass uses them, and no optimizer trains them
  assign each to an attribute of its own, or call register_parameter(name, parameter)""",
    ),
    "a tensor that is no parameter": (
        _START
        + """\
class Scaled(Net):
    def __init__(self):
        super().__init__()
        self.scale = gt.ones(3, requires_grad=True)

    def forward(self, x):
        return super().forward(x * self.scale)


net = Scaled()
train(net, optim.SGD(net.parameters(), lr=0.1))
""",
        """\
warning GT334: Scaled.scale is a tensor that requires gradients and no nn.Parameter, which the module would count as its own
  example.py:32  self.scale = gt.ones(3, requires_grad=True)
  example.py:38  net = Scaled()          <- constructed here
  scale: parameters(), state_dict() and to() do not find it
  the forward pass uses it, and no optimizer trains it
  fix: self.scale = nn.Parameter(gt.ones(3, requires_grad=True))""",
    ),
    "one of two models is forgotten": (
        _START
        + """\
encoder, decoder = Net(), nn.Linear(4, 4)
train(decoder, optim.SGD(encoder.parameters(), lr=0.1), lambda x: decoder(encoder(x)))
""",
        """\
warning GT331 in SGD "decoder": 2 parameters get gradients and are in no optimizer
  example.py:30  train(decoder, optim.SGD(encoder.parameters(), lr=0.1), lambda x: decoder(encoder(x)))
  example.py:29  encoder, decoder = Net(), nn.Linear(4, 4)          <- constructed here
  decoder.weight, decoder.bias will not change
  give the optimizer what is to be trained, and freeze the rest, requires_grad_(False)""",
    ),
    "a path that ends in detach": (
        _START
        + """\
net = Net()
train(net, optim.SGD(net.parameters(), lr=0.1), lambda x: net.head(net.body(x).detach()))
""",
        """\
warning GT335 "body": 2 parameters get no gradient: the path to the loss ends in detach()
  example.py:30  train(net, optim.SGD(net.parameters(), lr=0.1), lambda x: net.head(net.body(x).detach()))
  example.py:11  self.body = nn.Linear(3, 5)          <- constructed here
  body.weight, body.bias will not change, though SGD is to train them
  freeze them, requires_grad_(False), if that is meant""",
    ),
    "a path that ends in a comparison": (
        _START
        + """\
net = Net()
train(net, optim.SGD(net.parameters(), lr=0.1), lambda x: net.head((net.body(x) > 0).float()))
""",
        """\
warning GT335 "body": 2 parameters get no gradient: the path to the loss ends in the comparison >
  example.py:30  train(net, optim.SGD(net.parameters(), lr=0.1), lambda x: net.head((net.body(x) > 0).float()))
  example.py:11  self.body = nn.Linear(3, 5)          <- constructed here
  body.weight, body.bias will not change, though SGD is to train them
  freeze them, requires_grad_(False), if that is meant""",
    ),
    "a path that ends in argmax": (
        _START
        + """\
class Lookup(nn.Module):
    def __init__(self):
        super().__init__()
        self.scores = nn.Linear(3, 7)
        self.table = nn.Embedding(7, 4)

    def forward(self, x):
        return self.table(self.scores(x).argmax(1))


net = Lookup()
train(net, optim.SGD(net.parameters(), lr=0.1))
""",
        """\
warning GT335 "scores": 2 parameters get no gradient: the path to the loss ends in argmax()
  example.py:36  return self.table(self.scores(x).argmax(1))
  example.py:32  self.scores = nn.Linear(3, 7)          <- constructed here
  scores.weight, scores.bias will not change, though SGD is to train them
  freeze them, requires_grad_(False), if that is meant""",
    ),
    "a path that ends in a conversion": (
        _START
        + """\
net = Net()
train(net, optim.SGD(net.parameters(), lr=0.1), lambda x: net.head(net.body(x).int() / 2))
""",
        """\
warning GT335 "body": 2 parameters get no gradient: the path to the loss ends in a conversion to int32
  example.py:30  train(net, optim.SGD(net.parameters(), lr=0.1), lambda x: net.head(net.body(x).int() / 2))
  example.py:11  self.body = nn.Linear(3, 5)          <- constructed here
  body.weight, body.bias will not change, though SGD is to train them
  freeze them, requires_grad_(False), if that is meant""",
    ),
    "a path that ends in rounding": (
        _START
        + """\
net = Net()
train(net, optim.SGD(net.parameters(), lr=0.1), lambda x: net.head(net.body(x).round()))
""",
        """\
warning GT335 "body": 2 parameters get no gradient: the path to the loss ends in round(), whose derivative is 0
  example.py:30  train(net, optim.SGD(net.parameters(), lr=0.1), lambda x: net.head(net.body(x).round()))
  example.py:11  self.body = nn.Linear(3, 5)          <- constructed here
  body.weight, body.bias will not change, though SGD is to train them
  freeze them, requires_grad_(False), if that is meant""",
    ),
    "a path that ends in data": (
        _START
        + """\
net = Net()
train(net, optim.SGD(net.parameters(), lr=0.1), lambda x: net.head(net.body(x).data))
""",
        """\
warning GT335 "body": 2 parameters get no gradient: the path to the loss ends in .data
  example.py:30  train(net, optim.SGD(net.parameters(), lr=0.1), lambda x: net.head(net.body(x).data))
  example.py:11  self.body = nn.Linear(3, 5)          <- constructed here
  body.weight, body.bias will not change, though SGD is to train them
  freeze them, requires_grad_(False), if that is meant""",
    ),
    "a path that ends in no_grad": (
        _START
        + """\
class Half(Net):
    def forward(self, x):
        with gt.no_grad():
            features = self.body(x)
            features = features.relu()
        return self.head(features)


net = Half()
train(net, optim.SGD(net.parameters(), lr=0.1))
""",
        """\
warning GT335 "body": 2 parameters get no gradient: the path to the loss ends in gt.no_grad()
  example.py:32  features = self.body(x)
  example.py:11  self.body = nn.Linear(3, 5)          <- constructed here
  body.weight, body.bias will not change, though SGD is to train them
  freeze them, requires_grad_(False), if that is meant""",
    ),
    "a loss that depends on no parameter": (
        _START
        + """\
net = Net()
train(net, optim.SGD(net.parameters(), lr=0.1), lambda x: F.one_hot(net(x).argmax(1), 4).float())
""",
        """\
AutogradError GT506: backward() of a tensor that does not depend on anything that requires gradients
  example.py:23  loss.backward()
  the path from body.weight, body.bias, head.weight, head.bias to it ends in argmax() at example.py:30  train(net, optim.SGD(net.parameters(), lr=0.1), lambda x: F.one_hot(net(x).argmax(1), 4).float())
  call requires_grad_() on what you want gradients of, or leave gt.no_grad()""",
    ),
    "no zero_grad": (
        _START
        + """\
net = Net()
opt = optim.SGD(net.parameters(), lr=0.1)


@gt.compile
def step(x, y):
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    opt.step()


for _ in range(3):
    step(x, y)
""",
        """\
warning GT336 in SGD: the gradients are not cleared from one step to the next
  example.py:37  opt.step()
  backward() adds to them: example.py:36  loss.backward()
  each step is made with the sum of the gradients of all calls so far
  fix: opt.zero_grad() before loss.backward()""",
    ),
    "a model in eval": (
        _START
        + """\
net = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Dropout(0.2), nn.Linear(5, 4))
net.eval()
train(net, optim.SGD(net.parameters(), lr=0.1))
""",
        """\
warning GT337 in SGD: Sequential is trained in evaluation mode
  example.py:24  optimizer.step()
  example.py:29  net = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Dropout(0.2), nn.Linear(5, 4))          <- constructed here
  BatchNorm1d '1', Dropout '2': nothing is dropped, running statistics are used and do not move
  call train() after an evaluation""",
    ),
    "one sample": (
        _START
        + """\
net = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 4))
train(net, optim.SGD(net.parameters(), lr=0.1), lambda x: net(x[:1]))
""",
        """\
ArgumentError GT305 in batch_norm "1": a channel has one value: it has no variance to train on
  example.py:30  train(net, optim.SGD(net.parameters(), lr=0.1), lambda x: net(x[:1]))
  example.py:29  net = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 4))          <- constructed here
  input        f32[1,5]   (from linear "0")
  running_mean f32[5]
  running_var  f32[5]
  weight       f32[5]
  bias         f32[5]
  expected more than 1 value per channel, got n=1 (input [1, 5])
  train on larger batches (drop_last=True of a DataLoader leaves out a last one of 1 sample), or call eval()""",
    ),
    "one pixel": (
        _START
        + """\
nn.BatchNorm2d(5)(gt.ones(1, 5, 1, 1))
""",
        """\
ArgumentError GT305 in batch_norm: a channel has one value: it has no variance to train on
  example.py:29  nn.BatchNorm2d(5)(gt.ones(1, 5, 1, 1))
  example.py:29  nn.BatchNorm2d(5)(gt.ones(1, 5, 1, 1))          <- constructed here
  input        f32[1,5,1,1]   (from ones)
  running_mean f32[5]
  running_var  f32[5]
  weight       f32[5]
  bias         f32[5]
  expected more than 1 value per channel, got n=1 and a spatial size of 1x1 (input [1, 5, 1, 1])
  train on larger batches (drop_last=True of a DataLoader leaves out a last one of 1 sample), or call eval()""",
    ),
    "dropout at the end": (
        _START
        + """\
net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.25))
train(net, optim.SGD(net.parameters(), lr=0.1), lambda x: net(x).reshape(6, 4))
""",
        """\
warning GT338 in dropout "1": dropout is the last layer: its output goes into cross_entropy
  example.py:30  train(net, optim.SGD(net.parameters(), lr=0.1), lambda x: net(x).reshape(6, 4))
  example.py:29  net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.25))          <- constructed here
  25% of the scores become 0 in training, and the others are scaled by 1.33333
  dropout belongs before the last layer""",
    ),
    "dropout of predictions": (
        _START
        + """\
net = nn.Linear(3, 2)
optimizer = optim.SGD(net.parameters(), lr=0.1)


@gt.compile
def step(x, y):
    optimizer.zero_grad()
    loss = F.mse_loss(F.dropout(net(x)), y)
    loss.backward()
    optimizer.step()


step(x, gt.ones(6, 2))
""",
        """\
warning GT338 in dropout: dropout is the last layer: its output goes into mse_loss
  example.py:36  loss = F.mse_loss(F.dropout(net(x)), y)
  50% of the predictions become 0 in training, and the others are scaled by 2
  dropout belongs before the last layer""",
    ),
    "a parameter in two groups": (
        _START
        + """\
net = Net()
optim.SGD([{"params": net.parameters()}, {"params": net.head.parameters()}], lr=0.1)
""",
        """\
ArgumentError GT306: params[0] f32[4,5] is given twice
  example.py:30  optim.SGD([{"params": net.parameters()}, {"params": net.head.parameters()}], lr=0.1)
  groups 0 and 1 both have it; expected every parameter once, in one group""",
    ),
    "frozen parameters in the optimizer": (
        _START
        + """\
net = Net()
net.body.requires_grad_(False)
optimizer = optim.SGD(net.parameters(), lr=0.1)
report = gt.check(net, x, loss=F.cross_entropy, targets=y, optimizer=optimizer)
""",
        """\
note GT332 in SGD: 2 parameters of the optimizer do not require gradients
  example.py:31  optimizer = optim.SGD(net.parameters(), lr=0.1)
  body.weight, body.bias will not change""",
    ),
    "a layer that is not used": (
        _START
        + """\
class Spare(Net):
    def __init__(self):
        super().__init__()
        self.spare = nn.Linear(9, 9)


net = Spare()
optimizer = optim.SGD(net.parameters(), lr=0.1)
report = gt.check(net, x, loss=F.cross_entropy, targets=y, optimizer=optimizer)
""",
        """\
note GT339 "spare": 2 parameters get no gradient: they are not used in this step
  example.py:32  self.spare = nn.Linear(9, 9)
  spare.weight, spare.bias will not change""",
    ),
    "a model of which gradients are asked in vain": (
        _START
        + """\
net, image = Net(), nn.Parameter(gt.ones(6, 3))
optimizer = optim.SGD([image], lr=0.1)


def step(y):
    optimizer.zero_grad()
    F.cross_entropy(net(image), y).backward()
    optimizer.step()


report = gt.check(step, y)
""",
        """\
note GT331 in SGD: 4 parameters get gradients and are in no optimizer
  example.py:30  optimizer = optim.SGD([image], lr=0.1)
  example.py:29  net, image = Net(), nn.Parameter(gt.ones(6, 3))          <- constructed here
  body.weight, body.bias, head.weight, head.bias will not change
  give the optimizer what is to be trained, and freeze the rest, requires_grad_(False)""",
    ),
}
