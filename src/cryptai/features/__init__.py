"""What it looks like: indicators, as functions from arrays to arrays."""
