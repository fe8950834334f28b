"""Odd and hostile text: a clear refusal with line and column, or what the CLI makes of it; never anything else."""

import json
from typing import Any

import pytest

from shared.catalog import yaml as translations
from shared.text import yaml_document
from tests import tables

JOB = "command: echo\nenvironment: azureml:e:1\n"
VARIABLES = JOB + "environment_variables: "


def body(text: str) -> dict[str, Any]:
    """Return the properties a job's YAML is translated to, as they are sent."""
    made = translations.translate(text, kind="job").to_json()
    return json.loads(json.dumps(made, allow_nan=False))["body"]["properties"]


@tables.each(
    ("text", "line", "column", "says"),
    [
        (JOB + "tags:\n\ta: b\n", 4, 1, "cannot start any token"),
        (JOB + "tags: {a: !!bool x}\n", 3, 11, "'x' is not a valid bool"),
        (JOB + "tags: {a: !!timestamp x}\n", 3, 11, "'x' is not a valid timestamp"),
        (JOB + "tags: {a: !!float x}\n", 3, 11, "'x' is not a valid float"),
        (JOB + "tags: {a: !!binary '/+8='}\n", 3, 11, "is not a valid binary"),
        (JOB + "tags: {a: 2020-13-45}\n", 3, 11, "is not a valid timestamp"),
        (JOB + "tags: {a: !!python/name:os.system }\n", 3, 11, "not allowed"),
        (JOB + "tags: !!set {a, b}\n", 3, 7, "!!set is not allowed"),
        (JOB + "tags: !!omap [a: b]\n", 3, 7, "!!omap is not allowed"),
        (JOB + "tags: !!map x\n", 3, 7, "!!map is not allowed here"),
        (JOB + "tags: !!str {a: b}\n", 3, 7, "!!str is not allowed here"),
        ("%TAG ! tag:example.com,2000:\n---\n" + JOB + "tags: {a: !x y}\n", 5, 11, "tag:example.com,2000:x"),
        ("%YAML 2.0\n---\n" + JOB, 1, 1, "incompatible"),
        (JOB + "---\nx: 1\n", 3, 1, "another document"),
        (JOB + "tags: {1: a}\n", 3, 11, "Expected a string, got an integer"),
        (JOB + "tags: {on: a}\n", 3, 12, "Expected a string, got a boolean"),
        (JOB + "tags: {[a]: b}\n", 3, 8, "plain value"),
        (JOB + "tags: {a: 2020-01-01}\n", 3, 11, "got a date (quote it"),
        (JOB + "tags: &t {a: *t}\n", 3, 7, "contains it"),
        (JOB + "tags: *nope\n", 3, 7, "undefined alias"),
        (JOB + "properties:\n  <<: 3\n", 4, 7, "for merging"),
        (VARIABLES + "{A: " + "9" * 5000 + "}\n", 3, 28, "is not a valid int: it has too many digits"),
        (VARIABLES + "{A: 0x" + "f" * 6000 + "}\n", 3, 28, "more than 1024 bits"),
        (VARIABLES + "{A: 1" + ":59" * 3000 + "}\n", 3, 28, "more than 1024 bits"),
        (VARIABLES + "{A: .inf}\n", 3, 28, "JSON has not"),
        (VARIABLES + "{A: .nan}\n", 3, 28, "JSON has not"),
        (JOB + "tags: {a: x\0y}\n", 3, 12, "control characters"),
        (JOB + "tags: {a: \uffff}\n", 3, 11, "control characters"),
        (JOB + 'tags: {a: "\\ud800"}\n', 3, 14, "Unicode character escape"),
        ("a: " + "{a: " * 200 + "}" * 200, 1, 244, "deeper than 60"),
        ("- " * 3000 + "a\n", 1, 1, "deeper than 60"),
        ("? " * 300 + "a\n", 1, 3, "plain value"),
    ],
)
def test_odd_text_is_refused_at_its_place(text: str, line: int, column: int, says: str) -> None:
    """The line and column are those of the value at fault."""
    with pytest.raises(yaml_document.RefusedError) as caught:
        translations.translate(text, kind="job")
    assert (caught.value.line, caught.value.column) == (line, column), caught.value.error.message
    assert says in caught.value.error.message
    assert len(caught.value.error.message) < 400


