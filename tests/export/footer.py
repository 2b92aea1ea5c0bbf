"""What the footer of a Parquet file promises: footer.py FILE PRESENT ABSENT

prints one JSON object: for each column what helps a search in it, and whether its Bloom
filter excludes a correlation id that is there and one that is not.
"""

import json
import sys

import duckdb
import pyarrow.parquet

path, present, absent = sys.argv[1:4]
metadata = pyarrow.parquet.ParquetFile(path).metadata
group = metadata.row_group(0)
columns = {}
for number in range(group.num_columns):
    column = group.column(number)
    columns[column.path_in_schema] = {
        "codec": column.compression,
        "least": str(column.statistics.min) if column.is_stats_set else None,
        "pages": column.has_column_index and column.has_offset_index,
        "type": str(metadata.schema.column(number).logical_type),
    }


def excludes(value):
    found = duckdb.execute(
        "select bool_and(bloom_filter_excludes) from parquet_bloom_probe(?, 'correlation_id', ?)",
        [path, value],
    )
    return found.fetchone()[0]


groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
print(json.dumps({
    "columns": columns,
    "groups": groups,
    "present": excludes(present),
    "absent": excludes(absent),
}))
