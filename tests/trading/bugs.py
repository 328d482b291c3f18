"""One-line slips that each of the compiled rules could hold, for `planted` to plant.

What it is: the module of `cryptai`, the text that stands there once, and what a slip would make of it.
"""

from __future__ import annotations

BUGS: dict[str, tuple[str, str, str]] = {
    "a limit needs more than a touch": (
        "trading.matching",
        "side * (best - limit) <= 0.0 else NOT, limit, True)",
        "side * (best - limit) < 0.0 else NOT, limit, True)",
    ),
    "a trigger needs more than a touch": (
        "trading.matching",
        "if side * (worst - trigger) < 0.0:",
        "if side * (worst - trigger) <= 0.0:",
    ),
    "a limit at a better open fills at its limit": (
        "trading.matching",
        "return Match(EXACT if side * (open_ - limit) <= 0.0 else NOT, open_, False)",
        "return Match(EXACT if side * (open_ - limit) <= 0.0 else NOT, limit, False)",
    ),
    "a gap through a trigger fills at the trigger": (
        "trading.matching",
        "if kind == TRIGGER:\n        return Match(SLIPS, open_, False)",
        "if kind == TRIGGER:\n        return Match(SLIPS, trigger, False)",
    ),
    "a stop-limit slips through its limit": (
        "trading.matching",
        "return min(price, limit) if side > 0 else max(price, limit)",
        "return price",
    ),
    "a stop-limit fills in the bar of its trigger by touch": (
        "trading.matching",
        "return Match(EXACT if side * (close - limit) <= 0.0 else WAITS, limit, True)",
        "return Match(EXACT if side * (best - limit) <= 0.0 else WAITS, limit, True)",
    ),
    "the whole spread on each side": (
        "trading.matching",
        'costs["spread"] / 2.0',
        'costs["spread"]',
    ),
    "the true range forgets the close before": (
        "trading.matching",
        "high, low = max(high, before), min(low, before)",
        "high, low = high, low",
    ),
    "impact grows with the quantity, not with its root": (
        "trading.matching",
        "math.sqrt(share)",
        "share",
    ),
    "maintenance is forgotten": (
        "trading.matching",
        "/ (1.0 - side * kept)",
        "/ 1.0",
    ),
    "a short is liquidated where a long is": (
        "trading.matching",
        "return entry_price * (1.0 - side / leverage) / (",
        "return entry_price * (1.0 - 1.0 / leverage) / (",
    ),
    "a nearer stop does not save from liquidation": (
        "trading.matching",
        "if side * (worst - liquidation) <= 0.0 and not side * (book.stop - liquidation) > 0.0:",
        "if side * (worst - liquidation) <= 0.0:",
    ),
    "a limit's target counts in its bar by touch": (
        "trading.matching",
        "target = beyond and not stopped",
        "target = target and not stopped",
    ),
    "a trigger's stop waits for the close": (
        "trading.matching",
        "target = target and not stopped\n        else:",
        "target, stopped = target and not (stopped and below), below\n        else:",
    ),
    "trailing begins at once": (
        "trading.matching",
        'if high >= entry + entry * rules["trailing_from"]:',
        "if True:",
    ),
    "the trailing stop moves back": (
        "trading.matching",
        'better = not level <= market["stop"]',
        "better = True",
    ),
    "trailing looks at the row's distance a bar too soon": (
        "trading.inside",
        "row if at == last - 1 else row - 1",
        "row",
    ),
    "trailing before matching": (
        "trading.inside",
        """        _match(run, m, now, column["open"], high, low, column["close"], row, False)
        _trail(run, m, now, said(column["trail"], row), high, low)
""",
        """        _trail(run, m, now, said(column["trail"], row), high, low)
        _match(run, m, now, column["open"], high, low, column["close"], row, False)
""",
    ),
    "an order good for the open works inside the bar": (
        "trading.inside",
        'market["side"] = 0  # it was good for the open only',
        "pass",
    ),
    "a liquidation pays a fee": ("trading.inside", "fee = 0.0", 'fee = terms["fee"]'),
    "a target pays the taker's fee": (
        "trading.inside",
        "elif reason == TARGET and not math.isnan",
        "elif reason == -9 and not math.isnan",
    ),
    "the bracket sleeps in the bar of an entry inside it": (
        "trading.inside",
        "if filled:\n            _protect_entered",
        "if False:\n            _protect_entered",
    ),
    "a further entry inside the bar leaves its liquidation for the next": (
        "trading.inside",
        "if filled:\n            _protect_entered",
        'if filled and market["entries"] == 1:\n            _protect_entered',
    ),
    "funding at the bar before's open is paid twice": (
        "trading.moments",
        'if whole(column["funding_ts"], at) > before:',
        "if True:",
    ),
    "a short pays a positive rate": (
        "trading.moments",
        "paid += held * open_ *",
        "paid += abs(held) * open_ *",
    ),
    "a levered long borrows all of its worth": (
        "trading.moments",
        '(1.0 - 1.0 / terms_of(run)["leverage"])',
        "1.0",
    ),
    "the time stop is a bar late": (
        "trading.moments",
        'column["base"] + row >= due',
        'column["base"] + row > due',
    ),
    "a part leaves a position whole": (
        "trading.moments",
        'if market["reduce"] < 1.0:',
        "if False:",
    ),
    "a weight that turns keeps its position": (
        "trading.moments",
        "if held != 0.0 and wanted * held <= 0.0:",
        "if held != 0.0 and wanted == 0.0:",
    ),
    "the lowest score comes first": (
        "trading.moments",
        "return score > other or (",
        "return score < other or (",
    ),
    "no score comes first": (
        "trading.moments",
        "(math.isnan(other) and not math.isnan(score))",
        "(math.isnan(score) and not math.isnan(other))",
    ),
    "cash freed inside a bar is spent in it": (
        "trading.entering",
        'free = account_of(run)["free"] if inside else free_cash(run)',
        "free = free_cash(run)",
    ),
    "two entries inside a bar spend the same cash": (
        "trading.entering",
        'account_of(run)["free"] -= size',
        'account_of(run)["free"] -= 0.0 * size',
    ),
    "a maker pays the taker's fee": (
        "trading.entering",
        'fee = terms["maker"] if match.rested and',
        'fee = terms["maker"] if False and',
    ),
    "an entry beyond the number allowed": (
        "trading.entering",
        'market["entries"] >= terms["max_entries"]',
        'market["entries"] > terms["max_entries"]',
    ),
    "one position more than allowed": (
        "trading.entering",
        'if account["open"] >= terms["max_open"]:',
        'if account["open"] > terms["max_open"]:',
    ),
    "a group of all": (
        "trading.entering",
        '["group"] == group else 0',
        '["group"] == group else 1',
    ),
    "the exposure counts the long side alone": (
        "trading.entering",
        'worth += abs(other["quantity"]) *',
        'worth += max(0.0, other["quantity"]) *',
    ),
    "the cap of a position forgets what it holds": (
        "trading.entering",
        ' * equity / price - abs(market["quantity"])',
        " * equity / price",
    ),
    "a reward too small is taken": (
        "portfolio.limits",
        "< minimum * (1.0 - 1e-12)",
        "< 0.0",
    ),
    "a wrong side is right": (
        "portfolio.limits",
        "return side * (price - stop) <= 0.0 or",
        "return side * (price - stop) < 0.0 or",
    ),
    "the halt ends with the drawdown": (
        "portfolio.limits",
        'account["halted"] = 1',
        'account["halted"] = 0',
    ),
    "the lost day ends at the next bar": (
        "portfolio.limits",
        'if account["blocked_day"] == now // _DAY_MS:',
        'if account["blocked_day"] == -7:',
    ),
    "the cooldown is a bar short": (
        "portfolio.limits",
        'if bar <= market["cool_until"]:',
        'if bar < market["cool_until"]:',
    ),
    "the stop guard counts a step too many": (
        "portfolio.limits",
        'if first > account["step"] - rules["stop_guard_bars"]:',
        'if first >= account["step"] - rules["stop_guard_bars"]:',
    ),
    "an order rests a bar too long": (
        "trading.reading",
        'if exits & cancels or market["age"] >= terms',
        'if exits & cancels or market["age"] > terms',
    ),
    "an exit does not cancel": (
        "trading.reading",
        'if exits & cancels or market["age"]',
        'if market["age"]',
    ),
    "a limit that moved is the old one": (
        "trading.reading",
        "now != before and not (math.isnan(now) and math.isnan(before))",
        "False",
    ),
    "a limit to buy is rounded up": (
        "trading.reading",
        "limit, trigger = round_down(limit, tick), round_up(trigger, tick)",
        "limit, trigger = round_up(limit, tick), round_up(trigger, tick)",
    ),
    "a part takes all of the entry's fee": (
        "trading.fills",
        'market["fees"] -= fees',
        'market["fees"] = 0.0',
    ),
    "a further entry does not move the average": (
        "trading.fills",
        'market["entry_price"] = worth / (abs(held) + abs(quantity))',
        "pass",
    ),
    "steps count from the last one": (
        "trading.fills",
        'if real(run["steps"], 2 * i) <= held:',
        'if real(run["steps"], 2 * i) < held:',
    ),
    "Kelly's fraction looks at wins alone": (
        "portfolio.sizing",
        "return rate - (1.0 - rate) / ((won / wins) / (lost / losses))",
        "return rate",
    ),
    "a step rounds to the nearest": (
        "portfolio.sizing",
        "return np.floor(value / step + _TOLERANCE) * step",
        "return np.round(value / step) * step",
    ),
    "positions are left open at the end": (
        "trading.markets_kernel",
        'if market["quantity"] != 0.0:\n            leave_at_market',
        "if False:\n            leave_at_market",
    ),
}
