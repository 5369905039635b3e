"""What the numeric contract says of programs, word for word; and that it says nothing of those that are sound."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.errors import ArgumentError, ArgumentTypeError
from graphtorch.frontend.diagnosis.abstract import observe
from graphtorch.frontend.diagnosis.numeric import numeric_problems, problems_of
from graphtorch.ir.codes.running import run
from graphtorch.nn import functional as F

HEAD = """import numpy as np

import graphtorch as gt
from graphtorch import nn
from graphtorch.nn import functional as F

S = gt.TensorSpec

"""

#: name -> (program, behind HEAD; what it brings forth)
CASES: dict[str, tuple[str, str]] = {
    "log of a method": (
        """class Head(nn.Module):
    def forward(self, x):
        return -x.softmax(dim=-1).log().mean()


report = gt.check(nn.Sequential(nn.Linear(5, 3), Head()), S((4, 5)))
""",
        """note GT340 in log "1": log of a softmax is -inf where that is rounded to 0
  example.py:11  return -x.softmax(dim=-1).log().mean()
  example.py:14  report = gt.check(nn.Sequential(nn.Linear(5, 3), Head()), S((4, 5)))          <- constructed here
  x f32[4,3] in [0, 1]   (from softmax)
  softmax is 0 in float32 where a score is 104 less than the greatest; log_softmax has no such limit
  fix: x.log_softmax(dim=-1)""",
    ),
    "log of a gathered softmax": (
        """def loss(scores, labels):
    p = F.softmax(scores, dim=1)
    return -gt.log(p.gather(1, labels[:, None])).mean()


report = gt.check(loss, S((4, 5)), S((4,), gt.int64))
""",
        """note GT340 in log: log of a softmax is -inf where that is rounded to 0
  example.py:11  return -gt.log(p.gather(1, labels[:, None])).mean()
  x f32[4,1] in [0, 1]   (from softmax)
  softmax is 0 in float32 where a score is 104 less than the greatest; log_softmax has no such limit""",
    ),
    "log of a sigmoid": (
        """report = gt.check(lambda x: gt.log(gt.sigmoid(x)), S((4,)))
""",
        """note GT340 in log: log of a sigmoid is -inf where that is rounded to 0
  example.py:9   report = gt.check(lambda x: gt.log(gt.sigmoid(x)), S((4,)))
  x f32[4] in [0, 1]   (from sigmoid)
  sigmoid is 0 in float32 for numbers below -104; logsigmoid has no such limit
  fix: F.logsigmoid(x)""",
    ),
    "log of one less a sigmoid": (
        """report = gt.check(lambda x: gt.log(1 - gt.sigmoid(x)), S((4,)))
""",
        """note GT340 in log: log takes numbers above 0, and this one can be 0
  example.py:9   report = gt.check(lambda x: gt.log(1 - gt.sigmoid(x)), S((4,)))
  x f32[4] in [0, 1]   (from sigmoid in [0, 1] -> sub)
  there it is -inf, and its gradient inf
  log(1 - sigmoid(x)) is F.logsigmoid(-x), which is never infinite
  fix: gt.log((1 - gt.sigmoid(x)).clamp(min=1e-6))""",
    ),
    "log of relu": (
        """report = gt.check(lambda x: gt.log2(gt.relu(x)), S((4,)))
""",
        """note GT340 in log2: log2 takes numbers above 0, and this one can be 0
  example.py:9   report = gt.check(lambda x: gt.log2(gt.relu(x)), S((4,)))
  x f32[4] in [0, inf)   (from relu)
  there it is -inf, and its gradient inf
  fix: gt.log2(gt.relu(x).clamp(min=1e-6))""",
    ),
    "log of a range": (
        """report = gt.check(lambda x: (x + 1).log10(), S((4,), range=(-1, 1)))
""",
        """note GT340 in log10: log10 takes numbers above 0, and this one can be 0
  example.py:9   report = gt.check(lambda x: (x + 1).log10(), S((4,), range=(-1, 1)))
  x f32[4] in [0, 2]   (from argument 0 in [-1, 1] -> add)
  there it is -inf, and its gradient inf
  fix: (x + 1).clamp(min=1e-6).log10()""",
    ),
    "log of negative numbers": (
        """report = gt.check(lambda x: gt.log(x), S((4,), range=(-3, 1)))
