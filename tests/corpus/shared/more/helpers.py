"""What a second folder of code in the corpus holds."""

ANSWER = 42
