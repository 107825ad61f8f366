"""The command line of the program: `aprove`, and `python -m aprove`."""

import os
import sys

from . import PROGRAM


def main() -> None:
    # In the place of this process, so that signals and the exit code are those of the program.
    os.execv(PROGRAM, ["aprove", *sys.argv[1:]])


if __name__ == "__main__":
    main()
