"""What was tried: runs of backtests, each its user's own."""
