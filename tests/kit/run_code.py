"""`python -m tests.kit.run_code CODE`: a job whose work is a line of Python."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    exec(sys.argv[1])  # noqa: S102 the test wrote it
