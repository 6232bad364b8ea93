"""The command line: wiring only. Every decision is taken in the modules that it calls.

entry     the way in, and what goes wrong
nodes     check, fix, undo
deploy    deploy
diagnose  diagnose
about     topology, init, list, explain
options   what they take
output    what they say
"""

from preflight.cli.entry import app, main

__all__ = ["app", "main"]
