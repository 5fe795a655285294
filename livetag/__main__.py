"""`python -m livetag`."""

import sys

from livetag.cli import main

if __name__ == "__main__":
    sys.exit(main())