""",
        """note GT340 in log: log takes numbers above 0, and this one can be less
  example.py:9   report = gt.check(lambda x: gt.log(x), S((4,), range=(-3, 1)))
  x f32[4] in [-3, 1]   (from argument 0)
  there it is nan
  fix: gt.log(x.clamp(min=1e-6))""",
    ),
    "log1p": (
        """report = gt.check(lambda x: gt.log1p(x), S((4,), range=(-1, 1)))
""",
        """note GT340 in log1p: log1p takes numbers above -1, and this one can be -1
  example.py:9   report = gt.check(lambda x: gt.log1p(x), S((4,), range=(-1, 1)))
  x f32[4] in [-1, 1]   (from argument 0)
  there it is -inf, and its gradient inf
  fix: gt.log1p(x.clamp(min=-1 + 1e-6))""",
    ),
    "log of nothing positive": (
        """report = gt.check(lambda x: gt.log(-gt.relu(x) - 1), S((4,), range=(0, 9)))
""",
        """note GT340 in log: log takes numbers above 0, and this one can be less
  example.py:9   report = gt.check(lambda x: gt.log(-gt.relu(x) - 1), S((4,), range=(0, 9)))
  x f32[4] in [-10, -1]   (from argument 0 in [0, 9] -> relu in [0, 9] -> neg in [-9, 0] -> sub)
  there it is nan""",
    ),
    "root of a variance": (
        """report = gt.check(lambda x: ((x * x).mean() - x.mean() ** 2).sqrt(), S((4, 3), range=(0, 1)))
""",
        """note GT341 in sqrt: sqrt takes no negative numbers, and this one can be negative
  example.py:9   report = gt.check(lambda x: ((x * x).mean() - x.mean() ** 2).sqrt(), S((4, 3), range=(0, 1)))
  x f32[] in [-1, 1]   (from argument 0 in [0, 1] -> mul in [0, 1] -> mean in [0, 1] -> sub)
  there it is nan
  fix: ((x * x).mean() - x.mean() ** 2).clamp(min=1e-6).sqrt()""",
    ),
    "root as a power": (
        """report = gt.check(lambda x: x**0.5, S((4, 3), range=(0, 1), requires_grad=True))
""",
        """note GT341 in sqrt: the gradient of sqrt is infinite at 0, and this number can be 0
  example.py:9   report = gt.check(lambda x: x**0.5, S((4, 3), range=(0, 1), requires_grad=True))
  x f32[4,3] in [0, 1]   (from argument 0)
  times a gradient of 0, as of two equal vectors, it is nan
  fix: (x + 1e-6) ** 0.5""",
    ),
    "cube root": (
        """report = gt.check(lambda x: x ** (1 / 3), S((4, 3), range=(-1, 1)))
""",
        """note GT341 in pow: a power of 0.333333 takes no negative numbers, and this one can be negative
  example.py:9   report = gt.check(lambda x: x ** (1 / 3), S((4, 3), range=(-1, 1)))
  input f32[4,3] in [-1, 1]   (from argument 0)
  there it is nan
  fix: x.clamp(min=1e-6) ** (1 / 3)""",
    ),
    "root of a loss": (
        """net = nn.Linear(5, 3)
report = gt.check(net, S((4, 5)), loss=lambda y, t: F.mse_loss(y, t).sqrt(), targets=S((4, 3)))
""",
        """note GT341 in sqrt: the gradient of sqrt is infinite at 0, and this number can be 0
  example.py:10  report = gt.check(net, S((4, 5)), loss=lambda y, t: F.mse_loss(y, t).sqrt(), targets=S((4, 3)))
  x f32[] in [0, inf)   (from mse_loss)
  times a gradient of 0, as of two equal vectors, it is nan
  fix: (F.mse_loss(y, t) + 1e-6).sqrt()""",
    ),
    "rsqrt": (
        """report = gt.check(lambda x: gt.rsqrt((x * x).sum(-1)), S((4, 3)))
""",
        """note GT341 in rsqrt: rsqrt of 0 is inf, and this number can be 0
  example.py:9   report = gt.check(lambda x: gt.rsqrt((x * x).sum(-1)), S((4, 3)))
  x f32[4] in [0, inf)   (from mul in [0, inf) -> sum)
  its gradient there is not finite
  fix: gt.rsqrt((x * x).sum(-1) + 1e-6)""",
    ),
    "division by a norm": (
        """class Unit(nn.Module):
    def forward(self, x):
        return x / x.norm(dim=-1, keepdim=True)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 3)
        self.unit = Unit()

    def forward(self, x):
        return self.unit(self.linear(x))


