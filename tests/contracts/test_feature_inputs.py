"""Whatever is registered bears any input: NaN, constants, no volume, few bars, huge and tiny numbers, lists.

A new feature joins by being registered. Warnings are errors here as everywhere.
"""

from __future__ import annotations

import doctest
import sys

import numpy as np
import pytest

from cryptai.errors import InputError
from cryptai.features.events import Structure
from cryptai.features.feature import features
from cryptai.features.indicator import Indicator
from cryptai.kernels import Kernel
from cryptai.market.candles import Candles

BARS = 800
NAN_AT = 150
INDICATORS = [one.name for one in features if isinstance(one, Indicator)]
STRUCTURES = [one.name for one in features if isinstance(one, Structure)]


def columns(bars=BARS):
    rng = np.random.default_rng(3)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.01, bars)))
    opens = np.r_[close[:1], close[:-1]]
    high = np.maximum(opens, close) * 1.002
    low = np.minimum(opens, close) * 0.998
    return {
        "ts": np.arange(bars) * 3_600_000, "open": opens, "high": high, "low": low, "close": close,
        "volume": rng.lognormal(0, 1, bars),
    }  # fmt: skip


def changed(change, *, names=("open", "high", "low", "close", "volume")):
    base = columns()
    return {**base, **{name: change(base[name]) for name in names}}


def with_a_nan(values):
    values = values.copy()
    values[NAN_AT] = np.nan
    return values


def turned(given):
    return {**given, "high": given["low"], "low": given["high"]}


def timed(change):
    given = columns()
    return {**given, "ts": change(given["ts"])}


def of_each(change):
    return {name: change(column) for name, column in columns().items()}


def read_only(column):
    column.flags.writeable = False
    return column


EDGES = {
    "a NaN inside": lambda: changed(with_a_nan),
    "a NaN at the start": lambda: changed(lambda v: np.r_[np.nan, v[1:]]),
    "NaN only": lambda: changed(lambda v: np.full_like(v, np.nan)),
    "a NaN in one column": lambda: changed(with_a_nan, names=("high",)),
    "infinite": lambda: changed(lambda v: np.r_[v[:300], np.inf, v[301:]]),
    "constant": lambda: changed(lambda v: np.full_like(v, 7.0)),
    "zeros": lambda: changed(np.zeros_like),
    "minus zero": lambda: changed(lambda v: np.full_like(v, -0.0)),
    "no volume": lambda: changed(np.zeros_like, names=("volume",)),
    "negative": lambda: changed(np.negative),
    "huge": lambda: changed(lambda v: v * 1e298),
    "the greatest": lambda: changed(lambda v: np.full_like(v, np.finfo(float).max)),
    "tiny": lambda: changed(lambda v: v * 1e-306),
    "subnormal": lambda: changed(lambda v: np.full_like(v, 5e-324)),
    "from huge to tiny": lambda: changed(lambda v: np.where(np.arange(BARS) < 300, v * 1e298, v * 1e-300)),
    "high below low": lambda: turned(columns()),
    "times falling": lambda: timed(lambda ts: ts[::-1].copy()),
    "times before 1970": lambda: timed(lambda ts: ts - 10**12),
    "equal times": lambda: timed(np.zeros_like),
    "integers": lambda: of_each(lambda column: np.rint(column).astype(np.int64)),
    "lists": lambda: of_each(np.ndarray.tolist),
    "every other row": lambda: of_each(lambda column: np.repeat(column, 2)[::2]),
    "read-only": lambda: of_each(read_only),
}


def compute(name, given, **parameters):
    indicator = features.get(name)
    found = indicator.function(*(given[column] for column in indicator.inputs), **parameters)
    return found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize("name", INDICATORS)
def test_an_indicator_bears_any_input(name):
    for edge, make in EDGES.items():
        given = make()
        before = {key: np.array(value).tobytes() for key, value in given.items()}
        outputs = compute(name, given)
        assert len(outputs) == len(features.get(name).outputs)
        for output in outputs:
            assert output.shape == (BARS,), edge
            assert output.dtype == np.float64, edge
        assert before == {key: np.array(value).tobytes() for key, value in given.items()}, f"changed: {edge}"


@pytest.mark.parametrize("name", INDICATORS)
def test_an_indicator_of_few_bars_has_as_many_rows(name):
    whole = columns(5)
    for bars in (0, 1, 2, 3, 5):
        for output in compute(name, {key: value[:bars] for key, value in whole.items()}):
            assert output.shape == (bars,)


@pytest.mark.parametrize("name", INDICATORS)
def test_an_indicator_refuses_what_is_no_column(name):
    given, inputs = columns(), features.get(name).inputs
    last = inputs[-1]
    shorter = [given[last][:-1]] if len(inputs) > 1 else []
    for wrong in ("text", ["a", "list"], np.zeros((BARS, 2)), *shorter):
        with pytest.raises(InputError):
            compute(name, {**given, last: wrong})


# What becomes of the rows after a NaN in all columns, as docs/guide/indicators.md says it. All others have
# values again, as if it had not been, once it has left their window.
NEVER_AGAIN = {
    "acceleration_bands", "anchored_vwap", "atr", "awesome_oscillator", "bollinger",
    "bollinger_percent_b", "chaikin_volatility", "chandelier_exit", "dema", "detrended_price",
    "dominant_cycle", "efficiency_ratio", "elder_ray", "ema", "force_index", "heikin_ashi", "kama",
    "kdj", "keltner", "macd", "mama", "mass_index", "mfi", "natr", "ppo", "price_volume_trend",
    "relative_volume", "rma", "sma", "stochastic", "stochastic_momentum", "supertrend", "t3", "tema",
    "trima", "trix", "volume_oscillator", "vwma", "zlema",
}  # fmt: skip
PASSED_BY = {
    "accumulation_distribution", "adx", "adxr", "chaikin_money_flow", "hilbert_trendline", "obv",
    "regime", "regime_hmm", "rsi", "stochastic_rsi", "true_strength", "ultimate_oscillator",
    "volume_index", "vortex",
}  # fmt: skip


