"""`python -m testbeds.upping BUG up …`: the command, with a planted bug in force."""

from __future__ import annotations

import sys

from cryptai.cli.main import main
from testbeds import planted

with planted.bug(sys.argv.pop(1)):
    main()
