"""Findings -> text, JSON, JUnit, and the exit code: what is said, and how.

    run.py         what a report is made of, its exit code, and how it is counted
    text.py        for a person: `render(run, style)`; grouping.py and layout.py do its work
    machine.py     for a program: `render(run)`, the contract of docs/report.md
    junit.py       for a CI server: `render(run)`
    explain.py     pages and lists of what is checked; catalogue.py the failures behind it
    progress.py    what is shown on standard error while nodes are asked
    printable.py   text from a node is hostile: how it is made fit to print

Importing this package imports none of them but run.py, and rich only where a terminal is drawn on.
"""

from preflight.report.run import Run, exit_code

__all__ = ["Run", "exit_code"]
