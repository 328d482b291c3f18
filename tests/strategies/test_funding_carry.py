"""Funding carry: what the rate is, what is known of it and when, what it earns, alone and hedged."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.errors import DataError, InputError
from cryptai.market.candles import Candles
from cryptai.market.funding import Funding, FundingBook
from cryptai.portfolio.rules import Rules
from cryptai.research.causality import first_rewritten
from cryptai.research.piece import of_strategy
from cryptai.research.series import noise
from cryptai.signals import Signals
from cryptai.strategies.funding_carry import FundingCarry
from cryptai.strategies.strategy import build, strategies
from cryptai.trading.backtest import backtest
from cryptai.trading.costs import Costs
from cryptai.trading.request import BacktestRequest
from cryptai.trading.run import known, run_on
from cryptai.trading.session import Said, Session

HOUR = 3_600_000
EIGHT = 8 * HOUR
BEGIN = 1_600_000_000_000 // EIGHT * EIGHT
FREE = Costs(fee=0.0, slippage=0.0)
PERP = "BTC/USDT:USDT"


def bars(n=240, symbol=PERP, seed=3):
    close = 100.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0, 0.01, n)))
    opens = np.r_[100.0, close[:-1]]
    ts = BEGIN + HOUR * np.arange(n, dtype=np.int64)
    high, low = np.maximum(opens, close), np.minimum(opens, close)
    return Candles(ts, opens, high, low, close, np.ones(n), symbol, "1h")


def paid(rates):
    ts = BEGIN + EIGHT * np.arange(len(rates), dtype=np.int64)
    return Funding(PERP, ts, np.array(rates, np.float64))


def steps(*runs):
    return paid([rate for rate, count in runs for _ in range(count)])


def test_the_carry_is_the_mean_rate_of_the_last_payments_a_year():
    made = FundingCarry(payments=3)
    carry = made.carry(bars().with_funding(paid([0.0001, 0.0002, 0.0003, 0.0004, *[0.0001] * 20])))
    assert np.isnan(carry[: 4 * 8 - 1]).all()  # the payment at the first open was before these bars
    yearly = 3 * 365
    assert carry[4 * 8 - 1] == pytest.approx((0.0003 + 0.0004 + 0.0001) / 3 * yearly)
    assert carry[60] == pytest.approx(0.0001 * yearly)
    found = carry[4 * 8 - 1 : 23 * 8 - 1].reshape(-1, 8)  # until the last payment
    assert (found == found[:, :1]).all()  # another only at the close of a bar in which one was made
    assert len(np.unique(found)) == 3


def test_a_payment_is_known_at_the_close_at_which_it_is_made_and_its_part_knows_no_more():
    whole = bars().with_funding(paid([0.0001] * 31))
    assert whole.funding.ts[0] == BEGIN + EIGHT  # what was paid at the first open is the bar's before
    assert whole[:7].funding.ts.size == 0
    assert whole[:8].funding.ts.tolist() == [BEGIN + EIGHT]
    assert whole[8:16].funding.ts.tolist() == [BEGIN + 2 * EIGHT]
    assert whole[:0].funding.ts.size == 0
    assert whole.between(BEGIN + EIGHT, BEGIN + 3 * EIGHT).funding.ts.size == 2
    coarse, _ = whole[:23].at("4h")
    assert coarse.funding.ts.tolist() == [BEGIN + EIGHT, BEGIN + 2 * EIGHT]
    assert whole.digest == bars().digest
    with pytest.raises(DataError, match="of BTC/USDT:USDT, not of ETH/USDT"):
        bars(symbol="ETH/USDT").with_funding(paid([0.0001]))


def test_it_is_short_while_longs_pay_and_long_while_shorts_do():
    made = FundingCarry(payments=3)
    candles = bars(400).with_funding(steps((0.0, 6), (0.0004, 10), (0.0, 8), (-0.0004, 10), (0.0, 16)))
    weight = made.signals(candles).weight
    said = {int(row): weight[row] for row in np.flatnonzero(~np.isnan(weight))}
    # 0.0004 a third of the time is 14.6 % a year, twice that is above 20 %: the seventh and eighth payment.
    assert [(row, said[row]) for row in sorted(said) if said[row]] == [(7 * 8 - 1, -1.0), (25 * 8 - 1, 1.0)]
    assert [row for row in sorted(said) if said[row] == 0.0][:1] == [(18) * 8 - 1]


def test_a_day_without_a_payment_says_nothing():
    funding = paid([0.0004] * 10)
    carry = FundingCarry(payments=3).carry(bars(240).with_funding(funding))
    last = int(np.flatnonzero(~np.isnan(carry))[-1])
    assert last == 9 * 8 - 1 + 24


def test_hedged_by_spot_it_earns_what_is_paid_and_nothing_else():
    perp, funding = bars(400), steps((0.0, 6), (0.0004, 30), (0.0, 30))
    columns = {name: getattr(perp, name) for name in ("ts", "open", "high", "low", "close", "volume")}
    spot = Candles(**columns, symbol="BTC/USDT", timeframe="1h")
    made = FundingCarry(payments=3)
    result = backtest(
        [spot, perp], made, rules=Rules(stop=np.nan, target=np.nan), costs=FREE, funding={PERP: funding}
    )
    earned = -sum(float(one["funding"]) for one in result.records)
    assert {(int(one["market"]), int(one["side"])) for one in result.records} == {(0, 1), (1, -1)}
    assert earned > 30.0
    assert result.metrics.final_equity == pytest.approx(10_000.0 + earned, abs=1e-6)
    said = made.signals_many({spot.symbol: spot, PERP: perp.with_funding(funding)})
    assert said[PERP].short_reason == "longs pay shorts, against BTC/USDT"
    # Spot is not sold short: where shorts pay, nothing is held.
    other = steps((0.0, 6), (-0.0004, 30))
    quiet = backtest([spot, perp], made, costs=FREE, funding={PERP: other})
    assert len(quiet.records) == 0


def test_what_it_decides_by_is_what_it_pays_whichever_way_it_came():
    made = FundingCarry(payments=3)
    funding = steps((0.0, 6), (0.0004, 30)).between(BEGIN + 1, None)  # the first was due before these bars
    given = backtest(bars(400), made, funding={PERP: funding})
    carried = backtest(bars(400).with_funding(funding), made)
    assert given.equity.tobytes() == carried.equity.tobytes()
    assert given.run == carried.run
    assert float(given.records["funding"].sum()) < 0.0


def test_the_spot_leg_waits_for_a_bar_where_it_has_none():
    perp, funding = bars(400), steps((0.0, 6), (0.0004, 30), (0.0, 30))
    columns = {name: getattr(perp, name) for name in ("ts", "open", "high", "low", "close", "volume")}
    keep = np.ones(400, bool)
    keep[7 * 8 - 1 : 7 * 8 + 2] = False
    spot = Candles(**{n: one[keep] for n, one in columns.items()}, symbol="BTC/USDT", timeframe="1h")
    said = FundingCarry(payments=3).signals_many({spot.symbol: spot, PERP: perp.with_funding(funding)})
    bought = np.flatnonzero(said["BTC/USDT"].weight > 0.0)
    assert spot.ts[bought].tolist() == [BEGIN + (7 * 8 + 2) * HOUR]


def test_without_funding_it_says_how_to_get_it():
    with pytest.raises(DataError, match="cryptai data funding --download BTC/USDT:USDT") as refused:
        backtest(bars(), FundingCarry())
    assert refused.value.field == "funding"
    with pytest.raises(InputError, match="must be below enter"):
        build(strategies.get("funding_carry"), {"leave": 1})


def test_a_need_that_nothing_meets_is_a_sentence():
    class Wishes:
        name = "wishes"
        needs = ("moonlight",)

        def signals(self, candles):
            return Signals.entries(candles)

    with pytest.raises(InputError, match=r"wishes needs .*moonlight.*funding, others"):
        backtest(bars(), Wishes())


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.setenv("CRYPTAI_HOME", str(tmp_path))
    FundingBook().add("binance", steps((0.0, 6), (0.0004, 30), (0.0, 30)), source="test")


def test_a_run_takes_the_stored_funding_without_being_asked_and_pays_it(stored):
    request = BacktestRequest.parse({"strategy": "funding_carry", "param": {"payments": 3}})
    result = run_on(request, bars(400, symbol="BTC/USDT"))
    assert result.as_object()["markets"][0]["knows"]["funding"]["symbol"] == PERP
    assert sum(float(one["funding"]) for one in result.records) < 0.0


def test_a_spot_market_pays_no_funding_where_its_perpetual_is_in_the_run(stored):
    request = BacktestRequest.parse({"strategy": "ema_trend", "funding": True})
    both = [bars(symbol="BTC/USDT"), bars()]
    assert list(known(request, both, None)["funding"]) == [PERP]
    assert list(known(request, both[:1], None)["funding"]) == ["BTC/USDT"]
    assert known(BacktestRequest.parse({"strategy": "ema_trend"}), both, None) == {}


def test_whoever_decides_by_a_payment_to_come_is_caught():
    class Peeking(FundingCarry):
        name = "peeking"

        def carry(self, candles):
            # The rate that will be paid next, as venues announce one that may still change.
            after = np.searchsorted(candles.funding.ts, candles.close_ts, side="right")
            rates = np.append(candles.funding.rate, np.nan)
            return rates[np.minimum(after, len(candles.funding))] * 1095

    series = noise(1, 160)
    assert first_rewritten(of_strategy(FundingCarry()), series) is None
    found = first_rewritten(of_strategy(Peeking()), series)
    assert found is not None
    assert found.column == "signals.weight"


def test_a_session_fed_bar_by_bar_does_what_the_backtest_does():
    made, candles = FundingCarry(payments=3), bars(400)
    funding = steps((0.0, 6), (0.0004, 10), (0.0, 8), (-0.0004, 10), (0.0, 16))
    rules = Rules(stop=np.nan, target=np.nan)
    result = backtest(candles, made, rules=rules, costs=Costs(), funding={PERP: funding}, close_at_end=False)
    session, fills = Session([PERP], rules=rules, costs=Costs()), []
    last = None
    for row in range(len(candles)):
        now = candles[max(0, row + 1 - made.memory("1h")) : row + 1].with_funding(funding)
        weight = float(made.signals(now).weight[-1])
        bar = tuple(float(getattr(candles, n)[row]) for n in ("open", "high", "low", "close", "volume"))
        ts = int(candles.ts[row])
        due = funding.between(None if last is None else last + 1, ts + 1)
        events = list(zip(due.ts.tolist(), due.rate.tolist(), strict=True))
        told = session.on_bars({PERP: (ts, *bar)}, {PERP: Said(weight=weight)}, funding={PERP: events})
        fills += [(int(one["time"]), float(one["quantity"]), float(one["price"])) for one in told.fills]
        last = ts
    assert len(fills) >= 4
    assert session.equity == result.equity[-1]
