"""gk-deploy's output is read as it comes, and its keys are taken out; on recorded output."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from preflight.deploy.lines import gives_up, rows
from preflight.deploy.redact import MARK, Redactor
from preflight.deploy.state import PHASES, Placed, Reply, Standing, State
from preflight.deploy.steps import LONGEST, Reader, real, result

SAMPLES = Path(__file__).parent / "samples" / "gk-deploy"
CASES = sorted(path.stem for path in SAMPLES.glob("*.out"))
ENDS_WITH_0 = {
    *("complete", "complete-verbose", "rerun-when-complete", "empty-address"),
    *("complete-on-machines", "rerun-after-a-cure"),
}


def sample(case: str) -> str:
    return (SAMPLES / f"{case}.out").read_bytes().decode()


def read(text: str, *, size: int = 0) -> Reader:
    """A reader that was fed `text` in pieces of `size` characters, or whole."""
    reader = Reader()
    for begin in range(0, len(text), size or max(len(text), 1)):
        reader.feed(text[begin : begin + (size or len(text))], 0.0)
    reader.finish(0.0)
    return reader


def statuses(state: State) -> list[Standing]:
    return [each.standing for each in state.phases]


def fed(text: str, upto: str) -> Reader:
    """A reader that was fed `text` up to and with these words, and not a character more."""
    reader = Reader()
    reader.feed(text[: text.index(upto) + len(upto)], 5.0)
    return reader


def test_there_are_the_six_steps_of_gk_deploy() -> None:
    assert [phase.number for phase in PHASES] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("case", ["complete", "complete-verbose"])
def test_a_deployment_goes_through_six_stages(case: str) -> None:
    state = read(sample(case)).state
    assert statuses(state) == [Standing.DONE] * 6
    assert state.complete
    assert state.wait is None
    assert state.address == "10.244.2.7:8080"
    assert state.given_up == ""
    assert state.placed == tuple(
        Placed(node, device, Reply.ADDED)
        for node in ("node1", "node2", "node3")
        for device in ("", "/dev/sda")
    )


@pytest.mark.parametrize("case", CASES)
def test_it_does_not_matter_where_the_output_is_cut(case: str) -> None:
    text = sample(case)
    whole = read(text).state
    for size in (1, 2, 3, 7, 64):
        assert read(text, size=size).state == whole
    assert read(text.replace("\n", "\r\n"), size=5).state == whole


@pytest.mark.parametrize("case", CASES)
def test_only_a_whole_deployment_is_a_success(case: str) -> None:
    rc = 0 if case in ENDS_WITH_0 else 1
    told = result(rc, read(sample(case)))
    assert told.success == (case in ENDS_WITH_0 - {"empty-address"})
    assert bool(told.why) != told.success
    assert not result(1, read(sample(case))).success


@pytest.mark.parametrize(
    ("upto", "number", "what"),
    [
        ("heketi pod ... ", None, None),
        ("Creating initial resources ... ", 1, None),
        ("node/node1 labeled\n", 2, None),
        ("Waiting for GlusterFS pods to start ... ", 2, "GlusterFS pods"),
        ("Waiting for deploy-heketi pod to start ... ", 3, "deploy-heketi pod"),
        ("Waiting for deploy-heketi pod to start ... OK\n", 3, "deploy-heketi to answer"),
        ("Creating node node1 ... ", 3, "heketi to add nodes and devices"),
        ("heketi topology loaded.\n", 4, "volume heketidbstorage"),
        ("Saving /tmp/heketi-storage.json\n", 4, "endpoints and copy job to be created"),
        ("heketi-storage-copy-job created\n", 4, "copy job"),
        ("heketi-storage-endpoints labeled\n", 5, "deploy-heketi to go"),
        ("service/heketi created\n", 6, "heketi pod"),
        ("Waiting for heketi pod to start ... ", 6, "heketi pod"),
        ("Waiting for heketi pod to start ... OK\n", 6, None),
    ],
)
def test_it_is_known_what_is_waited_for(upto: str, number: int | None, what: str | None) -> None:
    state = fed(sample("complete"), upto).state
    assert (state.current and state.current.phase.number) == number
    assert (state.wait and state.wait.what) == what
    if state.current:
        assert state.current.standing is Standing.RUNNING


def test_times_are_those_that_are_given() -> None:
    reader = Reader()
    for now, text in (
        (100.0, "Creating initial resources ... "),
        (103.0, "serviceaccount/heketi-service-account created\nOK\n"),
        (103.5, "node/node1 labeled\n"),
        (104.0, "Waiting for GlusterFS pods to start ... "),
        (254.0, "OK\n"),
        (255.0, "secret/heketi-config-secret created\n"),
    ):
        reader.feed(text, now)
    first, second, third, *_ = reader.state.phases
    assert (first.since, first.seconds) == (100.0, 3.0)
    assert (second.since, second.seconds) == (103.5, 151.5)
    assert (third.standing, third.since, third.seconds) == (Standing.RUNNING, 255.0, None)


def test_a_device_that_is_refused_is_named_with_its_node() -> None:
    reader = read(sample("device-refused"))
    assert Placed("node2", "/dev/sda", Reply.REFUSED) in reader.state.placed
    assert Placed("node3", "/dev/sda", Reply.ADDED) in reader.state.placed
    assert statuses(reader.state)[2:] == [Standing.FAILED, *[Standing.PENDING] * 3]
    told = result(1, reader)
    assert told.why == "gk-deploy ended with exit status 1: Error loading the cluster topology."
    assert told.ids == ()


def test_a_node_that_is_refused_has_no_devices() -> None:
    refused = "Creating node n1 ... Unable to create node: New Node doesn't have glusterd running\n"
    reader = read(f"{refused}Creating node n2 ... ID: ab\nAdding device /dev/sdb ... OK\n")
    assert reader.state.placed == (
        Placed("n1", "", Reply.REFUSED),
        Placed("n2", "", Reply.ADDED),
        Placed("n2", "/dev/sdb", Reply.ADDED),
    )


@pytest.mark.parametrize(
    ("case", "phase", "ids"),
    [
        ("pods-not-ready", 2, ("C8",)),
        ("exec-fails", 3, ("C14",)),
        ("wrong-key", 3, ()),
        ("no-thin-pool", 4, ("N2",)),
        ("copy-job-hangs", 4, ("N13",)),
        ("rerun-after-copy-job", 4, ("N2",)),
    ],
)
def test_where_it_ended_and_which_rows_tell_more(
    case: str, phase: int, ids: tuple[str, ...]
) -> None:
    reader = read(sample(case))
    failed = [each for each in reader.state.phases if each.standing is Standing.FAILED]
    assert [each.phase.number for each in failed] == [phase]
    assert reader.state.wait is None
    assert result(1, reader).ids == ids


def test_an_earlier_run_is_recognised() -> None:
    state = read(sample("rerun-after-copy-job")).state
    assert statuses(state)[:3] == [Standing.DONE, Standing.SKIPPED, Standing.DONE]
    assert {each.reply for each in state.placed} == {Reply.FOUND}
    assert state.given_up == "Failed on setup openshift heketi storage"


def test_a_heketi_that_runs_already_gets_no_new_topology() -> None:
    state = read(sample("rerun-when-complete")).state
    assert state.placed == ()
    assert statuses(state) == [*[Standing.SKIPPED] * 5, Standing.DONE]


def test_a_run_on_machines_is_read_to_its_end() -> None:
    reader = read(sample("complete-on-machines"))
    assert result(0, reader).success
    assert statuses(reader.state) == [Standing.DONE] * 6
    assert [each.reply for each in reader.state.placed] == [Reply.ADDED] * 6
    assert reader.state.address == "10.244.3.3:8080"


def test_a_refused_device_on_machines_names_its_node_and_the_next_one_goes_on() -> None:
    reader = read(sample("device-refused-on-machines"))
    assert statuses(reader.state)[:3] == [Standing.DONE, Standing.DONE, Standing.FAILED]
    refused = [each for each in reader.state.placed if each.reply is Reply.REFUSED]
    assert [(each.node, each.device) for each in refused] == [("node2", "/dev/sda")]
    assert reader.state.placed[-1].reply is Reply.ADDED
    assert not result(1, reader).success


def test_a_rerun_after_a_cure_finds_what_is_there_and_goes_on() -> None:
    """What it says of objects that exist already does no harm."""
    reader = read(sample("rerun-after-a-cure"))
    assert result(0, reader).success
    replies = {(each.node, each.device): each.reply for each in reader.state.placed}
    assert replies["node1", "/dev/sda"] is Reply.FOUND
    assert replies["node2", "/dev/sda"] is Reply.ADDED


def test_exit_status_0_without_the_last_line_is_no_success() -> None:
    text = sample("complete").replace("Deployment complete!", "")
    told = result(0, read(text))
    assert not told.success
    assert told.ids == ("D2",)


def test_the_last_line_has_to_be_the_last() -> None:
    reader = read(sample("complete") + "Error from server: gone\n")
    assert not reader.state.complete
    assert not result(0, reader).success


def test_an_end_by_a_signal_says_which() -> None:
    reader = read(sample("complete").split("heketi topology loaded")[0])
    assert result(143, reader).why == "gk-deploy was ended by signal 15"
    assert statuses(reader.state)[2] is Standing.FAILED


def test_an_empty_address_is_no_success() -> None:
    reader = read(sample("empty-address"))
    assert reader.state.complete
    assert reader.state.address == ""
    told = result(0, reader)
    assert not told.success
    assert told.ids == ("D14",)


@pytest.mark.parametrize("address", ["10.0.0.1:8080", "[fd00::2]:8080", "heketi.example:80"])
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    assert real(address)


@pytest.mark.parametrize("address", [None, "", "<none>", ":8080", "10.0.0.1", "a:1,b:1", "a:1\n"])
def test_anything_else_is_no_address(address: str | None) -> None:
    assert not real(address)


@pytest.mark.parametrize(
    ("line", "ids"),
    [
        ("pods not found.", ("C8",)),
        ("pod not found.", ("C8",)),
        ("pod not found", ("C8",)),
        ("Namespace 'gl' not found.", ()),
        ("heketi admin and user keys are required!", ()),
        ("Topology File not found!", ()),
        ("Unknown option '--foo'.", ()),
        ("Unknown option '-ssh-user=foo'.", ("D4",)),
        ("Required parameter for '-w' not specified.", ()),
        ("Container platform CLI (oc/kubectl) not found.", ()),
        ("Unknown CLI 'helm'.", ()),
        ("Failed to label node ''", ("C4",)),
        ("Failed to label node 'node-9'", ()),
        ("Failed to communicate with deploy-heketi service.", ("C14",)),
        ("Failed to communicate with heketi service.", ("C2",)),
        ("Error loading the cluster topology.", ()),
        ("Failed on setup openshift heketi storage", ("N2",)),
        ("Volume heketidbstorage not found.", ()),
        ("Failed on creating heketi storage resources.", ()),
        ("Error waiting for job 'heketi-storage-copy-job' to complete.", ("N13",)),
        ("Invalid json format in topology.json", ()),
    ],
)
def test_a_line_with_which_it_gives_up_and_what_the_table_makes_of_it(
    line: str, ids: tuple[str, ...]
) -> None:
    assert gives_up(line)
    reader = read(f"Creating initial resources ... {line}\n")
    assert reader.state.given_up == line
    assert statuses(reader.state)[0] is Standing.FAILED
    assert result(1, reader).why == f"gk-deploy ended with exit status 1: {line}"
    assert result(1, reader).ids == rows(line) == ids


def test_the_first_line_with_which_it_gives_up_counts() -> None:
    reader = read("pods not found.\nError loading the cluster topology.\n")
    assert reader.state.given_up == "pods not found."


@pytest.mark.parametrize(
    "line",
    [
        'Error from server (AlreadyExists): daemonsets.apps "glusterfs" already exists',
        'pod "deploy-heketi-6c687b4b84-x2vqh" deleted',
        "This may indicate that the storage must be wiped and the GlusterFS nodes must be reset.",
        "Please check the failed node or device and rerun this script.",
        'Using namespace "pod not found.".',
        "  GlusterFS pods ... not found.",
        "Unable to create node: New Node doesn't have glusterd running",
        "Error: unknown flag: --show-all",
    ],
)
def test_with_what_it_goes_on(line: str) -> None:
    assert not gives_up(line)
    assert read(f"{line}\n").state.given_up == ""


def test_hostile_output_costs_little() -> None:
    """Lines without end, half a control code: all bounded."""
    reader = Reader()
    reader.feed("Waiting for GlusterFS pods to start ... \x1b[3", 0.0)
    reader.feed("1mOK\x1b[0m\n", 1.0)
    assert reader.state.wait is None
    reader.feed("Error: no matches for kind " * LONGEST, 3.0)
    assert len(reader._line) <= LONGEST  # noqa: SLF001 - it is what must not grow
    reader.feed("x" * LONGEST * 3 + "\nDeployment complete!\n", 4.0)
    assert reader.state.complete


KEY, OTHER = "AdminKeyAAA", "AdminKeyAAAbbb"


def redact(text: str, secrets: Iterable[str]) -> str:
    redactor = Redactor(secrets)
    return redactor.feed(text) + redactor.flush()


def test_keys_are_taken_out_of_what_gk_deploy_prints() -> None:
    text = sample("complete-verbose")
    assert text.count(KEY) == 4
    clean = redact(text, (KEY, "UserKeyBBB"))
    assert KEY not in clean
    assert "UserKeyBBB" not in clean
    assert clean == text.replace(KEY, MARK).replace("UserKeyBBB", MARK)


def test_a_key_is_found_wherever_the_text_is_cut() -> None:
    secrets = (KEY, OTHER, "aXa")
    encoded = base64.b64encode(KEY.encode()).decode()
    text = f"{KEY} Admin{KEY}x{OTHER}{OTHER[:-1]} aXaXa AdminKey{encoded} {KEY[:-1]}"
    whole = redact(text, secrets)
    assert whole == f"*** Admin***x******bb ***Xa AdminKey***{'=' * (-len(KEY) % 3)} AdminKeyAA"
    generator = random.Random(1)
    for _ in range(2000):
        redactor, rest, out = Redactor(secrets), text, ""
        while rest:
            size = generator.randint(1, 9)
            out += redactor.feed(rest[:size])
            rest = rest[size:]
        assert out + redactor.flush() == whole


def test_nothing_but_the_beginning_of_a_key_is_held_back() -> None:
    redactor = Redactor((KEY,))
    assert redactor.feed("Waiting for pods ... ") == "Waiting for pods ... "
    assert redactor.feed(f"x{KEY[:5]}") == "x"
    assert redactor.feed("!") == f"{KEY[:5]}!"
    assert redactor.flush() == ""


def test_without_keys_nothing_changes() -> None:
    assert redact("any (text)", ("",)) == "any (text)"
