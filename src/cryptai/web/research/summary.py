"""What a list, and what a page needs of a search's result: plain functions of the object that it prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptai.research.measured import OBJECTIVES

if TYPE_CHECKING:
    from collections.abc import Mapping


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the few figures by which a list tells searches apart."""
    evidence = found["evidence"]
    told = {"id": found.get("sweep") or found.get("walkforward"), "status": evidence["status"]}
    if "sweep" in found:
        best = found["best"]
        held = None if best is None else best["held_out"]
        return told | {
            "sets": found["done"], "pbo": evidence.get("pbo"), "objective": found["objective"],
            "params": None if best is None else best["params"],
            "value": None if best is None else best["metrics"][found["objective"]],
            "total_return": None if best is None else best["metrics"]["total_return"],
            "held_out_return": None if held is None else held["total_return"],
        }  # fmt: skip
    return told | {
        "folds": len(found["folds"]), "total_return": found["metrics"]["total_return"],
        "efficiency": found["efficiency"],
    }  # fmt: skip


def shown(found: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Return the result with the best sets only, the best first; sets without a value stand last."""
    if "sweep" not in found:
        return {
            **found,
            "folds": [
                {k: v for k, v in one.items() if k != "trades"} | {"trades": len(one["trades"])}
                for one in found["folds"]
            ],
        }
    objective = found["objective"]
    sign = OBJECTIVES[objective]

    def rank(one: Mapping[str, Any]) -> tuple[bool, float]:
        value = one["metrics"][objective]
        return value is None, 0.0 if value is None else -sign * value

    return {**found, "results": sorted(found["results"], key=rank)[:most]}
