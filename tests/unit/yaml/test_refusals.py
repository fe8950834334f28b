"""What cannot be translated is refused at its line and column, and hostile text costs little."""

import json
import time

import pytest

from shared.catalog import yaml as translations
from shared.rest import errors
from shared.text import yaml_document

JOB = "command: echo\nenvironment: azureml:e:1\n"


def refusal(text: str, kind: str = "job", **files: str) -> errors.AzureError:
    """Return the error a YAML is refused with."""
    with pytest.raises(yaml_document.RefusedError) as caught:
        translations.translate(text, kind=kind, files=files.get)
    assert caught.value.status == 400
    assert caught.value.error.code == "InvalidYaml"
    return caught.value.error


@pytest.mark.parametrize(
    ("text", "target", "place", "says"),
    [
        (JOB + "comput: azureml:cpu\n", "comput", "line 3, column 1", "did you mean 'compute'"),
        (JOB + "resources:\n  instance_cuont: 2\n", "resources.instance_cuont", "line 4, column 3", "Unknown field"),
        (JOB + "resources:\n  instance_count: two\n", "resources.instance_count", "line 4, column 19", "Expected an integer"),
        (JOB + "tags:\n  year: 2026\n", "tags.year", "line 4, column 9", "quote it"),
        (JOB + "queue_settings: {job_tier: cheap}\n", "queue_settings.job_tier", "line 3, column 28", "one of spot, basic"),
        (JOB + "inputs:\n  - a\n", "inputs", "line 4, column 3", "Expected a mapping, got a list"),
        (JOB + "compute:\n", "compute", "line 3, column 1", "is empty"),
        ("environment: azureml:e:1\n", "command", "line 1, column 1", "'command' is missing"),
        ("command: echo\nenvironment: e:1\n", "environment", "line 2, column 14", "azureml:"),
        ("command: echo\nenvironment: azureml:e\n", "environment", "line 2, column 14", "names no version"),
        (JOB + "type: dance\n", "type", "line 3, column 7", "one of command, sweep"),
    ],
)
def test_a_field_at_fault_is_named_with_its_place(text: str, target: str, place: str, says: str) -> None:
    """Path, line and column lead to it; the message says what is expected."""
    error = refusal(text)
    assert error.target == target
    assert place in error.message
    assert says in error.message


