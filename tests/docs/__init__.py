"""The pages of docs/ that are written from the code: `python -m tests.docs` renews them, test_docs compares them."""
