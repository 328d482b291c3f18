"""How `make docs` builds these pages: Sphinx over Markdown, no address of another machine in them."""

from __future__ import annotations

from cryptai import __version__

project = "CryptAI"
copyright = "CryptAI contributors, Apache-2.0"  # noqa: A001 (Sphinx names it so)
release = __version__
extensions = ["myst_parser"]
html_theme = "furo"
html_title = f"CryptAI {__version__}"
myst_heading_anchors = 3
