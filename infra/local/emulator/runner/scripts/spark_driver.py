"""Runs inside the prepared environment: the entry file of a Spark job, `spark_driver.py ENTRY arguments…`.

An ordinary Python process. `import pyspark` works where pyspark is installed, and finds the job's conf and files in
PYSPARK_SUBMIT_ARGS, as it does everywhere; where it is not, the job ends with a sentence that says so.
"""

import runpy
import sys
import traceback
from pathlib import Path

NO_SPARK = "The local Azure has no Spark: pyspark is not installed in its prepared environment."


def main() -> None:
    """Become the entry file; code 1 without Spark, else its own."""
    entry = sys.argv[1]
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(entry).resolve().parent)
    try:
        runpy.run_path(entry, run_name="__main__")
    except ModuleNotFoundError as missing:
        traceback.print_exc()
        if (missing.name or "").partition(".")[0] != "pyspark":
            raise SystemExit(1) from None
        raise SystemExit(NO_SPARK) from None


if __name__ == "__main__":
    main()
