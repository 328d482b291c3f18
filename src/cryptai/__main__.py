"""`python -m cryptai` is the command `cryptai`."""

from __future__ import annotations

import sys

from cryptai.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
