"""An expression of a rule or policy, however it was written, is refused when it is read or answered in bounded work."""

import pytest

from shared.text import jmes, jmes_steps

MANY = {"data": {"a": list(range(1_000)), "text": "x" * 100_000}, "tags": {"env": "dev"}}


@pytest.mark.parametrize(
    "text",
    [
        "map(&map(&map(&@, [`1`,`2`]), [`1`,`2`,`3`] | [@,@,@,@,@][] | [@,@,@,@,@][] | [@,@,@,@,@][]), data.a)",
        "|".join(["[@,@]"] * 40),
        "|".join(["[@,@][]"] * 40),
        "|".join(["{a: @, b: @}"] * 40),
        "|".join(["[@,@]"] * 40) + " | to_string(@)",
        "[data.a, data.a][] | join(@[0], @)" + " | [@,@]" * 40,
        "join(data.text, data.a[].to_string(@))",
        "data.a[].join('', map(&to_string(@), [`" + "[" + ",".join("1" * 300) + "]`][]))" + " | [@,@]" * 30,
    ],
)
def test_what_would_go_on_and_on_ends(text: str) -> None:
    """By steps, not by a clock: it is the same on every machine."""
    try:
        jmes.search(text, MANY)
    except (jmes_steps.TooLongError, jmes.MisfitError):
        return
    pytest.fail("it was answered")


@pytest.mark.parametrize(
    "text",
    [
        "data.s" + " | [to_string(@), to_string(@)]" * 16,
        "data.s" + " | {a: to_string(@), b: to_string(@)}" * 16,
        "data.s" + " | to_string([@, @])" * 30,
        "data.s" + " | join(@, ['', '', ''])" * 40,
        "data.s" + " | join('', [@, @])" * 40,
        "data.s" + " | reverse(join('', [@, @]))" * 40,
        "[data.text, data.text]" + " | [@[0], @[0], @[1], @[1]]" * 3 + " | map(&to_string(@), @[])" * 12,
        "{a: data.text}" + " | {a: to_string(@), b: to_string(@)}" * 16,
        '`{"' + "k" * 400 + '": 1}`' + " | {a: to_string(@), b: to_string(@)}" * 16,
    ],
)
def test_texts_are_counted_by_their_length(text: str) -> None:
    """A few stages that each double a text would fill the memory; what is made on the way stays small."""
    import tracemalloc

    given = {"data": {"s": 'x"', "text": "x" * 100_000}}
    jmes.read(text)
    tracemalloc.start()
    try:
        with pytest.raises(jmes_steps.TooLongError):
            jmes.search(text, given)
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("!" * 1_500 + "a", "nested"),
        ("[" * 700 + "]" * 700, "nested"),
        ("(" * 700 + "a" + ")" * 700, "nested"),
        ("a||" * 300 + "a", "nested"),
        ("a." * 2_000 + "a", "2000 characters"),
        ("lenght(a)", "did you mean 'length'"),
        ("length(a, b)", "length takes 1 arguments, not 2"),
        ("not_null()", "or more"),
        ("a b", "column 2"),
    ],
)
def test_what_no_answer_could_come_of_is_refused_when_it_is_read(text: str, says: str) -> None:
    """Before an event or a resource meets it."""
    with pytest.raises(ValueError, match=says):
        jmes.read(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a." * 900 + "a", None),
        ("tags.env == 'dev' && length(data.a[?@ > `10`]) > `100`", True),
        ("sort_by(data.a[:3].{n: @}, &n)[-1].n", 2),
        ("join('-', ['a', 'b'])", "a-b"),
        ("[data.a[:2], [`7`]][]", [0, 1, 7]),
        ("{env: tags.env, many: data.a} | many[-1]", 999),
        ("max_by(data.a[].{n: @}, &n).n", 999),
        ("length(to_string(@)) > `100000`", True),
        ("length(join(', ', data.a[].to_string(@)))", 4888),
        ("starts_with(reverse(data.text), 'x')", True),
        ("||".join(["a"] * 100), None),
    ],
)
def test_what_is_written_for_use_is_answered_as_ever(text: str, found: object) -> None:
    """As jmespath itself has it."""
    import jmespath

    assert jmes.search(text, MANY) == found
    assert jmespath.search(text, MANY) == found


def test_a_function_that_meets_another_type_says_so() -> None:
    """A rule takes it as "not there", a policy tells it."""
    with pytest.raises(jmes.MisfitError, match="invalid type"):
        jmes.search("length(`5`)", {})
