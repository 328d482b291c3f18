"""Signals over HTTP: what stands, the best of each day, and the record."""
