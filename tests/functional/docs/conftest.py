"""A stack of the pages' own, with previews on; what they take for granted they have put there themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.local import stack

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stack.Stack]:
    """Everything, fresh: the pages' names are free."""
    options = stack.Options(state=tmp_path_factory.mktemp("docs"), settings={"STEWARD_PREVIEWS": "true"})
    with stack.start(options) as parts:
        yield parts
