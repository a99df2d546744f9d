#!/usr/bin/env bash
# datasets 5.2.0: Dataset.to_parquet(file, compression="zstd") is a TypeError.
# Expected: a file with that compression, since **parquet_writer_kwargs are "parameters to pass to PyArrow's ParquetWriter", and 2.18.0
# wrote it.
# Seen: "got multiple values for keyword argument 'compression'": the writer is given its own choice beside the caller's.
# Met when parquet of every compression was wanted to test the reader: scripts/golden/data_files.py takes pyarrow for them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 pyarrow==26.0.1
FOLDER="$folder" HF_HOME="$folder/home" "$folder/venv/bin/python" - <<'PYTHON'
import os

import datasets
import pyarrow.parquet

print("datasets", datasets.__version__, "pyarrow", pyarrow.__version__)
datasets.disable_progress_bars()
file = os.path.join(os.environ["FOLDER"], "rows.parquet")
rows = datasets.Dataset.from_dict({"x": [1, 2, 3]})
rows.to_parquet(file)
print("without a compression:", pyarrow.parquet.ParquetFile(file).metadata.row_group(0).column(0).compression)
try:
    rows.to_parquet(file, compression="zstd")
except TypeError as error:
    print("with one:", error)
else:
    raise SystemExit("a compression can be asked for")
PYTHON
echo 'as described: to_parquet takes no compression'
