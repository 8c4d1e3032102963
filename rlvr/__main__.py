"""`python -m rlvr` is `rlvr`."""

import sys

from rlvr.cli import main

if __name__ == "__main__":
    sys.exit(main())
