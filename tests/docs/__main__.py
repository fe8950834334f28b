"""Write the generated pages: `python -m tests.docs`."""

import logging

from tests.docs import pages

if __name__ == "__main__":
    logging.disable(logging.WARNING)  # of azure.functions, about blueprints without HTTP functions
    for path, text in pages.PAGES.items():
        path.write_text(text(), encoding="utf-8")
        print(path)  # noqa: T201 - what was written
