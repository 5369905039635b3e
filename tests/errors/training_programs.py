"""Training steps that are right, each in its way: none of them may be warned of.

Each function makes ``(step, arguments)``. A step is run as it is, compiled and checked.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.nn import functional as F

Made = tuple[Callable[..., Any], tuple[Any, ...]]


def images() -> gt.Tensor:
    return gt.linspace(-1, 1, 18).reshape(6, 3)


def labels() -> gt.Tensor:
    return gt.tensor([0, 1, 2, 3, 1, 2])


class Net(nn.Module):
    """3 features to 4 scores."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 5), nn.ReLU())
        self.head = nn.Linear(5, 4)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        return self.head(self.body(x))


def plain_step(net: nn.Module, optimizer: optim.Optimizer) -> Callable[..., Any]:
    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def classifier() -> Made:
    net = Net()
    return plain_step(net, optim.SGD(net.parameters(), lr=0.1)), (images(), labels())


# ---- several models and several optimizers -----------------------------------------------------------


def gan_pieces() -> tuple[nn.Module, nn.Module, optim.Optimizer, optim.Optimizer]:
    g, d = nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    return g, d, optim.Adam(g.parameters(), lr=0.01), optim.Adam(d.parameters(), lr=0.01)


def gan() -> Made:
    g, d, g_optimizer, d_optimizer = gan_pieces()

    def step(real: gt.Tensor, z: gt.Tensor) -> gt.Tensor:
        fake = g(z)
        d_optimizer.zero_grad()
        d_loss = F.softplus(-d(real)).mean() + F.softplus(d(fake.detach())).mean()
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        g_loss = F.softplus(-d(fake)).mean()
        g_loss.backward()
        g_optimizer.step()
        return g_loss

    return step, (images(), gt.ones(6, 2))


def gan_discriminator_alone() -> Made:
    g, d, _, d_optimizer = pieces = gan_pieces()

    def step(real: gt.Tensor, z: gt.Tensor) -> gt.Tensor:
        d_optimizer.zero_grad()
        loss = F.softplus(-d(real)).mean() + F.softplus(d(g(z).detach())).mean()
        loss.backward()
        d_optimizer.step()
        return loss

    step.pieces = pieces  # type: ignore[attr-defined]  # the other optimizer lives on
    return step, (images(), gt.ones(6, 2))


def gan_generator_alone() -> Made:
    g, d, g_optimizer, _ = pieces = gan_pieces()

    def step(z: gt.Tensor) -> gt.Tensor:
        g_optimizer.zero_grad()
        loss = F.softplus(-d(g(z))).mean()
        loss.backward()
        g_optimizer.step()
        return loss

    step.pieces = pieces  # type: ignore[attr-defined]
    return step, (gt.ones(6, 2),)


def gan_in_one_module() -> Made:
    pair = nn.ModuleDict({"g": nn.Linear(2, 3), "d": nn.Linear(3, 1)})
    g_optimizer = optim.SGD(pair["g"].parameters(), lr=0.1)
    d_optimizer = optim.SGD(pair["d"].parameters(), lr=0.1)

    def step(z: gt.Tensor) -> gt.Tensor:
        g_optimizer.zero_grad()
        loss = F.softplus(-pair["d"](pair["g"](z))).mean()
        loss.backward()
        g_optimizer.step()
        return loss

    step.other = d_optimizer  # type: ignore[attr-defined]
    return step, (gt.ones(6, 2),)


def two_optimizers_of_one_encoder() -> Made:
    """An adversarial autoencoder: the encoder is trained by two optimizers, each after a backward pass of its own."""
    encoder, decoder, critic = nn.Linear(3, 2), nn.Linear(2, 3), nn.Linear(2, 1)
    both = optim.SGD([*encoder.parameters(), *decoder.parameters()], lr=0.1)
    fooling = optim.SGD(encoder.parameters(), lr=0.1)
    judging = optim.SGD(critic.parameters(), lr=0.1)

    def step(x: gt.Tensor) -> gt.Tensor:
        both.zero_grad()
        F.mse_loss(decoder(encoder(x)), x).backward()
        both.step()
        fooling.zero_grad()
        judging.zero_grad()
        loss = F.softplus(-critic(encoder(x))).mean()
        loss.backward()
        fooling.step()
        return loss

    return step, (images(),)


