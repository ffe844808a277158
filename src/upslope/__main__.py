"""`python -m upslope` is the command `upslope`."""

import sys

from upslope.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
