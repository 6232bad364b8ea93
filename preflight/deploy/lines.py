"""The lines with which gk-deploy gives up.

Read from gk-deploy at commit 7246eb4, and from runs of it: its display needs no more. What a line
means, and what all others tell of trouble, is knowledge of the table of causes.
"""

from __future__ import annotations

import re

from preflight.diagnose import match, table
from preflight.diagnose.evidence import Evidence, Kind, Reading

# What follows one is advice, or the usage text.
_ENDS = tuple(
    map(
        re.compile,
        (
            r"pods? not found\.?",  # only heketi's has no full stop
            r"Namespace '.*' not found\.",
            r"heketi admin and user keys are required!",
            r"Topology File not found!",
            r"Unknown option '.*'\.",
            r"Required parameter for '.*' not specified\.",
            r"Container platform CLI .* not found\.",
            r"Unknown CLI '.*'\.",
            r"Failed to label node '.*'",
            r"Failed to communicate with (?:deploy-)?heketi service\.",
            r"Error loading the cluster topology\.",
            r"Failed on setup openshift heketi storage",
            r"Volume heketidbstorage not found\.",
            r"Failed on creating heketi storage resources\.",
            r"Error waiting for job 'heketi-storage-copy-job' to complete\.",
            r"Invalid json format in .*",
        ),
    )
)


def gives_up(line: str) -> bool:
    """Whether `line`, which has neither control codes nor the words that opened it, is such."""
    return any(end.fullmatch(line) for end in _ENDS)


def rows(line: str) -> tuple[str, ...]:
    """What the table of causes makes of the line by itself, as rows of the failure catalogue."""
    said = Evidence(Kind.GK_DEPLOY, "gk-deploy", None, line, "gk-deploy")
    causes = match.diagnose(Reading(evidence=(said,)), table.load()).causes
    return tuple(dict.fromkeys(cause.id for cause in causes))