report = gt.check(Net(), S((4, 5)))
""",
        """note GT342 in div "unit": this divisor can be 0
  example.py:11  return x / x.norm(dim=-1, keepdim=True)
  example.py:18  self.unit = Unit()          <- constructed here
  other f32[4,3] in [0, inf)   (from norm)
  the quotient by 0 is inf or nan
  fix: x / (x.norm(dim=-1, keepdim=True) + 1e-6)""",
    ),
    "division by a deviation": (
        """report = gt.check(lambda x: (x - x.mean(0)) / x.std(0), S((4, 3)))
""",
        """note GT342 in div: this divisor can be 0
  example.py:9   report = gt.check(lambda x: (x - x.mean(0)) / x.std(0), S((4, 3)))
  other f32[4,3] in [0, inf)   (from std)
  the quotient by 0 is inf or nan
  fix: (x - x.mean(0)) / (x.std(0) + 1e-6)""",
    ),
    "division by a count": (
        """report = gt.check(lambda x: x.sum() / (x > 0).sum(), S((4, 3)))
""",
        """note GT342 in div: this divisor can be 0
  example.py:9   report = gt.check(lambda x: x.sum() / (x > 0).sum(), S((4, 3)))
  other f32[] in [0, 12]   (from sum)
  the quotient by 0 is inf or nan
  fix: x.sum() / (x > 0).sum().clamp(min=1)""",
    ),
    "division by both signs": (
        """report = gt.check(lambda x: 1 / x.tanh(), S((4, 3)))
""",
        """note GT342 in div: this divisor can be 0
  example.py:9   report = gt.check(lambda x: 1 / x.tanh(), S((4, 3)))
  other f32[4,3] in [-1, 1]   (from tanh)
  the quotient by 0 is inf""",
    ),
    "reciprocal": (
        """report = gt.check(lambda x: x.relu().reciprocal(), S((4, 3)))
""",
        """note GT342 in reciprocal: this divisor can be 0
  example.py:9   report = gt.check(lambda x: x.relu().reciprocal(), S((4, 3)))
  x f32[4,3] in [0, inf)   (from relu)
  the quotient by 0 is inf""",
    ),
    "division in place": (
        """def shares(x):
    y = x.clone()
    y /= y.sum()
    return y


report = gt.check(shares, S((4, 3), range=(0, 1)))
""",
        """note GT342 in div: this divisor can be 0
  example.py:11  y /= y.sum()
  other f32[4,3] in [0, 12]   (from argument 0 in [0, 1] -> sum)
  the quotient by 0 is inf or nan""",
    ),
    "negative power": (
        """report = gt.check(lambda x: x.abs() ** -2, S((4, 3)))
""",
        """note GT342 in pow: a power of -2 divides by this number, which can be 0
  example.py:9   report = gt.check(lambda x: x.abs() ** -2, S((4, 3)))
  input f32[4,3] in [0, inf)   (from abs)
  there it is inf
  fix: (x.abs() + 1e-6) ** (-2)""",
    ),
    "remainder": (
        """report = gt.check(lambda x: 7 % x, S((4, 3), gt.int64, range=(0, 5)))
""",
        """note GT342 in remainder: this divisor can be 0
  example.py:9   report = gt.check(lambda x: 7 % x, S((4, 3), gt.int64, range=(0, 5)))
  other i64[4,3] in [0, 5]   (from argument 0)
  compiled, the quotient by 0 is 0; eager mode raises
  fix: 7 % x.clamp(min=1)""",
    ),
    "atanh": (
        """report = gt.check(lambda x: gt.atanh(x), S((4, 3), range=(-1, 1)))
""",
        """note GT343 in atanh: atanh takes numbers in (-1, 1), and this one can be at an end
  example.py:9   report = gt.check(lambda x: gt.atanh(x), S((4, 3), range=(-1, 1)))
  x f32[4,3] in [-1, 1]   (from argument 0)
  there it is infinite
  fix: gt.atanh(x.clamp(-1 + 1e-6, 1 - 1e-6))""",
    ),
    "acosh": (
        """report = gt.check(lambda x: x.acosh(), S((4, 3), range=(0, 4)))
