"""The pages people see: Today, Market, Backtest and the styleguide; they fetch, ask the engine and show."""
