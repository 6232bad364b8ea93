"""Every failure of the catalogue that shows as a text is a row of the table, or said why not."""

from __future__ import annotations

from preflight.report import catalogue
from tests.diagnosed import TABLE

ROWS = catalogue.rows(catalogue.load())


def with_a_text() -> set[str]:
    """Rows with words in backticks where the catalogue tells what a user sees."""
    told = {name: row.columns[0] for name, row in ROWS.items()}
    assert {column for column, _ in told.values()} == {"Symptom", "Behaviour"}
    return {name for name, (_, text) in told.items() if "`" in text}


def test_every_text_of_the_catalogue_is_a_row_or_is_said_to_be_none() -> None:
    rows = {row.id for row in TABLE.rows}
    untold = with_a_text() - rows - set(TABLE.without)
    assert not untold, (
        f"{untold} of the catalogue: add a row to causes.yaml, or say in `without` why"
    )
    assert with_a_text() - rows == set(TABLE.without)
    assert not rows & set(TABLE.without)
    assert all(TABLE.without.values())


def test_the_table_knows_no_failure_that_the_catalogue_does_not() -> None:
    unknown = ({row.id for row in TABLE.rows} | set(TABLE.without)) - set(ROWS)
    assert not unknown, (
        f"{unknown} of causes.yaml: no row of docs/failure-catalogue.md; add it first"
    )
