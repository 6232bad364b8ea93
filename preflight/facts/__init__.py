"""What can be known of a node, one file per subject.

Each fact is a `Probe`: a shell command, the pure parser of its output, and where a library
answers better on the machine gkprep runs on, a local twin. Parsers raise for text they do not
understand; they never guess.
"""