""",
        """note GT343 in acosh: acosh takes numbers in [1, inf), and this one can be outside
  example.py:9   report = gt.check(lambda x: x.acosh(), S((4, 3), range=(0, 4)))
  x f32[4,3] in [0, 4]   (from argument 0)
  outside it is nan
  fix: x.clamp(min=1).acosh()""",
    ),
    "exp overflows": (
        """report = gt.check(lambda x: (x + 100).exp(), S((4, 3), range=(0, 1)))
""",
        """note GT344 in exp: exp overflows float32 above 88.72, and this number is greater
  example.py:9   report = gt.check(lambda x: (x + 100).exp(), S((4, 3), range=(0, 1)))
  x f32[4,3] in [100, 101]   (from argument 0 in [0, 1] -> add)
  there it is inf""",
    ),
    "exp of halves": (
        """report = gt.check(lambda x: x.exp(), S((4, 3), gt.float16, range=(0, 20)))
""",
        """note GT344 in exp: exp overflows float16 above 11.09, and this number can be greater
  example.py:9   report = gt.check(lambda x: x.exp(), S((4, 3), gt.float16, range=(0, 20)))
  x f16[4,3] in [0, 20]   (from argument 0)
  there it is inf""",
    ),
    "softmax": (
        """report = gt.check(lambda x: gt.exp(x) / gt.exp(x).sum(1, keepdim=True), S((4, 3)))
""",
        """note GT345 in div: a softmax written by hand overflows: exp is inf in float32 above 88.72
  example.py:9   report = gt.check(lambda x: gt.exp(x) / gt.exp(x).sum(1, keepdim=True), S((4, 3)))
  the quotient is then nan; gt.softmax computes it without overflow
  fix: gt.softmax(x, -1)""",
    ),
    "logsumexp": (
        """report = gt.check(lambda x: x.exp().sum(-1, keepdim=True).log(), S((4, 3)))
""",
        """note GT345 in log: a logsumexp written by hand overflows: exp is inf in float32 above 88.72
  example.py:9   report = gt.check(lambda x: x.exp().sum(-1, keepdim=True).log(), S((4, 3)))
  the logarithm is then inf; gt.logsumexp computes it without overflow
  fix: gt.logsumexp(x, -1, keepdim=True)""",
    ),
    "softplus": (
        """report = gt.check(lambda x: gt.log(1 + gt.exp(-x)), S((4, 3)))
""",
        """note GT345 in log: a softplus written by hand overflows: exp is inf in float32 above 88.72
  example.py:9   report = gt.check(lambda x: gt.log(1 + gt.exp(-x)), S((4, 3)))
  the logarithm is then inf; F.softplus computes it without overflow
  fix: F.softplus(-x)""",
    ),
    "softplus by log1p": (
        """report = gt.check(lambda x: x.exp().log1p(), S((4, 3)))
""",
        """note GT345 in log1p: a softplus written by hand overflows: exp is inf in float32 above 88.72
  example.py:9   report = gt.check(lambda x: x.exp().log1p(), S((4, 3)))
  the logarithm is then inf; F.softplus computes it without overflow
  fix: F.softplus(x)""",
    ),
    "float64 targets": (
        """net = nn.Linear(5, 3)
report = gt.check(net, S((4, 5)), loss=nn.MSELoss(), targets=S((4, 3), gt.float64))
""",
        """warning GT346 in mse_loss: float64 comes into a float32 model, through argument 1
  example.py:10  report = gt.check(net, S((4, 5)), loss=nn.MSELoss(), targets=S((4, 3), gt.float64))
  example.py:10  report = gt.check(net, S((4, 5)), loss=nn.MSELoss(), targets=S((4, 3), gt.float64))          <- constructed here
  f32[4,3] is made f64[4,3] here
  argument 1 is f64[4,3], as numpy's arrays are unless told otherwise
  make it float32 where it comes from: x.float(), or dtype=gt.float32
  all that is computed from it is float64, at half the speed or less""",
    ),
    "float64 and back": (
        """class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 3)
        self.register_buffer("scale", gt.tensor([1.0, 2.0, 3.0], dtype=gt.float64))

    def forward(self, x):
        y = self.linear(x) * self.scale
        return y.float()


