"""`python -m practise` is the command `practise`."""

import sys

from practise.commands.entry import main

if __name__ == "__main__":
    sys.exit(main())
