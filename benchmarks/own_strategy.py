"""A person's own compiled strategy: the last example of `docs/guide/own_strategies.md`.

It is read from the guide into a file, found by name as a workspace's are, and timed as `one_run` is: beside
the C reference, which begins its averages at the first close as the example does, and beside the limit.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.one_run import compare, peers
from cryptai.strategies.strategy import build
from cryptai.strategies.user import find_strategy

if TYPE_CHECKING:
    from collections.abc import Iterator

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "guide" / "own_strategies.md"


def measure() -> Iterator[dict[str, Any]]:
    """Yield the figures for one million bars."""
    common = peers()
    source = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)[-1]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "own_cross.py").write_text(source)
        made = build(find_strategy("own_cross", Path(folder)), {"fast": common.FAST, "slow": common.SLOW})
        yield compare("own_strategy", made, common, common.N_1M, ("tp_no_slip", "close_at_end"))
