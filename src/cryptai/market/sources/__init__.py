"""Data sources, one file each; the registry in `cryptai.market.source` finds them."""
