"""Compile every kernel before the tests, once: else each of pytest's workers compiles them all."""

from __future__ import annotations

import importlib
import os
import pkgutil
from concurrent.futures import ProcessPoolExecutor

from cryptai import features, trading
from cryptai.jit import NativeKernel
from cryptai.kernels import Kernel


def kernels() -> list[tuple[str, str]]:
    """Return (module, name there) of every kernel, those of the engine, which take longest, first."""
    found = {}
    for package in (trading, features):
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, value in vars(importlib.import_module(info.name)).items():
                if isinstance(value, Kernel | NativeKernel):
                    found.setdefault(id(value), (info.name, name))
    return list(found.values())


def compiled(kernel: tuple[str, str]) -> None:
    """Compile one, unless its object code is kept already."""
    module, name = kernel
    one = getattr(importlib.import_module(module), name)
    native = one if isinstance(one, NativeKernel) else one._native
    if not native.object_file().exists():
        native._prepare()


if __name__ == "__main__":
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compiled, kernels()))
