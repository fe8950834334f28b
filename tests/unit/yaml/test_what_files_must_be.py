"""What a YAML says of the files that come with it is looked up among them, in each way that files come."""

from __future__ import annotations

import pytest

from shared.catalog import yaml as translations
from shared.files.translations import Sent, planned
from shared.rest import ids
from shared.text.yaml_document import RefusedError

WORKSPACE = ids.parse("/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w")
DATA = "name: d\npath: {path}\ntype: {type}\n"
DEPLOYMENT = "name: blue\nendpoint_name: e\ninstance_type: x\nmodel: azureml:m:1\nenvironment: azureml:e:1\n"
DEPLOYMENT += "code_configuration: {code: src, scoring_script: score.py}\n"
TREE = frozenset({"rows.csv", "tree/a.csv", "table/MLTable", "src/score.py", "deep/repo/rows.csv", "deep/repo/more/a.csv"})


def brought(text: str, sent: Sent) -> bool:
    """Return True if something is planned; what is refused raises."""
    kinds = ("data",) if "type: " in text and "path: " in text else ("onlineEndpoints", "e")
    target = WORKSPACE.child(*kinds) if len(kinds) > 1 else WORKSPACE.child("data")
    target = target.child("deployments") if len(kinds) > 1 else target
    return planned(translations.translate(text, target=target, location="x"), sent) is not None


@pytest.mark.parametrize(
    ("path", "kind", "said"),
    [
        ("rows.csv", "uri_file", ""),
        ("tree", "uri_folder", ""),
        ("./tree/", "uri_folder", ""),
        ("table", "mltable", ""),
        ("rows.csv", "uri_folder", "is a file: name its folder, or write type: uri_file"),
        ("tree", "uri_file", "is a folder: name a file of it, or write type: uri_folder"),
        ("tree", "mltable", "a folder with the file 'MLTable'"),
        ("rows.csv", "mltable", "a folder with the file 'MLTable'"),
    ],
)
def test_data_are_of_their_type(path: str, kind: str, said: str) -> None:
    """As azure-ai-ml has it, with the place of the path."""
    text, sent = DATA.format(path=path, type=kind), Sent(names=TREE)
    if not said:
        assert brought(text, sent)
        return
    with pytest.raises(RefusedError, match=said) as refused:
        brought(text, sent)
    assert (refused.value.error.target, refused.value.line) == ("path", 2)


def test_the_yamls_own_folder_and_files_above_it_count() -> None:
    """Of a zip with `specPath`, and of loose parts that lead up."""
    deep = Sent(names=TREE, folder="deep/repo")
    assert brought(DATA.format(path="more", type="uri_folder"), deep)
    assert brought(DATA.format(path="../../tree", type="uri_folder"), deep)
    with pytest.raises(RefusedError, match="is a file"):
        brought(DATA.format(path="../../rows.csv", type="uri_folder"), deep)


@pytest.mark.parametrize(("packed", "kind"), [(True, "uri_folder"), (False, "uri_file")])
def test_files_that_came_as_the_part_of_the_kind_are_what_the_path_means(*, packed: bool, kind: str) -> None:
    """`-F data=@x.zip` is a folder, one file is a file, whatever the YAML calls it."""
    sent = Sent(names=frozenset({"a.csv", "b.csv"} if packed else {"a.csv"}), packed=packed, whole="data")
    assert brought(DATA.format(path="elsewhere", type=kind), sent)
    with pytest.raises(RefusedError, match=r"is a (file|folder)"):
        brought(DATA.format(path="elsewhere", type="uri_file" if packed else "uri_folder"), sent)


def test_a_scoring_script_lies_in_the_code() -> None:
    """A deployment without it is known to fail, minutes later."""
    assert brought(DEPLOYMENT, Sent(names=TREE))
    assert brought(DEPLOYMENT.replace("score.py", "../rows.csv"), Sent(names=TREE))
    assert brought(DEPLOYMENT, Sent(names=frozenset({"score.py"}), whole="code"))
    with pytest.raises(RefusedError, match="has no file 'main") as refused:
        brought(DEPLOYMENT.replace("score.py", "main.py"), Sent(names=TREE))
    assert refused.value.error.target == "code_configuration.scoring_script"
