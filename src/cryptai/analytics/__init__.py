"""How it went: the numbers of a run."""