report = gt.check(Scaled(), S((4, 5)))
""",
        """note GT346 in mul: float64 comes into a float32 model, through self.scale
  example.py:16  y = self.linear(x) * self.scale
  example.py:20  report = gt.check(Scaled(), S((4, 5)))          <- constructed here
  f32[4,3] is made f64[4,3] here
  self.scale is f64[3], as numpy's arrays are unless told otherwise
  make it float32 where it comes from: x.float(), or dtype=gt.float32
  fix: self.scale = self.scale.float()""",
    ),
    "float64 asked for": (
        """class Precise(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 3)

    def forward(self, x):
        y = self.linear(x)
        return y + y.double().exp()


report = gt.check(Precise(), S((4, 5)))
""",
        """note GT346 in add: float64 comes into a float32 model, through a cast to float64
  example.py:16  return y + y.double().exp()
  example.py:19  report = gt.check(Precise(), S((4, 5)))          <- constructed here
  f32[4,3] is made f64[4,3] here
  a cast to float64 gives f64[4,3]   example.py:16  return y + y.double().exp()""",
    ),
    "float64 that is refused": (
        """class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = gt.from_numpy(np.ones(5))
        self.linear = nn.Linear(5, 3)

    def forward(self, x):
        y = x * self.scale
        return self.linear(y)


report = gt.check(Scaled(), S((4, 5)))
""",
        """DTypeError GT201 in linear "linear": operands of one dtype are needed here
  example.py:17  return self.linear(y)
  example.py:13  self.linear = nn.Linear(5, 3)          <- constructed here
  input  f64[4,5]   (from mul)
  weight f32[3,5]
  bias   f32[3]
  expected graphtorch.float64, got graphtorch.float32
  self.scale is f64[5], as numpy's arrays are unless told otherwise
  make it float32 where it comes from: x.float(), or dtype=gt.float32
  it came in here: example.py:16  y = x * self.scale
  fix: self.scale = self.scale.float()""",
    ),
    "float64 input that is refused": (
        """net = nn.Linear(5, 3)
report = gt.check(net, S((4, 5), gt.float64))
""",
        """DTypeError GT201 in linear: operands of one dtype are needed here
  example.py:10  report = gt.check(net, S((4, 5), gt.float64))
  example.py:9   net = nn.Linear(5, 3)          <- constructed here
  input  f64[4,5]
  weight f32[3,5]
  bias   f32[3]
  expected graphtorch.float64, got graphtorch.float32
  argument 0 is f64[4,5], as numpy's arrays are unless told otherwise
  make it float32 where it comes from: x.float(), or dtype=gt.float32""",
    ),
    "float64 from outside in a trace": (
        """weight = gt.from_numpy(np.ones((5, 3)))
gt.trace(lambda x: x @ weight, S((4, 5)))
""",
        """DTypeError GT201 in matmul: operands of one dtype are needed here
  example.py:10  gt.trace(lambda x: x @ weight, S((4, 5)))
  input f32[4,5]
  other f64[5,3]
  expected graphtorch.float32, got graphtorch.float64
  float64 comes from a tensor made outside, as numpy's arrays are unless told otherwise
  make it float32 where it comes from: x.float(), or dtype=gt.float32""",
    ),
    "bytes": (
        """report = gt.check(lambda a: a - 128, S((3, 8, 8), gt.uint8))
""",
        """note GT347 in sub: uint8 holds [0, 255], and this result can be in [-128, 127]: it wraps around
  example.py:9   report = gt.check(lambda a: a - 128, S((3, 8, 8), gt.uint8))
  input u8[3,8,8] in [0, 255]   (from argument 0)
  other u8[3,8,8] in [128, 128]
  where the numbers are fewer, say so: gt.TensorSpec(..., range=(low, high))
  fix: a.float() - 128""",
    ),
    "bytes negated": (
        """report = gt.check(lambda a: -a, S((3, 8, 8), gt.uint8))
""",
        """note GT347 in neg: uint8 holds [0, 255], and this result can be in [-255, 0]: it wraps around
  example.py:9   report = gt.check(lambda a: -a, S((3, 8, 8), gt.uint8))
  x u8[3,8,8] in [0, 255]   (from argument 0)
  where the numbers are fewer, say so: gt.TensorSpec(..., range=(low, high))""",
    ),
    "mask inverted": (
        """report = gt.check(lambda mask: 1 - mask, S((8, 8), gt.uint8))
