"""Hyperparameters and the metrics that they led to, as messages of TensorBoard's page of hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf.struct_pb2 import ListValue, Value
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import DataType, Experiment, HParamInfo, MetricInfo, MetricName, Status
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

from graphtorch.frontend.tensor import Tensor
from graphtorch.utils.tensorboard.arguments import as_scalar, as_tag, wrong_type
from graphtorch.utils.tensorboard.summaries import for_plugin

Hyperparameter = float | str


def summaries(
    hparam_dict: Any, metric_dict: Any, hparam_domain_discrete: Any = None
) -> tuple[list[Any], dict[str, float]]:
    """The three messages of a run (its experiment, its start, its end), and its metrics as floats.

    As torch writes it, a bool is a number, and a hyperparameter that is None is left out.
    """
    for name, given in (("hparam_dict", hparam_dict), ("metric_dict", metric_dict)):
        if not isinstance(given, dict):
            raise wrong_type(name, given, "a dict")
    domains = _domains(hparam_dict, hparam_domain_discrete)
    chosen = {as_tag(k, "a key of hparam_dict"): _value(k, v) for k, v in hparam_dict.items() if v is not None}
    metrics = {as_tag(k, "a key of metric_dict"): as_scalar(v, f"metric_dict[{k!r}]") for k, v in metric_dict.items()}
    start = SessionStartInfo(hparams={name: _message(value) for name, value in chosen.items()})
    experiment = Experiment(
        hparam_infos=[_info(name, value, domains.get(name)) for name, value in chosen.items()],
        metric_infos=[MetricInfo(name=MetricName(tag=name)) for name in metrics],
    )
    end = SessionEndInfo(status=Status.Value("STATUS_SUCCESS"))
    return [
        _summary(metadata.EXPERIMENT_TAG, experiment=experiment),
        _summary(metadata.SESSION_START_INFO_TAG, session_start_info=start),
        _summary(metadata.SESSION_END_INFO_TAG, session_end_info=end),
    ], metrics


def _value(name: Any, given: Any) -> Hyperparameter:
    """A hyperparameter as what the format has for it."""
    if isinstance(given, str):
        return as_tag(given, f"hparam_dict[{name!r}]")
    if isinstance(given, bool | int | float | np.generic | Tensor):
        return as_scalar(given, f"hparam_dict[{name!r}]")
    raise wrong_type(f"hparam_dict[{name!r}]", given, "a number, a str, a bool, None or a tensor of one element")


def _domains(chosen: Mapping[str, Any], given: Any) -> Mapping[str, list[Hyperparameter]]:
    """All values that hyperparameters may have, for those of which that is known."""
    if given is not None and not isinstance(given, dict):
        raise wrong_type("hparam_domain_discrete", given, "a dict")
    for name, values in (given or {}).items():
        known = name in chosen and isinstance(values, list)
        if not known or not all(isinstance(value, type(chosen[name])) for value in values):
            expected = f"a list of values of the type of hparam_dict[{name!r}]"
            raise wrong_type(f"hparam_domain_discrete[{name!r}]", values, expected)
    return {name: [_value(name, value) for value in values] for name, values in (given or {}).items()}


def _message(value: Hyperparameter) -> Any:
    return Value(string_value=value) if isinstance(value, str) else Value(number_value=value)


def _info(name: str, value: Hyperparameter, domain: list[Hyperparameter] | None) -> Any:
    kind = DataType.Value("DATA_TYPE_STRING" if isinstance(value, str) else "DATA_TYPE_FLOAT64")
    values = None if domain is None else ListValue(values=[_message(one) for one in domain])
    return HParamInfo(name=name, type=kind, domain_discrete=values)


def _summary(tag: str, **content: Any) -> Any:
    data = HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content).SerializeToString()
    return Summary(value=[Summary.Value(tag=tag, metadata=for_plugin(metadata.PLUGIN_NAME, data))])
