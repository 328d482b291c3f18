"""How much: rules, sizes and limits."""
