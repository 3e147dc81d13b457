"""What the fuzzer and the large inputs found, and what is done now; most have a test in `tests/hostile/`."""

FIXED = (
    "A response with thousands of `\\boxed{` or `<answer>` that never close took the square of their "
    "number: answers are found in one pass.",
    "A judge's reply of megabytes was searched whole with a pattern that may take its square: its last "
    "20,000 characters are.",
    "A log of `culpa watch` that is not UTF-8, or holds numbers beyond any float, ended in "
    "`UnicodeDecodeError` or `OverflowError`.",
    "Half of a surrogate pair (`\\ud800`) in a name, a message or a torch file ended in "
    "`UnicodeEncodeError`: it is `?`, as in texts before.",
    "Values of several kinds inside one column (`[null]` beside `[[1]]`) made polars panic and print a "
    "backtrace: they have one type before polars sees them, or are text.",
    "A value nested hundreds deep, but whole, took polars minutes: it is text.",
    "A column `features` of single numbers, of lists of lists or of nothing ended in `TypeError` or `ValueError`.",
    "Whole numbers beyond the largest float in inspect_ai, NeMo-RL and verifiers dumps and in servers' "
    "replies ended in `OverflowError` or `TypeError`: no verdict.",
    "Columns of native names beside the format's own, and files whose columns do not fit together, ended "
    "in polars' errors: told as the files' fault.",
    "A path too long for the system was told as a fault of culpa.",
    "Paths and column names in messages of the Python interface kept control characters and megabytes: "
    "both are escaped and cut.",
    "Names in an archive that are no text ended in `UnicodeDecodeError`; a CSV file of line ends in `StopIteration`.",
    "torch printed advice to load a refused `.pt` file without safety; a pickle among a model's weights "
    "ended in `UnpicklingError`.",
    "A tokenizer beside a dump was loaded so that transformers could ask whether its code may run.",
    "100,000 columns took minutes: more than 10,000 are refused, 9,000 take a second.",
    "16 MB of JSON lines with another key in each would have filled any memory with empty cells: refused.",
    "Lines of JSON up to 256 MB were read, which as objects are gigabytes, and lines of CSV of any "
    "length: the limit is 64 MB. A JSON document that would take more than 4 GB as objects is refused, "
    "and so is a Parquet file that unpacks to thousands of times its size.",
    "A column named `^.*$` or `*` stands for all columns where polars is asked for it: refused.",
    "An audit of proxies that have no verdict where the truth is known ended in `TypeError`: it has no forecast, and "
    "says why.",
    "Scores near the largest float let NumPy warn on stderr: scores beyond 1e150 are refused, and weights"
    " and variances overflow in silence.",
)
