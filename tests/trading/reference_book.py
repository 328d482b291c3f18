"""The words of the reference: bars, rows, rules, positions, orders and what a run leaves."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

DAY = 24 * 60 * 60 * 1000
YEAR = 365 * DAY
REFUSALS = (
    "cash", "step", "min_notional", "max_open", "exposure", "group", "daily_loss", "drawdown", "cooldown",
    "stop_guard", "volume", "kelly", "wrong_side", "reward_risk",
)  # fmt: skip


@dataclass(frozen=True)
class Path:
    """Prices of a bar, or of a finer bar inside it."""

    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True)
class Bar(Path):
    """One stored bar; `finer` is the path inside it where it is known."""

    ts: int
    volume: float
    finer: tuple[Path, ...] = ()

    def paths(self) -> tuple[Path, ...]:
        return self.finer or (self,)


@dataclass(frozen=True)
class Row:
    """What the strategy says at a bar's close; None is nothing said."""

    entry: int = 0
    exits: int = 0  # bit 1 leaves a long, bit 2 a short
    stop: float | None = None
    target: float | None = None
    limit: float | None = None
    trigger: float | None = None
    size: float | None = None
    reduce: float | None = None
    trail: float | None = None
    weight: float | None = None
    score: float | None = None
    volatility: float | None = None


@dataclass(frozen=True)
class Filter:
    """What the venue takes from `from_ms` on; 0 is no limit."""

    from_ms: int
    tick: float = 0.0
    step: float = 0.0
    min_quantity: float = 0.0
    min_notional: float = 0.0


@dataclass(frozen=True)
class Market:
    bars: tuple[Bar, ...]
    rows: tuple[Row, ...]
    group: int = -1
    funding: tuple[tuple[int, float], ...] = ()
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True)
class Rules:
    """Every limit of a run; None is off."""

    stop: float | None = 0.08
    target: float | None = 0.15
    size: float = 1.0
    risk: float | None = None
    stake: float | None = None
    volatility_target: float | None = None
    kelly: float | None = None
    trailing: float | None = None
    trailing_from: float = 0.0
    max_bars: int | None = None
    time_in_force: int | None = None
    max_entries: int = 1
    max_open: int | None = None
    max_exposure: float | None = None
    max_position_size: float | None = None
    max_risk_per_trade: float | None = None
    max_per_group: int | None = None
    daily_loss: float | None = None
    drawdown_halt: float | None = None
    cooldown: int | None = None
    stop_guard: int | None = None
    stop_guard_bars: int | None = None
    stop_guard_pause: int | None = None
    leverage: float = 1.0
    maintenance: float | None = None


@dataclass(frozen=True)
class Costs:
    """What the market takes; None is off."""

    fee: float = 0.001
    slippage: float = 0.0005
    maker: float | None = None
    spread: float | None = None
    slippage_volatility: float | None = None
    impact: float | None = None
    max_volume_share: float | None = None
    borrow: float | None = None

    @property
    def maker_fee(self) -> float:
        return self.fee if self.maker is None else self.maker


@dataclass(frozen=True)
class Setup:
    """All that a run is told besides its markets."""

    capital: float = 10_000.0
    rules: Rules = field(default_factory=Rules)
    costs: Costs = field(default_factory=Costs)
    target_steps: tuple[tuple[int, float], ...] = ()
    fill: str = "open"
    policy: int = 0  # 0 pessimistic, 1 optimistic
    min_reward_risk: float = 0.0
    close_at_end: bool = True


@dataclass
class Spendable:
    """What an entry may use at one moment.

    `equity` is what sizes are shares of, `cash` what is not bound, `at_last_close` the equity before anything
    left at this moment, which weights are shares of.
    """

    equity: float
    cash: float
    at_last_close: float


@dataclass
class Position:
    side: int  # 1 or -1
    quantity: float  # without a sign
    price: float  # the average of its entries
    bar: int
    kind: str
    fees: float
    stop: float | None
    target: float | None
    own_target: bool  # it came from the row: steps do not move it
    funding: float = 0.0
    entries: int = 1
    began: bool = False  # a trailing that has begun stays begun
    trailed: bool = False  # it has moved the stop
    undecided: bool = False


@dataclass
class Order:
    """An entry that was decided: for the next open, or resting until it is reached."""

    market: int
    side: int
    kind: str  # market, limit, trigger, stop_limit
    row: Row
    bar: int  # the bar at whose close it was decided
    limit: float = math.nan  # on the tick
    trigger: float = math.nan
    triggered: Path | None = None  # the (finer) bar in which a stop-limit became a limit order


@dataclass(frozen=True)
class Trade:
    market: int
    side: str
    entry_bar: int
    exit_bar: int
    entry_time: int
    exit_time: int
    entry_price: float
    exit_price: float
    quantity: float
    fees: float
    funding: float
    pnl: float
    exit_reason: str
    entry_kind: str
    undecided: bool


@dataclass
class Outcome:
    clock: list[int] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)

    def max_drawdown(self, capital: float) -> float:
        """A positive fraction of the peak, from the capital and the equity at closes."""
        peak, worst = capital, 0.0
        for value in self.equity:
            peak = max(peak, value)
            worst = max(worst, (peak - value) / peak)
        return worst

    def sharpe(self, capital: float) -> float | None:
        """The last equity of each UTC day that has bars, the capital first; sample deviation; √365."""
        last_of_day: dict[int, float] = {}
        for t, value in zip(self.clock, self.equity, strict=True):
            last_of_day[t // DAY] = value
        path = [capital, *last_of_day.values()]
        returns = [b / a - 1 for a, b in itertools.pairwise(path)]
        if len(returns) < 2:
            return None
        mean = sum(returns) / len(returns)
        variance = sum((r - mean) ** 2 for r in returns) / (len(returns) - 1)
        return mean / math.sqrt(variance) * math.sqrt(365) if variance > 0 else None
