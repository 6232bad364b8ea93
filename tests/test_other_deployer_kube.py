"""A deployer that is one file is deployed with, judged and taken back as gk-deploy is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from preflight import judge, reach
from preflight.deploy import flow, why
from preflight.deploy.abort import abort
from preflight.deploy.deployer import Deployer
from preflight.deploy.flow import Outcome
from preflight.model import Inventory, Verdict
from tests.kube_site import OF_NODES, Site, site
from tests.other_deployer import NAME, Manifest

__all__ = ["site"]

pytestmark = pytest.mark.kube

FORCED = (*OF_NODES, "gk-deploy")
"""gk-deploy is nowhere at this site."""

Reached = tuple[reach.Reach, Inventory]


@pytest.fixture
def fleet(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reached]:
    monkeypatch.setenv("XDG_STATE_HOME", str(site.state))
    site.write(gk_deploy=str(site.home / "no-such"))
    wanted = reach.Wanted(
        inventory=site.inventory, local=False, parallel=4, accept_new=False, ask_become_pass=False
    )
    with reach.site(wanted) as reached:
        yield reached


def go(fleet: Reached, *, back: bool = False) -> Outcome:
    deployer: Deployer = Manifest()
    terms = flow.Terms(deployer.options(()), forced=FORCED, environ={})
    way = abort if back else flow.deploy
    return way(*fleet, deployer, terms, lambda _: True)


def test_it_deploys_is_verified_and_taken_back(fleet: Reached, site: Site) -> None:
    done = go(fleet)
    assert done.deployment
    assert done.now, done.before.findings
    assert (done.deployment.name, done.deployment.rc, done.deployment.stopped) == ("other", 0, "")
    assert [stage.ended for stage in done.deployment.stages] == [True]
    assert [finding.check for finding in done.now.findings] == ["other-topology"]
    assert not flow.unsuccessful(done)
    assert done.deployment.log.name == "other.log"
    told = site.plane.get("secret", NAME, site.namespace)["data"]
    assert set(told) == {"topology.json"}
    back = go(fleet, back=True)
    assert back.now
    own = [each for each in back.now.findings if each.check == "abort"]
    assert judge.verdict(own, strict=False) is Verdict.READY
    assert f"secret/{NAME}" not in site.objects()


def test_why_it_failed_is_told_and_is_not_gk_deploys(fleet: Reached) -> None:
    go(fleet)
    again = go(fleet)  # the secret is there by now
    assert again.deployment
    assert again.deployment.stopped == "exit status 1"
    assert flow.unsuccessful(again)
    seen = why.why(fleet[0], Manifest(), again)
    assert seen
    [trouble] = [each for each in seen.unexplained if each.object == "other"]
    assert trouble.saw.endswith('secrets "other-topology" already exists')
    assert not [each.id for each in seen.causes if each.id.startswith("D")]
