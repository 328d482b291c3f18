"""Whether it runs: health, readiness, and the jobs that keep it up."""
