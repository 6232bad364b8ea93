"""`gkprep fix` on real machines where more is wanted than a yes, or another firewall is there.

Each machine is broken by another of every check's states (`scenarios/<check>/mended.py`);
tests/test_story_lab.py has those that a yes mends.
"""

from __future__ import annotations

import pytest

from preflight import registry, select
from tests.lab import Lab
from tests.mending import BY_TOKEN, STATES, Story, break_all, broken, failing, told

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def story(lab: Lab, gkprep: str) -> Story:
    lab.reset()
    return Story(lab, gkprep, lab.inventory)


def test_every_fix_of_a_node_has_a_state_that_it_ends() -> None:
    of_controller = {check.id for check in registry.checks() if select.of_controller(check)}
    assert {*STATES, *BY_TOKEN} == {*registry.fixes()} - of_controller


def test_what_takes_a_token_is_mended_with_it_and_comes_back(story: Story) -> None:
    break_all(story.lab, BY_TOKEN)
    chosen = [word for check in BY_TOKEN for word in ("--only", check)]
    code, report = story.run("fix", "--yes", *chosen)
    before = story.folders()
    assert (code, failing(report), report["actions"]) == (1, {*BY_TOKEN}, [])
    for number, node in enumerate(story.lab.machines):
        for check, state in broken(number, BY_TOKEN).items():
            assert (check, node, "fail", state.saw) in {
                (f["check"], f["node"], f["status"], f["saw"]) for f in report["findings"]
            }
    tokens = [word for f in report["findings"] if f["token"] for word in ("--wipe", f["token"])]
    code, after = story.run("fix", "--yes", *chosen, *tokens)
    assert (code, failing(after)) == (0, set())
    assert {action["rc"] for action in after["actions"]} == {0}
    code, again = story.run("fix", "--yes", *chosen)
    assert (code, again["plan"]["actions"], again["actions"]) == (0, [], [])
    code, undone = story.run("undo", after["run"], "--yes")
    assert (code, undone["plan"]["left"]) == (0, [])
    assert [each for each in told(undone) if each[0] in BY_TOKEN] == told(report)
    assert story.folders() == before


def test_ufw_is_opened_and_closed_again(story: Story) -> None:
    machine = story.lab.machines["node1"]
    machine.run(
        "apt-get -qq install -y ufw && systemctl disable --now firewalld"
        " && ufw allow 22/tcp && ufw --force enable",
        timeout=240,
    )
    before = machine.run("ufw status").stdout
    chosen = ("--limit", machine.name, "--only", "firewall-ports")
    code, report = story.run("fix", "--yes", *chosen)
    assert (failing(report, "before"), code, failing(report)) == ({"firewall-ports"}, 0, set())
    assert {action["argv"][0] for action in report["actions"]} == {"ufw"}
    opened = machine.run("ufw status").stdout
    assert all(port in opened for port in ("2222/tcp", "24007", "24008", "49152:49251/tcp"))
    code, again = story.run("fix", "--yes", *chosen)
    assert (code, again["plan"]["actions"]) == (0, [])
    code, undone = story.run("undo", report["run"], "--yes")
    assert code == 0, undone["plan"]
    assert machine.run("ufw status").stdout == before
    assert "firewall-ports" in failing(undone)
