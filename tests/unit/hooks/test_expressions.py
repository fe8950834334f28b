"""`${{ … }}` in rules: values keep their type, texts stay one segment, mistakes name their place."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.chains import expressions
from shared.rest import errors

DOCUMENT = {"data": {"modelName": "credit", "modelVersion": 3, "tags": {"a b": "x/y"}}, "steps": {"deploy": {"status": 201}}}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ("${{ data.modelVersion }}", 3),
        ("${{data.tags}}", {"a b": "x/y"}),
        ("v${{ data.modelVersion }}-${{ data.modelName }}", "v3-credit"),
        ("${{ {a: {b: data.modelName}} }}", {"a": {"b": "credit"}}),
        ('${{ data.tags."a b" }}!', "x/y!"),
        ("${{ '}}' }}.", "}}."),
        ("${{ nothing.there }}", None),
        ({"${{ data.modelName }}": ["${{ steps.deploy.status }}", 1, None]}, {"credit": [201, 1, None]}),
    ],
)
def test_a_value_takes_what_its_expressions_find(template, expected):
    """Alone it keeps the type; inside a text it becomes text."""
    assert expressions.render(template, DOCUMENT) == expected


def test_a_text_that_would_miss_a_part_is_refused():
    """Half a name must not become a request."""
    with pytest.raises(expressions.NothingThereError, match=r"no\.such"):
        expressions.render("model-${{ no.such }}", DOCUMENT)


def test_a_path_segment_stays_one_segment():
    """What an event says is never a path of its own."""
    shown = expressions.text('models/${{ data.tags."a b" }}', DOCUMENT, encode=lambda text: quote(text, safe=""))
    assert shown == "models/x%2Fy"


@given(st.text())
def test_no_value_brings_control_characters(value):
    """A header or path with a line break would be another request."""
    try:
        shown = expressions.text("${{ v }}", {"v": value})
    except expressions.NothingThereError:
        return
    assert not any(ord(character) < 32 or ord(character) == 127 for character in shown)


@pytest.mark.parametrize("text", ["data.", "[?", "foo(", "a b", "x" * 3_000])
def test_what_is_no_expression_is_refused(text):
    """At parse time, not when the event comes."""
    with pytest.raises(ValueError, match="expression"):
        expressions.check(text)


@pytest.mark.parametrize("template", ["${{ data", {"a": ["${{ x }"]}, {"${{": 1}])
def test_what_is_not_closed_is_refused(template):
    """The message shows where it begins."""
    with pytest.raises(ValueError, match="not closed"):
        expressions.check_all(template)


@given(st.text(alphabet="${}ab'\"`\\ "))
def test_any_text_is_either_read_or_refused(text):
    """No template loops or fails otherwise."""
    try:
        expressions.check_all(text)
        expressions.render(text, DOCUMENT)
    except ValueError:
        return


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data.modelName == 'credit'", True),
        ("data.modelVersion > `5`", False),
        ("nothing", False),
        ("abs(data)", False),
        ("`0`", True),
    ],
)
def test_conditions_hold_as_jmespath_has_it(text, expected):
    """A function that meets another type than it takes finds nothing."""
    assert expressions.holds(text, DOCUMENT) is expected


def test_an_expression_that_would_never_end_is_a_refusal():
    """So the firing is recorded as refused, with the reason, and the event's other rules go on."""
    nine = "`[1,2,3,4,5,6,7,8,9]`"
    with pytest.raises(errors.BadRequestError, match="takes more than 500000 steps") as caught:
        expressions.holds(f"map(&map(&map(&@, {nine}), {nine}), data.all)", {"data": {"all": [1] * 9_000}})
    assert caught.value.error.code == "ExpressionTooLong"


def test_a_function_that_is_none_is_refused_when_the_rule_is_read():
    """It would find nothing in any event."""
    with pytest.raises(ValueError, match="did you mean 'contains'"):
        expressions.check("contain(data.modelName, 'x')")
