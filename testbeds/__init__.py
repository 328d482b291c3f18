"""The worlds CryptAI is proved in: a truth, faults drawn from a seed, and what must hold all the same."""
