"""`az ml` YAML as the ARM body that the official SDK would send; pure: nothing is asked of Azure, nothing is uploaded.

`translate(text, kind=…, target=…, location=…, overrides=…, files=…)` returns a `Translation`:

- `kind`, `name`, `version`: what it is and what to call it (`name` None: the caller makes one up, as for most jobs;
  `version` None for an asset: the next free one).
- `body`: the ARM body. Where something has to happen first it shows what the user wrote.
- `uploads`, `registrations`, `labels` (in `drafts`): what has to happen first, each with the `Place`s its outcome goes to:
  `registration` None is `body`, else the index of a registration; `pointer` a JSON pointer; `pattern` the value with `{}`
  for the outcome. Order: uploads and labels, then registrations as listed (each may wait for earlier ones), then `body`.
  `fill` puts one outcome into all its places.

A YAML that cannot be translated raises `document.RefusedError` (a `BadRequestError`, code `InvalidYaml`) with line and column.
Importing this package is cheap; PyYAML and the tables load with the first YAML.
"""

from __future__ import annotations

from shared.catalog.yaml.translation import KINDS, Translation, detect, fill, translate

__all__ = ["KINDS", "Translation", "detect", "fill", "translate"]
