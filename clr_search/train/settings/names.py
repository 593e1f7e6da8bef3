"""The values of the settings that are chosen by name."""

from __future__ import annotations

from typing import Literal

MethodName = Literal["simclr", "instdisc", "supervised"]
LossName = Literal[
    "nt-xent", "dcl", "nt-logistic", "nt-logistic-semi-hard", "margin", "margin-semi-hard"
]
Architecture = Literal["resnet18", "resnet34", "resnet50"]
Norm = Literal["batch", "group"]
Statistics = Literal["batch", "fixed"]
Stem = Literal["cifar", "middle", "imagenet"]
Head = Literal["nonlinear", "linear", "none"]
OptimizerName = Literal["lars", "sgd", "adamw"]
Scaling = Literal["sqrt", "linear"]
Precision = Literal["fp32", "bf16"]
Cache = Literal["memory", "mmap"]
Auto = Literal["auto"]
