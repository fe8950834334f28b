"""docs/steward.http: the pages' requests for an editor."""

import re

import pytest

from infra import http_collection


def test_the_file_is_that_of_the_pages() -> None:
    """`python -m infra.http_collection` renews it."""
    assert http_collection.FILE.read_text(encoding="utf-8") == http_collection.collection()


def test_each_variable_is_set_above_its_use() -> None:
    """Azure ML's own `${{…}}` is no variable of the file."""
    known: set[str] = set()
    for line in http_collection.collection().splitlines():
        assert set(re.findall(r"(?<!\$)\{\{(\w+)\}\}", line)) <= known, line
        if line.startswith("@"):
            known.add(line[1:].split(" ")[0])
    assert {"STEWARD", "KEY"} <= known


@pytest.mark.parametrize(
    ("command", "request_lines"),
    [
        ('curl "$STEWARD/health"', ["GET $STEWARD/health"]),
        ('curl -X PUT "$STEWARD/a" -H "A: b" -d @w.json', ["PUT $STEWARD/a", "A: b", "", '{"w": 1}']),
        ('curl "$STEWARD/a" -d \'{"a":\n 1}\'', ["POST $STEWARD/a", "", '{"a":', " 1}"]),
        ('curl "$STEWARD/a" -F spec=@a.yml', None),  # a file of the machine
        ('curl "$STEWARD/a" -d @unknown.json', None),
        ('curl "$STEWARD/a" | head', None),
        ('curl "$CONTROL/_control/scenes"', None),
        ("mkdir -p src", None),
    ],
)
def test_a_command_becomes_its_request(command: str, request_lines: list[str] | None) -> None:
    """Or none, when an editor could not send it."""
    made = http_collection.request(command, {"w.json": '{"w": 1}\n'})
    assert (made and made.text().splitlines()) == request_lines
