"""What the lines of gk-deploy that tell of trouble mean, as a table.

Read from gk-deploy at commit 7246eb4 and heketi-cli 10.4, and from runs of both. Only what a line
says by itself stands here, and of rows those that a diagnosis finds by the same line; what is
behind it in the cluster is for that to find.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Trouble:
    """A line that is not as it should be. `ids` are its rows of the failure catalogue, if any.

    `fatal`: gk-deploy gives up here. It goes on after all others, and may even end well.
    """

    ids: tuple[str, ...]
    said: str
    fatal: bool = False


@dataclass(frozen=True)
class _Row:
    pattern: re.Pattern[str]
    ids: tuple[str, ...]
    fatal: bool = False
    harmless: bool = False


def trouble(line: str) -> Trouble | None:
    """What is wrong by `line`, which has neither control codes nor the words that opened it."""
    row = next((row for row in _ROWS if row.pattern.fullmatch(line)), None)
    if row is None or row.harmless:
        return None
    return Trouble(row.ids, line, row.fatal)


def _ends(pattern: str, *ids: str) -> _Row:
    return _Row(re.compile(pattern), ids, fatal=True)


def _warns(pattern: str, *ids: str) -> _Row:
    return _Row(re.compile(pattern), ids)


# The first that fits counts. What follows a fatal line is advice, or the usage text.
_ROWS = (
    _ends(r"pods? not found\.?", "C8"),  # only heketi's has no full stop
    _ends(r"Namespace '.*' not found\."),
    _ends(r"heketi admin and user keys are required!"),
    _ends(r"Topology File not found!"),
    _ends(r"Unknown option '-{0,2}ssh-(?:user|port|keyfile)\b.*'\.", "D4"),
    _ends(r"Unknown option '.*'\."),
    _ends(r"Required parameter for '.*' not specified\."),
    _ends(r"Container platform CLI .* not found\."),
    _ends(r"Unknown CLI '.*'\."),
    _ends(r"Failed to label node ''", "C4"),
    _ends(r"Failed to label node '.+'"),
    _ends(r"Failed to communicate with deploy-heketi service\.", "C14"),
    _ends(r"Failed to communicate with heketi service\.", "C2"),
    _ends(r"Error loading the cluster topology\."),
    _ends(r"Failed on setup openshift heketi storage", "N2"),
    _ends(r"Volume heketidbstorage not found\."),
    _ends(r"Failed on creating heketi storage resources\."),
    _ends(r"Error waiting for job 'heketi-storage-copy-job' to complete\.", "N13"),
    _ends(r"Invalid json format in .*"),
    _warns(r".*\bpython[\d.]*: command not found", "C4"),
    _warns(r"SyntaxError: encoding problem: .*", "C4"),
    _warns(r".*unknown flag: --show-all", "C2"),
    _warns(
        r'.*no matches for kind "(?:DaemonSet|Deployment)" in version "extensions/v1beta1".*', "C1"
    ),
    _warns(r".*no matches for kind .* in version .*"),
    _warns(r'.*expects " or n, but found t.*', "D13"),
    _warns(r"sed: .*unknown option to .s.*", "D1"),
    _warns(r'.*clusterrolebindings\S* "heketi-sa-view" already exists', "D15"),
    _warns(r'.*secrets "heketi-config-secret" already exists'),
    _warns(r'.*(?:endpoints|services) "heketi-storage-endpoints" already exists', "C11"),
    _warns(r".*Volume heketidbstorage already exists", "D8"),
    _warns(r"Unable to create node: New Node doesn't have glusterd running.*", "D12"),
    _warns(r"Unable to (?:create node|add device): .*"),
    # What else an earlier run has made is there at the next one.
    _Row(re.compile(r".*\balready exists"), (), harmless=True),
    _warns(r"Error: .*"),  # heketi-cli's
    _warns(r"Error from server \(\w+\): .*", "D5"),
    _warns(r"(?:Error from server|error:|unable to |Unable to connect to the server).*"),
    _warns(r"The \S+ \".*\" is invalid: .*"),
)