def test_a_monitors_signal_without_data_is_told_what_to_write() -> None:
    """The CLI would ask Azure what the deployment collects."""
    text = (
        "name: m\n"
        "trigger: {type: cron, expression: '0 3 * * *'}\ncreate_monitor:\n  compute: {instance_type: s, runtime_version: '3.4'}\n"
        "  monitoring_target: {ml_task: regression, endpoint_deployment_id: azureml:e:d}\n"
        "  monitoring_signals: {a: {type: data_drift, metric_thresholds: {numerical: {jensen_shannon_distance: 0.1}}}}\n"
    )
    error = refusal(text, "schedule")
    assert "production_data: {input_data: {type: uri_folder, path: azureml:NAME:1}" in error.message
    assert error.target == "create_monitor.monitoring_signals.a"


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("a: [1\nb: 2\n", "line 2, column 2", "not YAML"),
        ("command: !!python/object/apply:os.system [ls]\n", "line 1, column 10", "not allowed"),
        ("command: !mine x\n", "line 1, column 10", "tag !mine"),
        ("a: &x [*x]\n", "line 1, column 4", "contains it"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1", "not YAML"),
        ("- a\n", "line 1, column 1", "mapping of fields"),
        ("", "line 1, column 1", "empty"),
        ("? [a]\n: b\n", "line 1, column 3", "plain value"),
        ("a: \x07\n", "line 1, column 4", "not YAML"),
    ],
)
def test_what_is_no_plain_yaml_is_refused(text: str, place: str, says: str) -> None:
    """Tags, loops, several documents and control characters all have a place."""
    error = refusal(text)
    assert place in error.message
    assert says in error.message


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)),
        "a: " + "[" * 100_000,
        "a: " + "[" * 900 + "]" * 900,
        "".join("  " * n + "a:\n" for n in range(3000)),
        "a: " + "x" * 600_000,
        "".join(f"k{n}: 1\n" for n in range(55_000)),
    ],
    ids=["aliases that multiply", "open brackets", "deep brackets", "deep indentation", "a huge text", "too many values"],
)
def test_a_yaml_meant_to_exhaust_is_refused(text: str) -> None:
    """Size, depth and the number of values are bounded before anything is built from them."""
    assert "line 1" in refusal(text).message or "column" in refusal(text).message


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ("", "["),
        ("", "{a: "),
        ("", '["'),
        ("", "? ["),
        ("a: [", "[],"),
        ("{", "a,"),
        ("", "-\n"),
        ("", "a:\n"),
        ("", "<<: {}\n"),
        ("a: 1", ":59"),
        ("a: -1", ":1"),
        ("a: !!int 0", ":0"),
        ("a: !!float 1", ":1"),
        ("", "%TAG !a! b\n"),
    ],
)
def test_what_a_parser_reads_slowly_is_refused_before_it_does(first: str, again: str) -> None:
    """The largest text that is read, of one sign after the other: each takes well under a second, once it took minutes."""
    text = first + again * ((yaml_document.TEXT_LIMIT - len(first)) // len(again))
    began = time.process_time()
    assert refusal(text).code == "InvalidYaml"
    assert time.process_time() - began < 5


def test_directives_that_differ_are_counted_too() -> None:
    """The parser compares each with all before it."""
    assert "start with %" in refusal("".join(f"%TAG !a{n}! b\n" for n in range(20_000)) + "---\na: 1\n").message


@pytest.mark.parametrize("text", ["command: |\n" + "  - a: [b, c]\n" * 30_000, "command: '" + "[{," * 80_000 + "'\n"])
def test_signs_within_a_text_are_no_values(text: str) -> None:
    """A long program is one value, whatever stands in it."""
    assert len(yaml_document.parse(text).value["command"]) >= 240_000


def test_a_named_file_that_was_not_sent_is_asked_for() -> None:
    """The message says under which path to send it."""
    error = refusal("type: pipeline\njobs:\n  a:\n    component: ./parts/train.yml\n")
    assert error.target == "jobs.a.component"
    assert "'parts/train.yml'" in error.message
    assert "line 4, column 16" in error.message


def test_an_error_in_a_named_file_says_which_file() -> None:
    """Line and column are the named file's own."""
    files = {"parts/train.yml": "name: train\ntype: command\nenvironment: azureml:e:1\ncommand: [echo]\n"}
    error = refusal("type: pipeline\njobs:\n  a:\n    component: ./parts/train.yml\n", **files)
    assert "parts/train.yml, line 4, column 10" in error.message


def test_files_that_name_each_other_end() -> None:
    """A pipeline component that contains itself is read a bounded number of times."""
    loop = "name: a\ntype: pipeline\njobs:\n  x: {type: pipeline, component: ./loop.yml}\n"
    assert "files are named" in refusal("type: pipeline\ncomponent: ./loop.yml\n", **{"loop.yml": loop}).message


def test_an_expression_that_refers_to_nothing_is_refused() -> None:
    """Jobs inside a pipeline take their types from what they are bound to."""
    text = (
        "type: pipeline\njobs:\n  a:\n    command: echo\n    environment: azureml:e:1\n    inputs: {x: '${{parent.inputs.no}}'}\n"
    )
    assert "no input of the pipeline" in refusal(text).message


def test_an_input_needs_a_name_that_expressions_can_refer_to() -> None:
    """Letters, digits and underscores; refused at the name."""
    text = "name: a\ncommand: echo\nenvironment: azureml:e:1\ninputs:\n  learning-rate: {type: number}\n"
    assert "line 5, column 3" in refusal(text, kind="component").message


def test_the_kind_must_be_told() -> None:
    """By `$schema` or by the path; a contradiction is refused at `$schema`."""
    with pytest.raises(yaml_document.RefusedError, match="Nothing says what this is"):
        translations.translate("name: x\n")
    with pytest.raises(yaml_document.RefusedError, match="says this is a model, the path asks for data"):
        translations.translate("$schema: https://x/model.schema.json\nname: x\n", target=_target("data"))


def _target(kind: str):
    from shared.rest import ids

    scope = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
    return ids.parse(scope).child(kind)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "value",
    [
        "${{" * 120_000,
        "${{" + " " * 400_000,
        "/subscriptions/x" + "/resourceGroups/x/providers/" * 30_000,
        "a-" * 180_000,
        "x" * 400_000,
    ],
    ids=["open expressions", "spaces", "id parts", "dashes", "letters"],
)
def test_a_long_value_costs_little_wherever_it_stands(value: str) -> None:
    """No pattern backtracks over it, and no message repeats it."""
    fields = ("compute", "environment", "code", "inputs.a", "inputs.a.path", "distribution.type", "resources.instance_count")
    for field in (*fields, value, f"tags.{value}"):
        where, _, rest = field.partition(".") if not field.startswith(value[:9]) else (field, "", "")
        body: dict[str, object] = {"command": "echo", "environment": "azureml:e:1"}
        nested: object = value
        for part in reversed(rest.split(".") if rest else []):
            nested = {part: nested}
        body[where] = nested
        for whole in (body, {"type": "pipeline", "jobs": {"a": body}}):
            error = outcome(json.dumps(whole))
            assert error is None or (len(error.message) < 2_000 and len(error.target or "") <= 200)


def outcome(text: str) -> errors.AzureError | None:
    """Return the error of a job's YAML, or None."""
    try:
        translations.translate(text, kind="job")
    except yaml_document.RefusedError as refused:
        return refused.error
    return None


