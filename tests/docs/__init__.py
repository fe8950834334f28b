"""The pages of docs/: how one is written so that its commands are executed (`commands`), and those written from the code.

`python -m tests.docs` renews the latter, test_docs compares them. tests/functional/docs executes the commands of all pages.
"""
