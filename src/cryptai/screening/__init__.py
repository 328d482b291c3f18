"""Which setups stand, how good they are, and how often such a setup was right."""
