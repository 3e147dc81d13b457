"""What the fuzzer and the large inputs found, and what is done now; each line has a test in `tests/hostile/`."""

FIXED = (
    "A response with thousands of `\\boxed{` or `<answer>` that never close took the square of their number: answers are "
    "found in one pass.",
    "A judge's reply of megabytes was searched whole with a pattern that may take its square: its last 20,000 characters "
    "are.",
    "A log of `culpa watch` that is not UTF-8 ended in `UnicodeDecodeError`.",
    "Half of a surrogate pair (`\\ud800`) in a JSON name, text or message ended in `UnicodeEncodeError`: it becomes `?`, "
    "as in texts before.",
    "Values of several kinds inside one column (`[1]` beside `[[1]]`), or nested deeper than twenty, made polars panic and print "
    "a backtrace: such columns are text.",
    "A column `features` of single numbers or of lists of lists ended in `TypeError` or `ValueError`.",
    "Whole numbers beyond the largest float in inspect_ai and NeMo-RL logs ended in `OverflowError` or `TypeError`: no verdict.",
    "Further columns under native names (`response` in a verl dump) ended in polars' `DuplicateError`: told as the "
    "file's fault.",
    "A path too long for the system, or not allowed, was told as a fault of culpa.",
    "Paths and column names in messages of the Python interface kept control characters and megabytes: both are escaped and cut.",
    "torch printed advice to load a refused `.pt` file without safety.",
    "100,000 columns took minutes: more than 10,000 are refused, and 10,000 take seconds.",
    "16 MB of JSON lines with another key in each would have filled any memory with empty cells: refused.",
    "Lines of JSON up to 256 MB were read, which as objects are gigabytes: the limit is 64 MB; a JSON document is refused "
    "that would take more than 4 GB as objects, and so is a Parquet file that unpacks to thousands of times its size.",
    "A column named `^.*$` or `*` stands for all columns where polars is asked for it: refused.",
)
