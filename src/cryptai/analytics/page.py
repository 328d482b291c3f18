"""The report as one HTML file: to read, to print, to send on; no script, and nothing is fetched."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from cryptai.analytics.figures import NONE, amount, confidence, figure, markets, moment, percent
from cryptai.analytics.pictures import curve, spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cryptai.analytics.report import Report
    from cryptai.analytics.tables import Line, Period

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LAST_TRADES: Final = 100
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_FOOT: Final = "Signals are information, not advice. What a backtest assumes stands in CryptAI's guide."
_GROUPS: Final = {
    "symbol": "By market", "side": "By side", "exit_reason": "By reason of the exit",
    "entry_reason": "By reason of the entry", "regime": "By regime at the entry",
}  # fmt: skip
_NAMES: Final = {
    "sqn": "SQN", "cagr": "CAGR", "pnl": "Profit", "var_95": "VaR 95 (a day)", "cvar_95": "CVaR 95 (a day)",
    "var_95_normal": "VaR 95, normal", "cvar_95_normal": "CVaR 95, normal",
}  # fmt: skip
_FIRST: Final = (
    "total_return",
    "cagr",
    "sharpe_ratio",
    "max_drawdown",
    "win_rate",
    "profit_factor",
    "trades",
)


def page(report: Report, evidence: Mapping[str, Any] | None = None) -> str:
    """Return the report's page. Every word of a person's own is escaped; times are UTC."""
    found = report.found
    named = markets(found.get("symbols") or [str(found["symbol"])])
    title = f"{found['strategy']} on {named} {found['timeframe']}"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            f"<title>{escape(title)}</title>",
            f"<style>{_style()}</style></head><body>",
            *_head(report, title),
            "<main>",
            *_verdict(report, evidence),
            *_figures(found["metrics"]),
            *_curves(report),
            *_months(report.months, report.years),
            *_trades(report),
            *_drawdowns(report),
            *_made(report),
            "</main>",
            f"<footer>{_FOOT}</footer></body></html>\n",
        ]
    )


def _style() -> str:
    return (files("cryptai.analytics") / "page.css").read_text(encoding="utf-8")


def _head(report: Report, title: str) -> Iterator[str]:
    found = report.found
    if found.get("practice"):
        yield '<p class="practice">PRACTICE: these candles are synthetic.</p>'
    params = " ".join(f"{name}={value}" for name, value in found["params"].items())
    yield f"<header><h1>{escape(title)}</h1>"
    yield f"<p>{escape(params)}</p>" if params else ""
    yield (
        f"<p>{_day(found['from'])} to {_day(found['to'])} UTC · {found['bars']:,} bars · capital "
        f"{escape(amount(found['capital']))} · run <code>{escape(str(found['run']))}</code></p></header>"
    )


def _verdict(report: Report, evidence: Mapping[str, Any] | None) -> Iterator[str]:
    if evidence is not None:
        enough = evidence["status"] == "enough"
        words = "Evidence of an edge on this past" if enough else "Not enough evidence"
        yield f'<section class="verdict {"good" if enough else ""}"><h2>{words}</h2><ul>'
        yield from (f"<li>{escape(reason)}</li>" for reason in evidence["reasons"])
        yield "</ul>"
        rows = {
            "Trials of this strategy": figure("trials", evidence["trials"]),
            "Deflated Sharpe, probability": confidence(evidence["deflated_sharpe"]),
            "Probabilistic Sharpe": confidence(evidence["probabilistic_sharpe"]),
        }
        trade, costs = evidence.get("mean_trade"), evidence.get("break_even")
        if trade is not None:
            low, high = (
                NONE if trade[k] is None else percent(trade[k], signed=True) for k in ("low", "high")
            )
            rows["Mean trade, with its 95 % interval"] = (
                f"{percent(trade['value'], signed=True)} ({low} to {high})"
            )
        if costs is not None:
            rows["Costs a trade, and at which the edge is gone"] = (
                f"{costs['paid_bp']:.1f} bp, {max(costs['cost_bp'], 0.0):.1f} bp"
            )
            if costs.get("carried_bp"):
                rows["Of these funding and interest"] = f"{costs['carried_bp']:.1f} bp"
        rows["Worth of a trade at which its own weight has eaten the edge"] = (
            NONE if report.capacity is None else amount(report.capacity)
        )
        yield from _pairs(rows)
        yield "</section>"
    undecided = report.found.get("undecided")
    if isinstance(undecided, dict) and undecided.get("share"):
        yield '<section class="verdict"><h2>What the data cannot decide</h2>'
        low, high = (figure("total_return", undecided.get(name)) for name in ("worst_return", "best_return"))
        bounds = "" if undecided.get("exact") else " in the orders that were tried"
        yield (
            f"<p>Of {percent(undecided['share'])} of the trades the bars do not tell which of two events "
            f"came first. Over all orders of these the total return lies between {escape(low)} and "
            f"{escape(high)}{bounds}.</p></section>"
        )
    if report.doubts:
        yield '<section class="verdict doubt"><h2>Too good to be believed as it stands</h2><ul>'
        yield from (f"<li>{escape(one)}</li>" for one in report.doubts)
        yield "</ul></section>"


def _figures(metrics: Mapping[str, Any]) -> Iterator[str]:
    yield "<section><h2>Figures</h2>"
    yield from _pairs({_named(name): figure(name, metrics.get(name)) for name in _FIRST}, "first")
    yield from _pairs({_named(n): figure(n, v) for n, v in metrics.items() if n not in _FIRST})
    yield "</section>"


def _curves(report: Report) -> Iterator[str]:
    if len(report.ts) < 2:
        return
    lines = [("equity", report.equity)]
    if report.held is not None:
        lines.append(("held", report.held))
    last = amount(float(report.equity[-1]))
    beside = ' <span class="key held">holding</span>' if report.held is not None else ""
    yield f'<section><h2>Equity <span class="key equity">this run</span>{beside}</h2>'
    yield curve(
        report.ts, lines, ground=float(report.found["capital"]),
        said=f"Equity over time, from {amount(report.found['capital'])} to {last}.",
    )  # fmt: skip
    yield "<h2>Drawdown</h2>"
    deepest = percent(float(report.drawdown.max()))
    yield curve(
        report.ts, [("fall", -report.drawdown)], ground=0.0, label=lambda v: percent(v, digits=0),
        said=f"Fall from the peak over time; the deepest is {deepest}.",
    )  # fmt: skip
    yield "</section>"


def _months(months: Sequence[Period], years: Sequence[Period]) -> Iterator[str]:
    if not months:
        return
    of_month = {one.name: one for one in months}
    yield "<section><h2>Return by month, in per cent</h2>"
    yield '<div class="wide"><table class="heat"><thead><tr><th scope="col">Year</th>'
    yield from (f'<th scope="col">{name}</th>' for name in (*_MONTHS, "Year"))
    yield "</tr></thead><tbody>"
    for year in reversed(years):
        yield f'<tr><th scope="row">{year.name}</th>'
        for month in range(1, 13):
            yield _tinted(of_month.get(f"{year.name}-{month:02d}"))
        yield f"{_tinted(year)}</tr>"
    yield "</tbody></table></div></section>"


def _tinted(one: Period | None) -> str:
    if one is None:
        return "<td></td>"
    value = one.total_return
    if value is None:
        return f"<td>{NONE}</td>"
    # Five steps: 20 % and more is the strongest, whatever the run.
    strength = sum(abs(value) > least for least in (0.0, 0.02, 0.05, 0.1, 0.2))
    kind = "up" if value > 0.0 else "down"
    digits = 0 if abs(value) >= 1.0 else 1
    text = percent(value, signed=value != 0.0, digits=digits).removesuffix("\u202f%")
    return f'<td class="{kind} s{strength}">{escape(text)}</td>'


def _trades(report: Report) -> Iterator[str]:
    if report.trades is None:
        yield "<section><h2>Trades</h2><p>No trade was made.</p></section>"
        return
    yield "<section><h2>Trades by their return</h2>"
    yield spread(report.trips.returns)
    yield from _pairs(
        {
            "Best": figure("best", report.trades.best), "Worst": figure("worst", report.trades.worst),
            "Bars held, mean": figure("bars_held", report.trades.bars_held),
            "Against it while open, mean (MAE)": figure("mae", report.trades.mae),
            "For it while open, mean (MFE)": figure("mfe", report.trades.mfe),
            "Wins in a row, most": str(report.longest_wins),
            "Losses in a row, most": str(report.longest_losses),
            "Exposure, mean and highest": f"{figure('mean', report.exposure.mean)}, "
            f"{figure('highest', report.exposure.highest)}",
        }
    )  # fmt: skip
    yield "</section>"
    for name, title in _GROUPS.items():
        table = report.groups[name]
        if len(table) > 1 or name in ("side", "exit_reason"):
            yield from _grouped(title, table)
    yield from _listed(report)


def _grouped(title: str, table: Sequence[Line]) -> Iterator[str]:
    columns = (
        "trades",
        "win_rate",
        "pnl",
        "mean_return",
        "profit_factor",
        "average_win",
        "average_loss",
        "bars_held",
    )
    yield f"<section><h2>{escape(title)}</h2>"
    rows = ([line.name, *(figure(name, getattr(line, name)) for name in columns)] for line in table)
    yield from _table(["", *(_named(name) for name in columns)], rows)
    yield "</section>"


def _listed(report: Report) -> Iterator[str]:
    count = len(report.trips)
    shown = min(_LAST_TRADES, count)
    more = f"The last {shown} of {count:,} trades" if shown < count else f"{count:,} trades"
    yield f"<section><h2>{more}</h2>"
    t = report.trips
    rows = (
        [
            str(t.symbol[i]), "long" if t.side[i] > 0 else "short", moment(int(t.entry_ms[i])),
            amount(float(t.entry_price[i])), moment(int(t.exit_ms[i])), amount(float(t.exit_price[i])),
            amount(float(t.pnl[i]), signed=True), percent(float(t.returns[i]), signed=True),
            str(t.entry_reason[i]), str(t.exit_reason[i]),
        ]
        for i in range(count - shown, count)
    )  # fmt: skip
    head = ["Market", "Side", "Entry", "Price", "Exit", "Price", "Profit", "Return", "Why in", "Why out"]
    yield from _table(head, rows)
    yield "</section>"


def _drawdowns(report: Report) -> Iterator[str]:
    if not report.drawdowns:
        return
    yield "<section><h2>Deepest drawdowns</h2>"
    rows = (
        [
            percent(one.depth), moment(one.peak_ms), moment(one.bottom_ms),
            "not yet" if one.recovered_ms is None else moment(one.recovered_ms), f"{one.days:,.0f}",
        ]
        for one in report.drawdowns
    )  # fmt: skip
    yield from _table(["Depth", "From", "Bottom", "Recovered", "Days"], rows)
    yield "</section>"


def _made(report: Report) -> Iterator[str]:
    found = report.found
    yield "<section><h2>How it was made</h2>"
    told = {
        "Engine": str(found.get("engine", NONE)),
        "Costs": _listed_values(found["costs"]),
        "Rules": _listed_values(found["rules"]),
        "Candles": f"{found.get('exchange') or 'a file'}, digest {found['data_digest']}",
    }
    if found.get("source_digest"):
        told["Strategy's file"] = f"digest {found['source_digest']}"
    yield from _pairs(told, "long")
    yield "</section>"


def _listed_values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {'none' if value is None else value}" for name, value in values.items())


def _pairs(rows: Mapping[str, str], kind: str = "") -> Iterator[str]:
    yield f'<dl class="{kind}">'
    yield from (f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows.items())
    yield "</dl>"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield '<div class="wide"><table><thead><tr>'
    yield "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    yield "</tr></thead><tbody>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
    yield "</tbody></table></div>"


def _named(name: str) -> str:
    return _NAMES.get(name) or name.replace("_", " ").capitalize()


def _day(iso: str) -> str:
    return escape(iso.replace("T", " ")[:16])
