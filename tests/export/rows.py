"""The rows of an export, as an engine reads them that shares no code with the program.

    rows.py duckdb|datafusion|pyarrow|csv DIR

prints one JSON object for each row, with the partition's date and node.
"""

import csv
import datetime
import json
import pathlib
import sys
import urllib.parse

COLUMNS = "path type severity source service correlation_id payload extra".split()
PARTITION = ["date", "node"]
NAMES = ", ".join(f'"{name}"' for name in COLUMNS + PARTITION)


def duckdb_rows(directory):
    import duckdb

    names = ", ".join(f'"{name}"::varchar as "{name}"' for name in COLUMNS + PARTITION)
    found = duckdb.sql(
        f"select {names}, epoch_us(timestamp) as micros "
        f"from read_parquet('{directory}/**/*.parquet', hive_partitioning = true)"
    )
    for row in found.fetchall():
        yield dict(zip(COLUMNS + PARTITION + ["micros"], row))


def datafusion_rows(directory):
    import datafusion

    context = datafusion.SessionContext()
    context.sql(
        "create external table events stored as parquet "
        f"partitioned by (date, node) location '{directory}/'"
    )
    found = context.sql(f"select {NAMES}, arrow_cast(timestamp, 'Int64') as micros from events")
    for batch in found.collect():
        yield from batch.to_pylist()


def pyarrow_rows(directory):
    import pyarrow.dataset

    found = pyarrow.dataset.dataset(directory, format="parquet", partitioning="hive")
    for row in found.to_table().to_pylist():
        micros = row.pop("timestamp") - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        row["micros"] = micros // datetime.timedelta(microseconds=1)
        yield row


def csv_rows(directory):
    csv.field_size_limit(1 << 30)
    for path in pathlib.Path(directory).glob("*/*/*.csv"):
        date, node = (urllib.parse.unquote(part.split("=", 1)[1]) for part in path.parts[-3:-1])
        with path.open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines, strict=True):
                then = datetime.datetime.fromisoformat(row.pop("timestamp"))
                since = then - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
                row["micros"] = since // datetime.timedelta(microseconds=1)
                yield {**row, "extra": row["extra"] or None, "date": date, "node": node}


engine, directory = sys.argv[1:3]
for row in globals()[f"{engine}_rows"](directory):
    row["date"] = str(row["date"])
    print(json.dumps(row))