@pytest.mark.parametrize("around", ["\ufeff{}", "---\n{}", "{}...\n", "%YAML 1.1\n---\n{}", "# first\n{}"])
def test_what_stands_around_a_document_is_no_part_of_it(around: str) -> None:
    """A byte order mark, the marks of one document, a directive, comments."""
    assert body(around.format(JOB))["command"] == "echo"


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_lines_may_end_as_on_other_systems(end: str) -> None:
    """With a place that counts the same lines."""
    assert body(JOB.replace("\n", end))["command"] == "echo"
    with pytest.raises(yaml_document.RefusedError, match="line 3, column 1"):
        translations.translate((JOB + "comput: x\n").replace("\n", end), kind="job")


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("{A: 010, B: 0o10, C: 0x1F, D: 1_000, E: 190:20:30}", {"A": 8, "B": "0o10", "C": 31, "D": 1000, "E": 685230}),
        ("{A: on, B: yes, C: No, D: off, E: y}", {"A": True, "B": True, "C": False, "D": False, "E": "y"}),
        ("{A: 2020-01-01, B: 2020-01-01T10:00:00Z}", {"A": "2020-01-01", "B": "2020-01-01T10:00:00Z"}),
        ("{1: a, 1.5: b, ~: c, no: d}", {"1": "a", "1.5": "b", "null": "c", "false": "d"}),
        ("{=: a, B: =}", {"=": "a", "B": "="}),
        ("{A: !!str 3, B: !!int '3', C: !!binary aGVsbG8=}", {"A": "3", "B": 3, "C": "hello"}),
        ('{A: "\\U0001F600", B: "\\0"}', {"A": "\U0001f600", "B": "\0"}),
        ("{A: '" + "[" * 2000 + "'}", {"A": "[" * 2000}),
        ("\n  <<: [{A: 1}, {A: 2, B: 3}]\n  B: 4", {"A": 1, "B": 4}),
    ],
)
def test_values_are_what_the_cli_makes_of_them(written: str, sent: dict[str, Any]) -> None:
    """YAML 1.1; compared with azure-ai-ml once, by hand."""
    assert body(VARIABLES + written + "\n")["environmentVariables"] == sent


@pytest.mark.parametrize("times", [30, 200])
def test_mappings_merged_over_and_over_are_counted_before_they_are_made(times: int) -> None:
    """Each of these merges the one before twice: 2^30 pairs, of which nobody may make more than the limit."""
    doubled = "".join(f", &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, times))
    with pytest.raises(yaml_document.RefusedError, match="More than 50000 values"):
        yaml_document.parse(f"<<: [&a0 {{x: 1, y: 2}}{doubled}]\n")


def test_many_merges_of_one_long_mapping_are_counted() -> None:
    """A chain in which every link holds all pairs costs no more than the limit, either."""
    long = ", ".join(f"k{n}: 1" for n in range(400))
    chain = "".join(f"m{n}: &m{n} {{<<: *m{n - 1}}}\n" for n in range(1, 300))
    with pytest.raises(yaml_document.RefusedError, match="More than 50000 values"):
        yaml_document.parse(f"m0: &m0 {{{long}}}\n{chain}")


def test_a_mapping_that_merges_itself_adds_nothing() -> None:
    """As PyYAML has it."""
    assert yaml_document.parse("a: &a {b: 1, <<: *a}\n").value == {"a": {"b": 1}}


def test_a_program_full_of_brackets_is_not_deep() -> None:
    """Only YAML's own brackets nest."""
    lines = "".join("  " + "[" * 30 + "\n" for _ in range(60))
    assert body("environment: azureml:e:1\ncommand: |\n" + lines)["command"].count("[") == 1800
