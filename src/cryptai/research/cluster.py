"""A search on a Ray cluster: the same function on other machines, the same numbers.

A worker that is lost costs the portion it had: Ray gives that to another. Every machine must have this
version of CryptAI installed; a person's own strategy travels along.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from cryptai.errors import InputError, SourceError
from cryptai.research.measured import measure
from cryptai.strategies.strategy import USER_MODULES
from cryptai.trading.result import ENGINE_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from threading import Event

    from cryptai.parameters import Value
    from cryptai.research.explore import Runner
    from cryptai.research.measured import Bench, Measured

# Sets of one task: enough to share work between them, few enough to spread and to lose.
_PORTION: Final = 64
_RETRIES: Final = 10
_LOOK_S: Final = 0.5
_KNOCK_S: Final = 10.0


def on_cluster(address: str) -> Runner:
    """Return the runner of a cluster, connected: `host:6379`, or `auto` for the one of this machine.

    Raises
    ------
    InputError
        Where Ray is not installed, no cluster answers, or its machines have another version of CryptAI.
    """
    if importlib.util.find_spec("ray") is None:
        raise InputError(
            "--cluster needs Ray, which is not installed; install cryptai[cluster], or leave it out.",
            field="cluster",
        )
    import ray  # noqa: PLC0415 (only a cluster needs it)

    if not ray.is_initialized():
        try:
            _knock(address)
            ray.init(address=address, logging_level="ERROR", log_to_driver=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(
                f"No Ray cluster answers at {address[:60]!r} ({type(error).__name__}); start one with "
                "`ray start --head`, or leave --cluster out.",
                field="cluster",
            ) from error
    theirs = ray.get(ray.remote(_version).remote())
    if theirs != _version():
        raise InputError(
            f"The cluster has CryptAI {theirs}, this machine {_version()}; install the same on both.",
            field="cluster",
        )
    return _run


def _knock(address: str) -> None:
    # Ray itself tries for minutes where nobody listens.
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and "://" not in address:
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()


def _version() -> str:
    return f"{version('cryptai')} (engine {ENGINE_VERSION})"


def _run(bench: Bench, sets: Sequence[dict[str, Value]], stop: Event | None) -> Iterator[list[Measured]]:
    import ray  # noqa: PLC0415
    from ray import cloudpickle, exceptions  # noqa: PLC0415

    module = bench.strategy.__module__
    if module.startswith(USER_MODULES):
        # No other machine can import it: it is sent as it stands.
        cloudpickle.register_pickle_by_value(sys.modules[module])
    task: Any = ray.remote(max_retries=_RETRIES)(measure)
    shared = ray.put(bench)
    waiting = [task.remote(shared, sets[at : at + _PORTION]) for at in range(0, len(sets), _PORTION)]
    try:
        while waiting and not (stop is not None and stop.is_set()):
            done, waiting = ray.wait(waiting, timeout=_LOOK_S)
            for one in done:
                yield ray.get(one)
    except exceptions.RayTaskError as error:
        # What a set itself raised comes wrapped.
        cause = error.cause
        raise (cause if isinstance(cause, InputError) else error) from error
    except exceptions.RayError as error:
        raise SourceError(
            f"The cluster is lost ({type(error).__name__}); what is finished is kept."
        ) from error
    finally:
        for one in waiting:
            ray.cancel(one, force=True)
