"""What the corpus's jobs name as their code: says what it was called with."""

import sys

sys.stdout.write(" ".join(["training", *sys.argv[1:]]) + "\n")
