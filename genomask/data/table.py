"""Rows of a TSV or CSV table, recognised by its first line: plain or gzip, columns found by name, others ignored.

A row is a line. TSV has no quoting; a cell that is quoted whole, as R writes it, is read without its quotes. Rows are
numbered as an editor shows them: the header is row 1.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from genomask.data.lines import LONGEST_LINE, numbered_lines
from genomask.errors import DataError, counted, shown
from genomask.files.inputs import named

csv.field_size_limit(LONGEST_LINE)  # the default, 131,072, is shorter than some genes


def table_rows(
    path: Path, columns: Mapping[str, str | Sequence[str]], optional: str = ""
) -> Iterator[tuple[int, list[str]]]:
    """The number of each row and its cells of `columns`; case is ignored in names.

    `columns`: the option that names a column, without its dashes -> the name, or the names of several.

    Blank rows are left out. The cell of the column `optional` comes last, "" if there is no such column. Raises
    DataError, with the row, for anything wrong with the table.
    """
    file, lines = named(path), numbered_lines(path)
    _, header = next(lines)
    wanted = [
        (option, name.strip().lower())
        for option, named in columns.items()
        for name in ([named] if isinstance(named, str) else named)
    ]
    delimiter = _delimiter(file, header, [name for _, name in wanted])
    names = [name.lower() for name in _split(header, delimiter, f"{file}, row 1")]
    places = [_column(file, names, option, name) for option, name in wanted]
    extra = names.index(optional) if optional in names else None
    for number, line in lines:
        where = f"{file}, row {number}"
        row = _split(line, delimiter, where)
        if not any(row):
            continue
        if len(row) != len(names):
            raise DataError(
                f"{where}: {counted(len(row), 'column')} where the header has {len(names)}. "
                "Give each row a cell for each column."
            )
        if [cell.lower() for cell in row] == names:
            raise DataError(f"{where}: the header again, as in joined files. Remove that row.")
        cells = [row[place] for place in places]
        yield number, [*cells, "" if extra is None else row[extra]] if optional else cells


def _split(line: str, delimiter: str, where: str) -> list[str]:
    """The cells of a row, without blanks around them and without their quotes."""
    if delimiter == "," and '"' in line:
        try:
            return [cell.strip() for cell in next(csv.reader([line], strict=True, skipinitialspace=True))]
        except csv.Error as error:
            raise DataError(
                f"{where}: a quote is opened and not closed in its row, or closed within a cell ({error}). "
                "Write each row on one line, and quotes within quotes twice."
            ) from error
    return [_unquoted(cell.strip()) for cell in line.split(delimiter)]


def _unquoted(cell: str) -> str:
    return cell[1:-1].replace('""', '"').strip() if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _delimiter(file: str, header: str, wanted: Sequence[str]) -> str:
    if header.startswith(">"):
        raise DataError(
            f"{file}, row 1: this is FASTA. Give a TSV or CSV table with the "
            f"{'columns' if len(wanted) > 1 else 'column'} {' and '.join(wanted)}."
        )
    for delimiter in ("\t", ","):
        if delimiter in header:
            return delimiter
    if header.strip().lower() in wanted:
        return "\t"  # the only column
    raise DataError(
        f"{file}, row 1: neither a tab nor a comma in {header.strip()[:40]!r}, so this is not a TSV or CSV table. "
        f"Give a table with the {'columns' if len(wanted) > 1 else 'column'} {' and '.join(wanted)}."
    )


def _column(file: str, names: list[str], option: str, wanted: str) -> int:
    """The index of the column called `wanted`, which `option` names."""
    if names.count(wanted) == 1:
        return names.index(wanted)
    found = shown(", ".join(map(shown, names)), most=400)
    if wanted in names:
        raise DataError(f"{file}, row 1: {names.count(wanted)} columns are called {wanted!r}; keep one of: {found}.")
    raise DataError(
        f"{file}, row 1: no column {wanted!r} among: {found}. "
        f"Rename the column that holds it, or name it with --{option}."
    )