def after_a_nan(name):
    clean, broken = compute(name, columns()), compute(name, changed(with_a_nan))
    for ours, other in zip(clean, broken, strict=True):
        assert ours[:NAN_AT].tobytes() == other[:NAN_AT].tobytes(), "it knew of the NaN before it came"
    last = [(ours[-50:], other[-50:]) for ours, other in zip(clean, broken, strict=True)]
    known = [(ours[~np.isnan(ours)], other[~np.isnan(ours)]) for ours, other in last]
    if any(np.isnan(other).any() for _, other in known):
        return "never again"
    same = all(np.allclose(ours, other, rtol=1e-9, atol=1e-12) for ours, other in known)
    return "again" if same else "passed by"


# Those that compare with running means find nothing more: which of them would have, the prices decide.
@pytest.mark.parametrize("name", [name for name in INDICATORS if features.get(name).group != "candlesticks"])
def test_a_nan_is_followed_by_what_the_guide_says(name):
    said = "never again" if name in NEVER_AGAIN else "passed by" if name in PASSED_BY else "again"
    assert after_a_nan(name) == said


def candles_of(given, kept=slice(None)):
    names = ("ts", "open", "high", "low", "close", "volume")
    return Candles(*(given[name][kept] for name in names), "BTC/USDT", "1h")


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_structure_of_few_bars_is_calm(name):
    for bars in (0, 1, 2, 3, 10):
        found = features.get(name).of(candles_of(columns(bars)))
        assert (found.known_bar < bars).all()


CANDLES = {
    "constant": lambda v: np.full_like(v, 7.0),
    "huge": lambda v: v * 1e298,
    "the greatest": lambda v: np.full_like(v, np.finfo(float).max),
    "tiny": lambda v: v * 1e-306,
    "subnormal": lambda v: np.full_like(v, 5e-324),
    "in ticks": np.rint,
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_structure_bears_any_candles(name):
    prices = ("open", "high", "low", "close")
    given = {edge: candles_of(changed(change, names=prices)) for edge, change in CANDLES.items()}
    given["no volume"] = candles_of(changed(np.zeros_like, names=("volume",)))
    given["with holes"] = candles_of(columns(), np.arange(BARS) % 11 != 5)
    for edge, candles in given.items():
        found = features.get(name).of(candles)
        assert (np.diff(found.known_bar) >= 0).all(), edge
        assert ((found.at_bar >= 0) & (found.known_bar < len(candles))).all(), edge
        assert (found.at_bar <= found.known_bar).all(), edge
        found.table()


@pytest.fixture
def plain(monkeypatch):
    """Run kernels as the Python they are written in: there an index outside an array is an error."""
    for name, module in list(sys.modules.items()):
        if name.startswith("cryptai.features."):
            for thing in vars(module).values():
                if isinstance(thing, Kernel):
                    monkeypatch.setattr(thing, "_plain", True)


@pytest.mark.parametrize(
    "edge", ["integers", "a NaN inside", "high below low", "negative", "huge", "constant"]
)
def test_no_kernel_leaves_its_arrays(edge, plain):
    given = EDGES[edge]()
    with np.errstate(all="ignore"):
        for name in INDICATORS:
            compute(name, given)
        if edge in CANDLES or edge == "integers":
            candles = candles_of({key: np.asarray(value, float) for key, value in given.items()})
            for name in STRUCTURES:
                features.get(name).of(candles)


@pytest.mark.parametrize("name", [*INDICATORS, *STRUCTURES])
def test_a_feature_explains_itself_with_an_example_that_holds(name):
    function = features.get(name).function
    example = doctest.DocTestFinder().find(function, name, globs={name: function}, module=False)[0]
    tried = doctest.DocTestRunner().run(example)
    assert tried.attempted > 0, "no example"
    assert tried.failed == 0
    assert features.get(name).doc.startswith("Return ")
    assert features.get(name).summary.endswith(".")


def at_the_ends(feature):
    """Return parameters at each end of each range, one at a time and all at once."""
    numbers = [one for one in feature.parameters if one.type in (int, float)]
    ends = [{one.name: value} for one in numbers for value in (one.low, one.high)]
    both = [{one.name: getattr(one, end) for one in numbers} for end in ("low", "high")]
    texts = [{one.name: choice} for one in feature.parameters for choice in one.choices]
    flags = [{one.name: value} for one in feature.parameters if one.type is bool for value in (True, False)]
    return [*ends, *both, *texts, *flags]


@pytest.mark.parametrize("name", features.names())
def test_every_parameter_bears_both_ends_of_its_range(name):
    feature, candles = features.get(name), Candles(**columns(300), symbol="BTC/USDT", timeframe="1h")
    for given in at_the_ends(feature):
        try:
            values = feature.read(given)
            found = feature.of(candles, **values)
        except InputError:
            if len(given) > 1:  # some ends do not go together, and say so
                continue
            raise
        if isinstance(feature, Indicator):
            assert {len(column) for column in found.values()} == {300}
        else:
            assert (found.at_bar <= found.known_bar).all()
