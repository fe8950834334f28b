"""For every YAML of the corpus our ARM body is the one azure-ai-ml sends, field by field."""

from pathlib import Path
from typing import Any

import pytest

from shared.catalog import yaml as translations
from tests import tables
from tests.functional.yaml import conversation
from tests.functional.yaml.conftest import CORPUS, FILES

TEMPLATES = ("workspace", "feature_store", "registry")  # the SDK makes these beside others; their own REST object is compared


@pytest.mark.timeout(600)
@tables.each("name", FILES)
def test_body_equals_the_sdks(name: str, answers: dict[str, dict[str, Any]]) -> None:
    """The SDK accepts the file, and sends what we would."""
    answer = answers[name]
    assert "error" not in answer, answer["error"]
    loader = name.partition("/")[0]
    translation = translated(name)
    ours = conversation.carried_out(translation)
    path, theirs = ("", answer["rest"]) if loader in TEMPLATES else conversation.sent(answer)
    conversation.without_made_up_names(loader, path, theirs, ours)
    assert ours == theirs
    if loader not in TEMPLATES and translation.name:
        assert translation.name in path.split("/")


@pytest.mark.timeout(600)
@tables.each("name", [name for name in FILES if name.partition("/")[0] not in TEMPLATES])
def test_query_equals_the_sdks(name: str, answers: dict[str, dict[str, Any]]) -> None:
    """The body, and each asset registered ahead of it, goes with the api-version (and what else of a query) that the SDK sends."""
    translation = translated(name)
    *ahead, last = conversation.writes(answers[name])
    assert {"api-version": translation.api_version, **translation.query} == last["query"]
    theirs = {conversation.collection(request["path"]): request["query"] for request in ahead}
    ours = {each.type: {"api-version": each.api_version} for each in translation.registrations}
    assert ours == theirs


def translated(name: str) -> translations.Translation:
    """Translate a file of the corpus as a request would."""
    file = CORPUS / name
    text = file.read_text()

    def read(path: str) -> str | None:
        wanted = (file.parent / path).resolve()
        return wanted.read_text() if wanted.is_file() and wanted.is_relative_to(CORPUS) else None

    return translations.translate(
        text,
        target=conversation.target(name.partition("/")[0], text),
        location="eastus",
        workspace_id=conversation.WORKSPACE_ID,
        files=read,
        kind=kind_of(name),
    )


def kind_of(name: str) -> str:
    """The kind that a folder of the corpus stands for; three hold forms of one."""
    folder = Path(name).parts[0]
    return "batch_deployment" if folder.endswith("batch_deployment") else folder