def one_optimizer_of_two_models() -> Made:
    used, idle = Net(), Net()
    optimizer = optim.SGD([*used.parameters(), *idle.parameters()], lr=0.1)
    return plain_step(used, optimizer), (images(), labels())


def an_optimizer_of_another_task() -> Made:
    net, other = Net(), Net()
    optimizers = [optim.SGD(net.parameters(), lr=0.1), optim.SGD(other.parameters(), lr=0.1)]

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        return loss

    return step, (images(), labels())


def an_optimizer_of_another_task_and_a_net_that_compares() -> Made:
    net, other, eye = nn.Linear(3, 3), Net(), nn.Linear(3, 4).eval()
    optimizers = [optim.SGD(net.parameters(), lr=0.1), optim.SGD(other.parameters(), lr=0.1)]

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = F.cross_entropy(eye(net(x)), y)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        return loss

    return step, (images(), labels())


def param_groups() -> Made:
    net = Net()
    groups = [{"params": net.body.parameters(), "lr": 0.01}, {"params": net.head.parameters()}]
    return plain_step(net, optim.AdamW(groups, lr=0.1)), (images(), labels())


def a_layer_added_to_the_optimizer() -> Made:
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    net.head = nn.Linear(5, 7)
    optimizer.add_param_group({"params": net.head.parameters()})
    return plain_step(net, optimizer), (images(), labels())


# ---- parts that are not trained ----------------------------------------------------------------------


