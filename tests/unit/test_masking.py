"""What stands in place of a secret in a line of a log."""

from __future__ import annotations

import base64

import pytest

from shared.text import masking

KEY = base64.b64encode(bytes(range(64))).decode()


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("password=hunter2", "hunter2"),
        ("DB_PASSWORD: hunter2", "hunter2"),
        ("'client_secret': 'abc~def'", "abc~def"),
        ("export API_KEY=abcdef", "abcdef"),
        ("AccountName=st;AccountKey=abc/def==;EndpointSuffix=x", "abc/def=="),
        ("https://st.blob.core.windows.net/c/x?sv=1&sig=abc%2Fdef&se=2", "abc%2Fdef"),
        ("Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "eyJzdWIi"),
        ("curl -H 'Authorization: Bearer opaque-token'", "opaque-token"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def", "eyJzdWIi"),
        ("postgres://me:hunter2@host/db", "hunter2"),
        (f"found {KEY} in the vault", KEY),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIB\n-----END RSA PRIVATE KEY-----", "MIIEpAIB"),
        ("x-functions-key: abc_def", "abc_def"),
        (f"{'A' * 64}\n{'B' * 40}", "A" * 64),
    ],
)
def test_a_secret_is_masked(line: str, secret: str) -> None:
    """By its name, or by its form."""
    assert secret not in masking.masked(line)
    assert masking.MASK in masking.masked(line)


@pytest.mark.parametrize(
    "line",
    [
        "ValueError: no rows in /mnt/data/rows.csv",
        'File "train.py", line 3, in <module>',
        "epoch 3: tokens per second 412, loss=0.25",
        "signal 9: the process was killed",
        "passed 12 tests in 3.1 s, password: None",
    ],
)
def test_plain_words_stay(line: str) -> None:
    """What explains a failure must be readable."""
    assert masking.masked(line) == line
