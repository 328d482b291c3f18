"""Whether it runs: health, readiness."""