def moving_average_teacher() -> Made:
    student = Net()
    teacher = copy.deepcopy(student)
    optimizer = optim.SGD(student.parameters(), lr=0.1)

    def step(x: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        with gt.no_grad():
            wanted = teacher(x).softmax(1)
        loss = F.cross_entropy(student(x), wanted)
        loss.backward()
        optimizer.step()
        with gt.no_grad():
            for slow, fast in zip(teacher.parameters(), student.parameters(), strict=True):
                slow.mul_(0.9).add_(fast * 0.1)
        return loss

    return step, (images(),)


class WithTeacher(nn.Module):
    """A student and its average in one module; an optimizer may be given all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.student, self.teacher = nn.Linear(3, 4), nn.Linear(3, 4)


def an_average_in_the_optimizer() -> Made:
    net = WithTeacher()
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def step(x: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        with gt.no_grad():
            wanted = net.teacher(x)
        loss = F.mse_loss(net.student(x), wanted)
        loss.backward()
        optimizer.step()
        with gt.no_grad():
            net.teacher.weight.copy_(net.student.weight * 0.1 + net.teacher.weight * 0.9)
            net.teacher.bias.copy_(net.student.bias * 0.1 + net.teacher.bias * 0.9)
        return loss

    return step, (images(),)


def distillation_from_eval() -> Made:
    student, teacher = Net(), nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).eval()
    optimizer = optim.SGD(student.parameters(), lr=0.1)

    def step(x: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        with gt.no_grad():
            wanted = teacher(x).softmax(1)
        loss = F.kl_div(F.log_softmax(student(x), 1), wanted, reduction="batchmean")
        loss.backward()
        optimizer.step()
        return loss

    return step, (images(),)


def frozen_backbone() -> Made:
    net = Net()
    net.body.requires_grad_(False)
    return plain_step(net, optim.SGD(net.head.parameters(), lr=0.1)), (images(), labels())


def frozen_backbone_in_the_optimizer() -> Made:
    net = Net()
    net.body.requires_grad_(False)
    return plain_step(net, optim.SGD(net.parameters(), lr=0.1)), (images(), labels())


def features_under_no_grad() -> Made:
    net = Net()
    optimizer = optim.SGD(net.head.parameters(), lr=0.1)

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        with gt.no_grad():
            features = net.body(x)
        loss = F.cross_entropy(net.head(features), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, (images(), labels())


def a_probe_on_detached_features() -> Made:
    net, probe = Net(), nn.Linear(5, 2)
    optimizer = optim.SGD([*net.parameters(), *probe.parameters()], lr=0.1)

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        features = net.body(x)
        loss = F.cross_entropy(net.head(features), y) + F.cross_entropy(probe(features.detach()), y // 2)
        loss.backward()
        optimizer.step()
        return loss

    return step, (images(), labels())


class WithUnusedHead(Net):
    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(5, 2)


def unused_head() -> Made:
    net = WithUnusedHead()
    return plain_step(net, optim.SGD(net.parameters(), lr=0.1)), (images(), labels())


def a_head_that_is_only_reported() -> Made:
    net = WithUnusedHead()
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def step(x: gt.Tensor, y: gt.Tensor) -> tuple[gt.Tensor, gt.Tensor]:
        optimizer.zero_grad()
        features = net.body(x)
        loss = F.cross_entropy(net.head(features), y)
        loss.backward()
        optimizer.step()
        return loss, net.unused(features)

    return step, (images(), labels())


def only_the_image_is_trained() -> Made:
    """Style transfer and adversarial examples: the net is asked for gradients, and not frozen."""
    net, image = Net(), nn.Parameter(images().clone())
    optimizer = optim.SGD([image], lr=0.1)

    def step(y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(image), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, (labels(),)


def a_loss_by_another_net() -> Made:
    """A perceptual loss: the net that compares is in evaluation mode, and not frozen."""
    net, eye = nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 4), nn.ReLU()).eval()
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def step(x: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        with gt.no_grad():
            wanted = eye(x)
        loss = F.mse_loss(eye(net(x)), wanted)
        loss.backward()
        optimizer.step()
        return loss

    return step, (images(),)


# ---- where gradients stop on purpose -----------------------------------------------------------------


def detached_targets() -> Made:
    """Q-learning: the target is the net's own value of the next state."""
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def step(now: gt.Tensor, then: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        target = net(then).amax(1).detach() * 0.9 + 1
        loss = F.smooth_l1_loss(net(now)[:, 0], target)
        loss.backward()
        optimizer.step()
        return loss

    return step, (images(), images() + 1)


def stop_gradient_siamese() -> Made:
    encoder, predictor = nn.Linear(3, 4), nn.Linear(4, 4)
    optimizer = optim.SGD([*encoder.parameters(), *predictor.parameters()], lr=0.1)

    def step(a: gt.Tensor, b: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        za, zb = encoder(a), encoder(b)
        loss = -F.cosine_similarity(predictor(za), zb.detach()).mean()
        loss = loss - F.cosine_similarity(predictor(zb), za.detach()).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step, (images(), images() * 0.5)


def straight_through() -> Made:
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        features = net.body(x)
        rounded = features + (features.round() - features).detach()
        loss = F.cross_entropy(net.head(rounded), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, (images(), labels())


def actor_and_critic() -> Made:
    actor, critic = nn.Linear(3, 4), nn.Linear(3, 1)
    optimizer = optim.SGD([*actor.parameters(), *critic.parameters()], lr=0.1)

    def step(x: gt.Tensor, action: gt.Tensor, returns: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        value = critic(x).squeeze(1)
        advantage = (returns - value).detach()
        log_p = F.log_softmax(actor(x), 1).gather(1, action.unsqueeze(1)).squeeze(1)
        loss = F.mse_loss(value, returns) - (log_p * advantage).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step, (images(), labels(), gt.ones(6))


def truncated_recurrence() -> Made:
    cell, head = nn.Linear(7, 4), nn.Linear(4, 2)
    optimizer = optim.SGD([*cell.parameters(), *head.parameters()], lr=0.1)

    def step(x: gt.Tensor, h: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        for _ in range(3):
            h = gt.tanh(cell(gt.cat([x, h.detach()], 1)))
        loss = F.mse_loss(head(h), y)
        loss.backward()
        optimizer.step()
        return h.detach()

    return step, (images(), gt.zeros(6, 4), gt.ones(6, 2))


def accuracy_beside_the_loss() -> Made:
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def step(x: gt.Tensor, y: gt.Tensor) -> tuple[gt.Tensor, gt.Tensor]:
        optimizer.zero_grad()
        scores = net(x)
        loss = F.cross_entropy(scores, y)
        loss.backward()
        optimizer.step()
        return loss.detach(), (scores.argmax(1) == y).float().mean()

    return step, (images(), labels())


def gradient_penalty() -> Made:
    d = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = optim.SGD(d.parameters(), lr=0.1)

    def step(x: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        point = (x * 0.5).detach().requires_grad_()
        (slope,) = gt.autograd.grad(d(point).sum(), point, create_graph=True)
        loss = ((slope.square().sum(1) - 1) ** 2).mean() + d(x).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step, (images(),)


# ---- how gradients are forgotten ---------------------------------------------------------------------


def two_backwards_per_step() -> Made:
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        for part in (slice(0, 3), slice(3, 6)):
            loss = F.cross_entropy(net(x[part]), y[part]) / 2
            loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return step, (images(), labels())


def a_closure() -> Made:
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        def closure() -> gt.Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            return loss

        return optimizer.step(closure)

    return step, (images(), labels())


def zeros_for_gradients() -> Made:
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        return loss

    return step, (images(), labels())


def the_model_forgets() -> Made:
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        net.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, (images(), labels())


def forgotten_by_hand() -> Made:
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        for p in net.parameters():
            p.grad = None
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, (images(), labels())


def clipped() -> Made:
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        return loss

    return step, (images(), labels())


def updated_by_hand() -> Made:
    net = Net()
    optimizer = optim.SGD(net.body.parameters(), lr=0.1)

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        net.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        with gt.no_grad():
            for p in net.head.parameters():
                p.sub_(p.grad * 0.01)
        return loss

    return step, (images(), labels())


def no_modules() -> Made:
    w, b = gt.ones(3, 4, requires_grad=True), gt.zeros(4, requires_grad=True)
    optimizer = optim.SGD([w, b], lr=0.1)

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(x @ w + b, y)
        loss.backward()
        optimizer.step()
        return loss

    return step, (images(), labels())


# ---- how layers are kept -----------------------------------------------------------------------------


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(9, 4), nn.Linear(4, 9, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        return self.head(self.embedding(x))


def tied_weights() -> Made:
    net = Tied()
    return plain_step(net, optim.SGD(net.parameters(), lr=0.1)), (labels(), labels() + 1)


class Aliased(nn.Module):
    """Layers in a list that are registered, too."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 4)
        self.order = [self.first, self.second]
        self.by_name = {"head": (self.second, {"deep": self.first})}

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        for layer in self.order:
            x = layer(x)
        return x


def layers_that_are_registered_elsewhere() -> Made:
    net = Aliased()
    return plain_step(net, optim.SGD(net.parameters(), lr=0.1)), (images(), labels())


class HiddenTeacher(Net):
    """A tuple, so that the teacher is not among the parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher = (nn.Linear(3, 4),)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        with gt.no_grad():
            wanted = self.teacher[0](x)
        return super().forward(x) + wanted


def a_teacher_that_is_hidden_on_purpose() -> Made:
    net = HiddenTeacher()
    return plain_step(net, optim.SGD(net.parameters(), lr=0.1)), (images(), labels())


class ByHand(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(3, 3), nn.Linear(3, 4)]

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        return self.layers[1](self.layers[0](x))


def a_list_that_the_optimizer_is_given_by_hand() -> Made:
    net = ByHand()
    params = [p for layer in net.layers for p in layer.parameters()]
    return plain_step(net, optim.SGD(params, lr=0.1)), (images(), labels())


# ---- layers that behave otherwise in training --------------------------------------------------------


def frozen_batch_norm() -> Made:
    net = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 4))
    net[1].eval()
    return plain_step(net, optim.SGD(net.parameters(), lr=0.1)), (images(), labels())


def dropout_before_the_last_layer() -> Made:
    net = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.5), nn.Linear(5, 4))
    return plain_step(net, optim.SGD(net.parameters(), lr=0.1)), (images(), labels())


def two_outputs_of_dropout() -> Made:
    """A consistency loss: what dropout gives is compared with what it gives another time."""
    net = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.5))
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def step(x: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(net(x), net(x))
        loss.backward()
        optimizer.step()
        return loss

    return step, (images(),)


def training_and_validation() -> Made:
    net = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 4))
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def step(x: gt.Tensor, y: gt.Tensor) -> tuple[gt.Tensor, gt.Tensor]:
        optimizer.zero_grad()
        net.train()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        net.eval()
        with gt.no_grad():
            validation = F.cross_entropy(net(x), y)
        net.train()
        return loss, validation

    return step, (images(), labels())


def eval_without_what_differs() -> Made:
    net = Net().eval()
    return plain_step(net, optim.SGD(net.parameters(), lr=0.1)), (images(), labels())


def an_auxiliary_loss() -> Made:
    net, extra = Net(), nn.Linear(5, 4)
    optimizer = optim.SGD([*net.parameters(), *extra.parameters()], lr=0.1)

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        features = net.body(x)
        loss = F.cross_entropy(net.head(features), y) + 0.3 * F.cross_entropy(extra(features), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, (images(), labels())


# ---- parts of nets -----------------------------------------------------------------------------------


class LowRank(nn.Module):
    """A frozen layer and what is learned beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(3, 4).requires_grad_(False)
        self.down, self.up = nn.Linear(3, 2, bias=False), nn.Linear(2, 4, bias=False)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        return self.base(x) + self.up(self.down(x))


def low_rank_adapters() -> Made:
    net = LowRank()
    params = [p for p in net.parameters() if p.requires_grad]
    return plain_step(net, optim.AdamW(params, lr=0.1)), (images(), labels())


def heads_by_task() -> Made:
    body, heads = nn.Linear(3, 5), nn.ModuleDict({"a": nn.Linear(5, 4), "b": nn.Linear(5, 2)})
    optimizer = optim.SGD([*body.parameters(), *heads.parameters()], lr=0.1)

    def step(task: str, x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(heads[task](body(x)), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, ("a", images(), labels())


class Quantizing(nn.Module):
    """A codebook: its nearest entry takes the place of the code, and the gradient passes straight through."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder, self.codes = nn.Linear(3, 2), nn.Linear(2, 3), nn.Embedding(7, 2)

    def forward(self, x: gt.Tensor) -> tuple[gt.Tensor, gt.Tensor]:
        z = self.encoder(x)
        distances = (z.unsqueeze(1) - self.codes.weight).square().sum(2)
        found = self.codes(distances.argmin(1))
        extra = F.mse_loss(found, z.detach()) + 0.25 * F.mse_loss(z, found.detach())
        return self.decoder(z + (found - z).detach()), extra


def vector_quantization() -> Made:
    net = Quantizing()
    optimizer = optim.Adam(net.parameters(), lr=0.1)

    def step(x: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        again, extra = net(x)
        loss = F.mse_loss(again, x) + extra
        loss.backward()
        optimizer.step()
        return loss

    return step, (images(),)


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(3, 2), nn.Linear(3, 2)
        self.scale = nn.Parameter(gt.zeros(()))

    def forward(self, a: gt.Tensor, b: gt.Tensor) -> gt.Tensor:
        return self.scale.exp() * F.normalize(self.left(a), dim=1) @ F.normalize(self.right(b), dim=1).T


def contrastive_with_a_learned_scale() -> Made:
    net = Scaled()
    optimizer = optim.Adam(net.parameters(), lr=0.1)

    def step(a: gt.Tensor, b: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        scores = net(a, b)
        loss = (F.cross_entropy(scores, y) + F.cross_entropy(scores.T, y)) / 2
        loss.backward()
        optimizer.step()
        return loss

    return step, (images(), images() + 1, gt.arange(6))


def a_penalty_written_out() -> Made:
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y) + 0.01 * sum(p.square().sum() for p in net.parameters())
        loss.backward()
        optimizer.step()
        return loss

    return step, (images(), labels())


PROGRAMS: list[Callable[[], Made]] = [
    f for f in list(globals().values()) if getattr(f, "__annotations__", {}).get("return") == "Made"
]
