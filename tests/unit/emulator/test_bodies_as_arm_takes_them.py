"""What Microsoft's own walk-throughs send as JSON is read as ARM reads it; anything else that is no JSON is not."""

import pytest

from infra.local.emulator import web


def read(text: str) -> object:
    """A body, as the local Azure reads it."""
    return web.Request(method="PUT", host="management.azure.com", path="/", body=text.encode()).json()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": {"b": 1,\n},\n}', {"a": {"b": 1}}),
        ('{"a": [1, 2, ], }', {"a": [1, 2]}),
        ('{"a": ",}",}', {"a": ",}"}),
        ('{"a": "one\ntwo"}', {"a": "one\ntwo"}),
    ],
)
def test_commas_behind_the_last_member_and_raw_line_ends_are_taken(text: str, value: object) -> None:
    """azureml-examples has both, in cli/batch-score-rest.sh and cli/deploy-rest.sh."""
    assert read(text) == value


@pytest.mark.parametrize("text", ["{,}", '{"a": 1,,}', '{"a": NaN}', '{"a" 1}', "[" + "[1,]," * 101 + "]"])
def test_other_slips_are_refused(text: str) -> None:
    """So is a body that is made of commas."""
    with pytest.raises(ValueError, match=r"JSON|Expecting|commas|Illegal"):
        read(text)
