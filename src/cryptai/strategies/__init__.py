"""What to think: one file a strategy."""
