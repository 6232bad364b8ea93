"""What an interrupt of the smoke test leaves behind, and what is told of it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.sshd import wait_for

SMOKE = """\
import sys
from preflight.controller import controller
from preflight.deploy.cluster import Cluster
from preflight.deploy.smoke import smoke_test
from preflight.signals import raise_exit
from preflight.transport import Local
from tests.judged import with_deployer
raise_exit()
node = controller(with_deployer(kubectl=sys.argv[1], namespace="storage"))
smoke_test(Cluster(node, lambda _: Local(become=False)))"""

# Nothing is ever bound: an empty list is all that it answers.
KUBECTL = """\
#!/bin/sh
folder=${0%/*}
case "$*" in
*apply*) cat >"$folder/applied";;
*delete*) SLOWLY; echo "$*" >"$folder/deleted";;
*) echo '{"items":[]}';;
esac
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("slowly", [False, True])
def test_an_interrupt_names_the_claim_that_may_be_left(
    tmp_path: Path, number: signal.Signals, slowly: bool
) -> None:
    """There are two seconds for putting right, and an API server may take more."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL.replace("SLOWLY", "sleep 6" if slowly else ":"))
    kubectl.chmod(0o755)
    argv = ["env", "--default-signal=INT,TERM", sys.executable, "-c", SMOKE, str(kubectl)]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for((tmp_path / "applied").exists)
            time.sleep(0.5)
            process.send_signal(number)
            _, err = process.communicate(timeout=5)
        finally:
            process.kill()
    assert process.returncode == 128 + number
    (name,) = re.findall(r"claim (gkprep-smoke-\w+) is being deleted, and may be left", err)
    assert f"--namespace=storage delete persistentvolumeclaim {name}\n" in err
    assert (f"claim {name} is deleted" in err) is not slowly
    assert (tmp_path / "deleted").exists() is not slowly