def test_all_mistakes_of_a_yaml_are_said_at_once() -> None:
    """The first is the message, the details hold each with its own place and field."""
    error = refusal("command: 1\nenvironmnt: azureml:e:1\nresources: {instance_count: many}\ncompute: azureml:cpu\n")
    assert "(and 3 more problems, see details)" in error.message
    assert [each.target for each in error.details] == ["command", "environmnt", "resources.instance_count", "environment"]
    assert [each.message.partition("(line ")[2][:1] for each in error.details] == ["1", "2", "3", "1"]


def test_each_step_without_compute_is_named() -> None:
    """Five steps, five problems."""
    steps = "".join(f"  s{number}: {{command: echo, environment: 'azureml:e:1'}}\n" for number in range(5))
    error = refusal(f"type: pipeline\njobs:\n{steps}")
    assert [each.target for each in error.details] == [f"jobs.s{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("command: 'echo ${{inputs.nope}}'\nenvironment: azureml:e:1\ninputs: {rows: 1}\n", "its inputs: rows."),
        (
            "type: pipeline\njobs:\n  a: {command: echo, environment: 'azureml:e:1', inputs: {x: '${{jobs.b.outputs.o}}'}}\n",
            "parent.jobs.b",
        ),
    ],
)
def test_an_expression_that_refers_to_nothing_says_what_there_is(text: str, said: str) -> None:
    """The names that there are, or today's form."""
    assert said in refusal(text).message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "command: x\nenvironment: plain\n",
            "'plain' is not a valid environment reference: write azureml:plain:1, azureml:plain@latest or azureml://",
        ),
        ("type: pipeline\njobs:\n  a: {component: train, type: command}\ncompute: azureml:cpu\n", "train"),
        ("command: x\nenvironment: azureml:e:1\ncompute: {target: azureml:cpu}\n", "write compute: azureml:NAME"),
        (JOB + "inputs: {x: {type: uri_file, path: a, optional: true}}\n", "'optional' belongs to a component's inputs"),
        (JOB + "inputs: {x: {type: number, default: 1}}\n", "'default' belongs to a component's inputs"),
        (JOB + "code: ' azureml://datastores/d/paths/x'\n", "begins with a blank"),
    ],
)
def test_a_refusal_says_todays_form(text: str, said: str) -> None:
    """What to write instead stands in the message."""
    assert said in refusal(text).message


def test_a_boolean_for_a_word_is_to_be_quoted() -> None:
    """`enabled: true` of a data collector is text for the CLI."""
    text = "name: d\nendpoint_name: e\nmodel: azureml:m:1\ninstance_type: S\n"
    text += "data_collector: {collections: {request: {enabled: true}}}\n"
    assert 'write it in quotes, "true"' in refusal(text, kind="online_deployment").message


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("sas: x", "Unknown field 'sas'; known are account_key, sas_token."),  # of all forms, not of the first alone
        ("sas_tokn: x", "did you mean 'sas_token'?"),
        ("account_ke: x", "did you mean 'account_key'?"),
        ("key: x", "Unknown field 'key'; known are account_key, sas_token."),
    ],
)
def test_a_field_that_no_form_has_is_refused_with_those_of_every_form(given: str, says: str) -> None:
    """A store's credentials are a key or a signature; the refusal does not say that only the first is known."""
    store = f"name: d\ntype: azure_blob\naccount_name: a\ncontainer_name: c\ncredentials: {{{given}}}\n"
    assert says in refusal(store, kind="datastore").message


def test_a_default_is_refused_where_it_stands() -> None:
    """Azure would keep it, and the first job that uses it would fail."""
    text = f'name: c\nversion: "1"\ntype: command\n{JOB}inputs:\n  n: {{type: integer, default: many}}\n'
    error = refusal(text, kind="component")
    assert error.message == "Expected a whole number as default, got 'many'. (line 7, column 31)"
    assert error.target == "inputs.n.default"


def test_a_field_that_is_not_sent_is_said() -> None:
    """An instance is where its workspace is: the region is dropped, as the client drops it, and the notes say so."""
    made = translations.translate("name: ci1\ntype: computeinstance\nsize: Standard_D1\nlocation: eastus\n", kind="compute")
    assert "'location' is not sent" in made.notes[0]


def test_what_belongs_to_a_pipeline_and_stands_in_its_settings_is_noted() -> None:
    """Azure takes it there and does not read it: https://github.com/MicrosoftDocs/azure-docs/issues/105972."""
    step = "jobs: {a: {type: command, command: ls, environment: azureml:e:1}}\n"
    settings = "settings: {default_compute: azureml:cpu, identity: {type: user_identity}}\n"
    made = translations.translate(f"type: pipeline\n{step}{settings}", kind="job")
    assert [note for note in made.notes if "'identity' belongs to the pipeline" in note and "line 3" in note]
    assert not translations.translate(f"type: pipeline\n{step}settings: {{default_compute: azureml:cpu}}\n", kind="job").notes
