"""The docs know every setting, function, kind and value of host.json; what is generated is current; links lead somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from shared.catalog import kinds
from tests import tables
from tests.docs import pages
from tests.docs.app_settings import settings_read

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(path.read_text() for path in FILES)


def leaves(value, path=()):
    """Yield the names of host.json's values."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    else:
        yield path


@tables.each("name", settings_read())
def test_every_setting_is_in_the_docs(name):
    """docs/settings.md lists what an operator can set."""
    assert f"`{name}`" in (ROOT / "docs" / "settings.md").read_text()


def test_settings_are_found_at_all():
    """The search above finds the ones everybody knows."""
    assert {"STEWARD_SUBSCRIPTION_ID", "STEWARD_CLEANUP", "AzureWebJobsStorage"} <= set(settings_read())


@pytest.mark.parametrize("name", sorted(set(re.findall(r"(?<!secrets\.)STEWARD_[A-Z_]*[A-Z]", TEXT))))
def test_the_docs_name_no_setting_that_is_not_read(name):
    """A setting that was renamed leaves no trace."""
    assert name in settings_read()


@tables.each("path", list(leaves(json.loads((ROOT / "host.json").read_text()))))
def test_every_value_of_host_json_is_explained(path):
    """Deliberate values, each with its reason; they interact."""
    assert f"`{path[-1]}`" in (ROOT / "docs" / "settings.md").read_text()


def test_the_docs_give_host_jsons_queue_values_as_they_are():
    """A changed value needs a changed reason."""
    queues = json.loads((ROOT / "host.json").read_text())["extensions"]["queues"]
    text = (ROOT / "docs" / "settings.md").read_text()
    for name in ("batchSize", "newBatchThreshold", "maxDequeueCount"):
        assert f"`queues` / `{name}` | {queues[name]} |" in text
    for name in ("visibilityTimeout", "maxPollingInterval"):
        assert f"`queues` / `{name}` | {int(queues[name].rpartition(':')[2])} s |" in text
    assert f"= {queues['batchSize'] + queues['newBatchThreshold']}" in text


@pytest.mark.parametrize("path", pages.PAGES, ids=lambda path: path.name)
def test_a_generated_page_is_current(path):
    """`python -m tests.docs` renews it."""
    assert path.read_text(encoding="utf-8") == pages.PAGES[path]()


@tables.each("kind", kinds.KINDS)
def test_every_kind_is_in_the_docs(kind):
    """The table is the product."""
    assert f"`{kind.path}`" in TEXT


def test_every_function_is_in_the_docs():
    """docs/functions.md is written from the blueprints that function_app registers."""
    registered = set(re.findall(r"register_functions\((\w+)\.blueprint\)", (ROOT / "function_app.py").read_text()))
    assert {module.__name__.rpartition(".")[2] for module in pages.BLUEPRINTS} == registered


LINKS = {(path, link) for path in FILES for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text())}


def test_every_link_between_pages_leads_to_a_file():
    """Checked without the network."""
    local = {(path, link) for path, link in LINKS if not link.startswith(("http", "mailto"))}
    assert len(local) > 100
    assert not [f"{path.relative_to(ROOT)}: {link}" for path, link in sorted(local) if not (path.parent / link).exists()]


@pytest.mark.parametrize(
    ("badge", "source", "said"), [("license", "LICENSE", "{} License\n"), ("python", ".python-version", "{}\n")]
)
def test_a_badge_says_what_is_true(badge, source, said):
    """The last word of the picture is that of the file that the badge leads to."""
    shown = re.findall(r">([^<>\n]+)</text>", (ROOT / "docs" / f"{badge}.svg").read_text())[-1]
    assert (ROOT / source).read_text().startswith(said.format(shown))
