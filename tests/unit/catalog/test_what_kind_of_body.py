"""A body that is something else than JSON is refused with what to send."""

from __future__ import annotations

import pytest

from shared.catalog import bodies
from shared.rest import errors

YAMLS = ["type: command\n", "# a job\ntype: command\n", "---\ntype: command\n", "$schema: x\n"]


@pytest.mark.parametrize("text", YAMLS)
def test_yaml_under_another_name_is_told_its_content_type(text: str) -> None:
    """`curl --data-binary @job.yml` sends a form."""
    with pytest.raises(errors.BadRequestError, match="If this is YAML, send Content-Type: application/yaml"):
        bodies.parse(text.encode(), "application/x-www-form-urlencoded")


@pytest.mark.parametrize("text", ["{", '{"a": }', "x", "<html>"])
def test_what_is_no_yaml_either_gets_no_such_advice(text: str) -> None:
    """Only where and why."""
    with pytest.raises(errors.BadRequestError) as refused:
        bodies.parse(text.encode(), "application/json")
    assert "YAML" not in refused.value.error.message
    assert "line 1" in refused.value.error.message


def test_another_content_type_is_refused_with_all_that_are_taken() -> None:
    """JSON, YAML, or a form with files."""
    with pytest.raises(errors.BadRequestError) as refused:
        bodies.parse(b"<a/>", "application/xml")
    assert refused.value.status == 415
    assert all(each in refused.value.error.message for each in ("application/json", "application/yaml", "multipart/form-data"))
