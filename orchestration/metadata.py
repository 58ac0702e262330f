"""What the UI shows of a table.

Belongs here: column schemas and small tables as Markdown. Does not: pictures (`pictures.py`).
"""

import html

import dagster as dg
import pandas as pd

from planning.frame import Frame


def frame_schema(frame: Frame) -> dg.TableSchema:
    """A frame's columns with their meaning."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                type=column.kind,
                description=column.meaning,
                constraints=dg.TableColumnConstraints(nullable=name not in frame.required),
            )
            for name, column in frame.fields.items()
        ]
    )


def markdown_table(rows: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """A small frame as a Markdown table; delivered text is escaped."""
    shown = rows.map(lambda value: html.escape(str(value)).replace("|", "&#124;").replace("[", "&#91;").replace("\n", " "))
    head = "| " + " | ".join(shown.columns) + " |\n|" + " --- |" * len(shown.columns)
    body = "\n".join("| " + " | ".join(row) + " |" for row in shown.itertuples(index=False))
    return dg.MetadataValue.md(f"{head}\n{body}")
