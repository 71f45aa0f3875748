"""`python -m collectors`: the collector without the rest of the command line."""

import sys

from collectors.command import main

sys.exit(main())