""",
        """note GT347 in sub: uint8 holds [0, 255], and this result can be in [-254, 1]: it wraps around
  example.py:9   report = gt.check(lambda mask: 1 - mask, S((8, 8), gt.uint8))
  input u8[8,8] in [1, 1]
  other u8[8,8] in [0, 255]   (from argument 0)
  where the numbers are fewer, say so: gt.TensorSpec(..., range=(low, high))
  fix: 1 - mask.float()""",
    ),
    "int32 with a range": (
        """report = gt.check(lambda a: a * a, S((8,), gt.int32, range=(0, 100_000)))
""",
        """note GT347 in mul: int32 holds [-2147483648, 2147483647], and this result can be in [0, 1e+10]: it wraps around
  example.py:9   report = gt.check(lambda a: a * a, S((8,), gt.int32, range=(0, 100_000)))
  input i32[8] in [0, 100000]   (from argument 0)
  other i32[8] in [0, 100000]   (from argument 0)
  where the numbers are fewer, say so: gt.TensorSpec(..., range=(low, high))
  fix: a.float() * a""",
    ),
    "image // 255": (
        """report = gt.check(lambda image: image // 255, S((3, 8, 8), gt.uint8))
""",
        """note GT348 in floor_divide: // cuts off the fraction, and the quotient is 0 or 1
  example.py:9   report = gt.check(lambda image: image // 255, S((3, 8, 8), gt.uint8))
  input u8[3,8,8] in [0, 255]   (from argument 0)
  / gives [0, 1], in the default dtype
  fix: image / 255""",
    ),
    "// used as a float": (
        """report = gt.check(lambda steps: (steps // 10) * 0.5, S((8,), gt.int64))
""",
        """note GT348 in floor_divide: // cuts off the fraction, and the quotient is used as a float
  example.py:9   report = gt.check(lambda steps: (steps // 10) * 0.5, S((8,), gt.int64))
  input i64[8]   (from argument 0)
  fix: steps / 10""",
    ),
    "cast of an image": (
        """report = gt.check(lambda x: (x / 255).to(gt.uint8), S((3, 8, 8), gt.uint8))
""",
        """note GT349 in cast: a cast to uint8 cuts numbers in [0, 1] to 0
  example.py:9   report = gt.check(lambda x: (x / 255).to(gt.uint8), S((3, 8, 8), gt.uint8))
  x f32[3,8,8] in [0, 1]   (from div)
  only 1 itself stays
  fix: (x / 255).round().to(gt.uint8)""",
    ),
    "cast of a range": (
        """report = gt.check(lambda x: x.int(), S((8,), range=(0, 0.5)))
""",
        """note GT349 in cast: a cast to int32 cuts numbers in [0, 0.5] to 0
  example.py:9   report = gt.check(lambda x: x.int(), S((8,), range=(0, 0.5)))
  x f32[8] in [0, 0.5]   (from argument 0)
  fix: x.round().int()""",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_message(name: str) -> None:
    program, expected = CASES[name]
    assert "\n\n".join(said.text for said in run(HEAD + program)) == expected


@pytest.mark.parametrize("name", [n for n, (_, text) in CASES.items() if "\n  fix: " in text and "self." not in text])
def test_the_fix_mends_it(name: str) -> None:
    """Some expression of the program, with the fix in its place, leaves nothing to say."""
    program, text = CASES[name]
    fix, line = text.rpartition("\n  fix: ")[2], int(text.partition("example.py:")[2].split()[0])
    assert any(not run(edited) for edited in _edited(HEAD + program, fix, line))


def _edited(source: str, text: str, line: int) -> list[str]:
    nodes = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.BinOp | ast.Call) and n.lineno == line]
    segments = [ast.get_source_segment(source, n) or "" for n in nodes]
    return [source.replace(s, text) for s in segments if not s.startswith(("gt.check", "S("))]


# ---- what is sound ----------------------------------------------------------------------------------

S = gt.TensorSpec
X, LABELS = S((4, 10)), S((4,), gt.int64)
IMAGES = S((2, 3, 8, 8), range=(0, 1))


def said(target: Callable[..., Any], *inputs: Any) -> list[str]:
    seen = observe(target, inputs)
    assert seen.error is None
    return list(map(str, problems_of(seen)))


class Vae(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.mean, self.logvar, self.out = (
            nn.Linear(10, 8),
            nn.Linear(8, 3),
            nn.Linear(8, 3),
            nn.Linear(3, 10),
        )

    def forward(self, x: Any) -> Any:
        h = gt.relu(self.inner(x))
        mean, logvar = self.mean(h), self.logvar(h)
        out = gt.sigmoid(self.out(mean + gt.exp(0.5 * logvar) * gt.randn_like(logvar)))
        return F.binary_cross_entropy(out, x) - 0.5 * gt.sum(1 + logvar - mean.pow(2) - logvar.exp())


class Gaussian(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mean, self.spread = nn.Linear(10, 3), nn.Linear(10, 3)

    def forward(self, x: Any, y: Any) -> Any:
        apart, sigma = (y - self.mean(x)) ** 2, F.softplus(self.spread(x))
        by_hand = apart / self.spread(x).exp() + apart / sigma**2 + gt.log(sigma) + apart / sigma
        return by_hand.mean() + F.gaussian_nll_loss(self.mean(x), y, sigma)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(12, 12), nn.Linear(12, 12), nn.Linear(12, 12)

    def forward(self, x: Any) -> Any:
        t = x.shape[1]
        q, k, v = (layer(x).view(-1, t, 3, 4).transpose(1, 2) for layer in (self.query, self.key, self.value))
        scores = q @ k.transpose(-2, -1) / math.sqrt(4)
        scores = scores.masked_fill(~gt.tril(gt.ones(t, t)).bool(), -math.inf)
        return (F.dropout(F.softmax(scores, dim=-1), 0.1) @ v).transpose(1, 2).reshape(-1, t, 12)


class Positions(nn.Module):
    def forward(self, x: Any) -> Any:
        steps, places = gt.arange(x.shape[1]).float(), gt.arange(x.shape[2])
        rates = 1.0 / (10000 ** (gt.arange(0, x.shape[2], 2).float() / x.shape[2]))
        angles = steps[:, None] * rates[None]
        return x / 10000 ** (2 * (places // 2) / x.shape[2]) + gt.cat([angles.sin(), angles.cos()], -1)


class Norms(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(gt.ones(12))
        self.layers = nn.Sequential(nn.LayerNorm(12), nn.GELU(), nn.Linear(12, 12), nn.BatchNorm1d(12), nn.Softplus())

    def forward(self, x: Any) -> Any:
        x = self.layers(x)
        mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        root = x * gt.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight
        return root + (x - mean) / gt.sqrt(var + 1e-5) + (x - mean) / (x.std(-1, keepdim=True) + 1e-6)


class Embedded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 12)

    def forward(self, tokens: Any) -> Any:
        mask = (tokens != 0).float().unsqueeze(-1)
        return (self.table(tokens) * mask).sum(1) / mask.sum(1).clamp(min=1)


def losses(x: Any, y: Any, labels: Any) -> Any:
    logp = F.log_softmax(x, -1)
    total = F.cross_entropy(x, labels, label_smoothing=0.1) + F.nll_loss(logp, labels)
    total = total + F.kl_div(logp, F.softmax(y, -1), reduction="batchmean") + F.mse_loss(x, y) + F.huber_loss(x, y)
    total = total + F.binary_cross_entropy_with_logits(x, gt.sigmoid(y)) + F.cosine_similarity(x, y, eps=1e-8).mean()
    total = total + F.pairwise_distance(x, y).mean() + F.normalize(x).sum() + F.triplet_margin_loss(x, y, x + y)
    return total + gt.logsumexp(x, -1).sum() + x.std() + gt.cdist(x, y).sum()


def careful(x: Any) -> Any:
    """All that the notes advise."""
    p = gt.sigmoid(x)
    logs = gt.log(p + 1e-7) + gt.log(1 - p + 1e-7) + gt.log(p.clamp(1e-6, 1 - 1e-6)) + gt.log(gt.where(p > 0, p, 1.0))
    e = gt.exp(x - x.amax(-1, keepdim=True))
    divisor = x.relu().sum(-1, keepdim=True)
    safe = gt.where(divisor == 0, 1.0, divisor)
    return logs + e / e.sum(-1, keepdim=True) + x / safe + 1 / (1 + gt.exp(-x)) + gt.sqrt(x.relu() + 1e-8)


def images(u: Any) -> Any:
    mean, std = (gt.tensor(v).view(1, 3, 1, 1) for v in ([0.4, 0.5, 0.6], [0.2, 0.3, 0.2]))
    return (u.float() / 255 - mean) / std, u / 127.5 - 1, 255 - u, u.long() - 300, (u > 3).long(), u // 16


SILENT: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "vae": (Vae(), (S((4, 10), range=(0, 1)),)),
    "gaussian": (Gaussian(), (X, S((4, 3)))),
    "attention": (Attention(), (S((2, 7, 12)),)),
    "positions": (Positions(), (S((2, 7, 12)),)),
    "norms": (Norms(), (S((5, 12)),)),
    "embedding": (Embedded(), (S((4, 7), gt.int64),)),
    "losses": (losses, (S((4, 10), requires_grad=True), X, LABELS)),
    "careful": (careful, (S((4, 10), requires_grad=True),)),
    "images": (images, (S((2, 3, 8, 8), gt.uint8),)),
    "unknown": (lambda x, y: gt.log(x) + gt.sqrt(y) + x / y + gt.exp(x) + gt.acos(y) + x**-0.5, (X, X)),
    "known and fine": (lambda x: gt.log(x) + gt.sqrt(x) + 1 / x + gt.exp(x) / gt.exp(x).sum(), (S((4,), range=(1, 2)),)),
    "convolutions": (
        nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(45, 2)),
        (IMAGES,),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SILENT)
def test_nothing_is_said_of_what_is_sound(name: str) -> None:
    target, inputs = SILENT[name]
    assert said(target, *inputs) == []


@pytest.mark.parametrize("rule", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_nothing_is_said_of_a_training_step(rule: str) -> None:
    net = nn.Linear(10, 3)
    optimizer = getattr(optim, rule)(net.parameters(), lr=1e-3)

    def step(x: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        return loss

    assert said(step, X, LABELS) == []


def test_a_model_of_float64_is_silent() -> None:
    net = nn.Sequential(nn.Linear(10, 3), nn.LayerNorm(3)).double()
    scale = gt.from_numpy(np.linspace(0, 1, 3))
    assert said(lambda x: net(x) * scale, S((4, 10), gt.float64)) == []
    small = gt.ones(3)
    assert said(lambda x: net(x) * small, S((4, 10), gt.float64)) == []


def test_numbers_of_float64_bring_nothing_in() -> None:
    net, scale = nn.Linear(10, 3), np.float64(0.5)
    number = gt.tensor(scale)
    assert number.dtype is gt.float64
    assert said(lambda x: net(x) * number * scale, X) == []


# ---- ranges -----------------------------------------------------------------------------------------


def test_a_tensor_promises_nothing() -> None:
    assert said(lambda x: x / x.sum(), gt.zeros(3)) == []
    assert len(said(lambda x: x / x.sum(), S((3,), range=(0, 0)))) == 1


def test_a_note_is_said_once_for_a_line_that_runs_often() -> None:
    def many(x: Any) -> Any:
        for _ in range(5):
            x = gt.relu(x)
            x = gt.log(x)
        return x

    assert len(said(many, X)) == 1


def test_without_an_abstract_run_lines_tell_calls_apart() -> None:
    def shares(x: Any) -> Any:
        total = x.sum()
        return x / total

    graph = gt.trace(shares, S((3,)))
    assert numeric_problems(graph, {}) == []
    (problem,) = numeric_problems(graph, {graph.params[0]: (0, 1)})
    assert (problem.code, problem.severity) == ("GT342", "note")


@pytest.mark.parametrize("given", [1, "01", (0,), (0, 1, 2), (0, "1"), (True, 2), {0: 1}])
def test_ranges_are_two_numbers(given: Any) -> None:
    with pytest.raises(ArgumentTypeError) as error:
        gt.TensorSpec((3,), range=given)
    assert error.value.message == f"range must be two numbers, (low, high), got {type(given).__name__} {given!r}"
    assert error.value.code == "GT301"


@pytest.mark.parametrize("given", [(1, 0), (math.nan, 1.0), (0.0, math.nan)])
def test_ranges_are_in_order(given: Any) -> None:
    with pytest.raises(ArgumentError) as error:
        gt.TensorSpec((3,), range=given)
    assert (error.value.code, error.value.message) == ("GT304", f"range={given!r} is not allowed")
    assert error.value.facts == ["expected low <= high"]


def test_ranges_may_be_lists_and_have_one_end() -> None:
    assert gt.TensorSpec((3,), range=[0, 1]).range == (0, 1)
    (message,) = said(lambda x: gt.log(x), S((3,), range=(0, math.inf)))
    assert "x f32[3] in [0, inf)   (from argument 0)" in message
