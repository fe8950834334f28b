"""The recipes that have a name: the app's own, and the stored ones, which take precedence.

Not here: how a recipe is read (recipe_fields), running one (run_steps).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.recipes import recipe_fields
from shared.rest import errors
from shared.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shared.durable.storage import Blobs
    from shared.recipes.recipe import Recipe

FOLDER = "recipes/"
LIMIT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A stored recipe.

    Attributes:
        text: As it was written, YAML or JSON.
        shipped: It comes with the app.
        by, grants: Who stored it, and what that caller may do.
        at: When.
    """

    name: str
    text: str
    shipped: bool = False
    by: str = ""
    grants: tuple[Mapping[str, Any], ...] = ()
    at: datetime | None = None

    @property
    def recipe(self) -> Recipe:
        """The recipe itself.

        Raises:
            InvalidFileError: it is not one that this version reads.
        """
        return recipe_fields.parse(self.text, self.name)

    def view(self) -> dict[str, Any]:
        """Return it as callers read it: `properties` is what may be put again."""
        out: dict[str, Any] = {"id": f"/recipes/{self.name}", "name": self.name, "shipped": self.shipped}
        return out | ({"by": self.by} if self.by else {}) | {"properties": recipe_fields.plain(self.text)}


@cache
def shipped() -> dict[str, str]:
    """Return the texts of the app's own recipes, by name."""
    return {path.stem: path.read_text("utf-8") for path in sorted((Path(__file__).parent / "shipped").glob("*.yaml"))}


def load(name: str, blobs: Blobs) -> Kept:
    """Return a recipe.

    Raises:
        BadRequestError: `RecipeNotFound` (404).
    """
    if found := find(name, blobs):
        return found
    message = f"There is no recipe '{name[:60]}'; {did_you_mean.hint(name, shipped(), 'GET recipes lists them.')}"
    raise errors.BadRequestError("RecipeNotFound", message, target="name", status=404)


def find(name: str, blobs: Blobs) -> Kept | None:
    """Return a recipe, or None."""
    content = blobs.get(_blob(name))
    if content is not None:
        stored = json.loads(content)
        at = datetime.fromisoformat(stored["at"]) if "at" in stored else None
        return Kept(name=name, text=stored["text"], by=stored["by"], grants=tuple(stored.get("grants", ())), at=at)
    text = shipped().get(name)
    return Kept(name=name, text=text, shipped=True) if text else None


def every(blobs: Blobs) -> Iterator[Kept]:
    """Yield all recipes, by name."""
    put = [name.removeprefix(FOLDER).removesuffix(".json") for name in blobs.names(FOLDER)][:LIMIT]
    for name in sorted({*put, *shipped()}):
        yield load(name, blobs)


def put(kept: Kept, blobs: Blobs) -> None:
    """Store a recipe under its name.

    Raises:
        BadRequestError: `TooManyRecipes`.
    """
    if blobs.get(_blob(kept.name)) is None and len(list(blobs.names(FOLDER))) >= LIMIT:
        message = f"The app stores at most {LIMIT} recipes. Delete one first."
        raise errors.BadRequestError("TooManyRecipes", message, target="name", status=409)
    stored: dict[str, Any] = {"version": 1, "text": kept.text, "by": kept.by, "grants": list(kept.grants)}
    stored |= {"at": kept.at.isoformat()} if kept.at else {}
    blobs.put(_blob(kept.name), json.dumps(stored).encode())


def remove(name: str, blobs: Blobs) -> None:
    """Delete a stored recipe; the app's own recipe of that name takes effect again.

    Raises:
        BadRequestError: `RecipeNotFound` (404), `RecipeShipped` (409).
    """
    if load(name, blobs).shipped:
        message = f"The recipe '{name}' comes with the app and cannot be deleted. To replace it, PUT another recipe under its name."
        raise errors.BadRequestError("RecipeShipped", message, target="name", status=409)
    blobs.delete(_blob(name))


def _blob(name: str) -> str:
    return f"{FOLDER}{name}.json"
