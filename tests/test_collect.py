"""collect: many probes, one script, one reply; run by real shells, whatever each probe does."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from preflight.collect import collect, cut, read_reply, script, side_by_side, unite
from preflight.errors import PluginError, TransportError, Unknown
from preflight.model import Deployer, Facts, Limits, Node, Output, Probe, Site

NODE = Node("node1", "192.0.2.1", "192.0.2.1")
LIMITS = Limits(connect=5, probe=1, node=20)
MARK = "0123456789abcdef" * 2
SHELLS: Mapping[str, list[str]] = {
    "dash": ["dash"],
    "bash": ["bash"],
    "bash-posix": ["bash", "--posix"],
    "busybox": ["busybox", "sh"],
}


@pytest.fixture(params=SHELLS)
def argv(request: pytest.FixtureRequest) -> list[str]:
    command = SHELLS[request.param]
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]}")
    return [*command, "-s"]


@dataclass
class Here:
    """One of this machine's shells, and the scripts that it was given."""

    argv: list[str]
    local: bool = False
    scripts: list[str] = field(default_factory=list)

    def run(self, script: str, limits: Limits) -> Output:
        self.scripts.append(script)
        done = subprocess.run(
            self.argv,
            input=script.encode(),
            capture_output=True,
            timeout=limits.node,
            check=False,
        )
        return Output(done.returncode, done.stdout, done.stderr)


@dataclass
class Canned:
    """A shell that always answers the same, or raises it."""

    answer: Output | TransportError
    local: bool = False

    def run(self, script: str, limits: Limits) -> Output:
        assert script
        assert limits == LIMITS
        if isinstance(self.answer, TransportError):
            raise self.answer
        return self.answer


def probe(name: str, command: str, **more: Any) -> Probe[str]:
    return Probe(name, command, str, **more)


def why(facts: Facts, wanted: Probe[str]) -> str:
    with pytest.raises(Unknown) as caught:
        facts[wanted]
    return str(caught.value)


FIRST, LAST = probe("first", "echo first"), probe("last", "echo last")


def between(argv: list[str], command: str, **more: Any) -> tuple[Facts, Probe[str]]:
    """Ask `command` between two good probes, which it must not spoil."""
    odd = probe("odd", command, **more)
    shell = Here(argv)
    facts = collect(NODE, [FIRST, odd, LAST], shell, LIMITS)
    assert (facts[FIRST], facts[LAST], facts.lost) == ("first\n", "last\n", None)
    assert len(shell.scripts) == 1
    return facts, odd


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("no-such-tool --now", r"^odd: exit 127: .*no-such-tool.*not found"),
        ("if then", r"^odd: exit 2: .*([Ss]yntax|unexpected)"),
        ("echo 'unclosed", r"^odd: exit 2: .*([Uu]nterminated|unexpected|no closing)"),
        ("exit 3", r"^odd: exit 3: no message$"),
        ("echo half; echo because >&2; exit 4", r"^odd: exit 4: because$"),
        ("kill -9 $$", r"^odd: no answer within 1 s$"),
        ("sleep 60", r"^odd: no answer within 1 s$"),
        ("trap '' TERM HUP INT; while :; do :; done", r"^odd: no answer within 1 s$"),
        ("set -e; false", r"^odd: exit 1: no message$"),
        ("exec >&-; echo lost", r"^odd: exit "),
    ],
)
def test_what_a_probe_cannot_tell_is_its_own_trouble(
    argv: list[str], command: str, told: str
) -> None:
    facts, odd = between(argv, command)
    assert re.search(told, why(facts, odd)), why(facts, odd)


@pytest.mark.parametrize(
    ("command", "got"),
    [
        ("cat", ""),  # standard input is closed: it cannot eat the script
        ('read x; echo "got $x"', "got \n"),
        ("printf 'no newline'", "no newline"),
        ("printf ''", ""),
        ("printf '\\n\\n'", "\n\n"),
        ("printf 'a\\000b\\377'", "a\0b\udcff"),
        ('echo "$LC_ALL"', "C\n"),
        ("cd /; set -- a; exec 3>&1; trap 'echo bye' EXIT; echo in", "in\nbye\n"),
        ("echo 'it'\"'\"'s' \"$((1 + 1))\" \\$x '`y`'", "it's 2 $x `y`\n"),
        ("cat <<X\nhere\nX", "here\n"),
        ("LC_ALL=de_DE PATH=/nowhere; readonly PATH; echo x", "x\n"),
        ("command -v ip >/dev/null && echo /usr/sbin is there", "/usr/sbin is there\n"),
    ],
)
def test_any_answer_arrives_as_it_is(argv: list[str], command: str, got: str) -> None:
    facts, odd = between(argv, command)
    assert facts[odd] == got


def test_a_shell_without_a_path_finds_the_tools_of_root(argv: list[str]) -> None:
    shell = Here(["env", "-i", f"PATH={'/usr/bin:/bin'}", *argv])
    tools = probe("tools", "command -v ip")
    assert collect(NODE, [tools], shell, LIMITS)[tools].endswith("/ip\n")


def test_an_exit_status_may_be_an_answer(argv: list[str]) -> None:
    facts, odd = between(argv, "echo none; exit 1", rcs=frozenset({0, 1}))
    assert facts[odd] == "none\n"


@pytest.mark.parametrize("code", [124, 137])
def test_not_even_a_timeouts_exit_status_is_taken_for_one_where_it_is_an_answer(
    argv: list[str], code: int
) -> None:
    facts, odd = between(argv, f"exit {code}", rcs=frozenset({code}))
    assert facts[odd] == ""


def test_what_a_probe_leaves_running_does_not_hold_up_the_next(argv: list[str]) -> None:
    started = time.monotonic()
    between(argv, "sleep 5 >/dev/null 2>&1 & echo on its way")
    assert time.monotonic() - started < 4


def test_a_parser_that_trips_leaves_its_fact_unknown() -> None:
    def breaks(text: str) -> str:
        return text[10]

    def refuses(text: str) -> str:
        raise Unknown(f"expected a number, got {text!r}")

    one, two = Probe("one", "echo x", breaks), Probe("two", "echo x", refuses)
    facts = collect(NODE, [one, two, LAST], Here(["sh", "-s"]), LIMITS)
    assert (
        why(facts, one)
        == "one: the answer could not be read: IndexError: string index out of range"
    )
    assert why(facts, two) == "two: expected a number, got 'x\\n'"
    assert facts[LAST] == "last\n"


def by(name: str, command: str) -> Probe[str]:
    return probe(name, command, by="kubectl")


GONE = "echo 'no route to host' >&2; exit 1"


def test_what_is_asked_by_another_program_is_told_in_its_words() -> None:
    one = by("kubernetes.nodes(kubectl --context=a)", GONE)
    two = by("kubernetes.pods(kubectl --context=a)", "exit 3")
    facts = collect(NODE, [FIRST, one, two], Here(["sh", "-s"]), LIMITS)
    assert why(facts, one) == "kubectl: no route to host"
    assert why(facts, two) == "kubectl: exit 3"
    assert facts.lost is None


def test_where_that_program_answers_nothing_the_reason_is_the_nodes() -> None:
    """So a report says it once. What is wrong beside it keeps its own words."""
    asked = [by("one", GONE), by("two", GONE), by("three", "exit 3")]
    facts = collect(NODE, [FIRST, *asked], Here(["sh", "-s"]), LIMITS)
    assert facts.lost == "kubectl: no route to host"
    assert not facts.silent
    assert facts[FIRST] == "first\n"
    assert [why(facts, each) for each in asked] == [facts.lost, facts.lost, "kubectl: exit 3"]


@pytest.mark.parametrize("other", ["echo", "echo forbidden >&2; exit 1"])
def test_one_that_answers_or_refuses_each_thing_by_itself_is_there(other: str) -> None:
    asked = [by("one", GONE), by("two", other)]
    assert collect(NODE, asked, Here(["sh", "-s"]), LIMITS).lost is None


# --- the reply --------------------------------------------------------------------------------


def marked(*answers: tuple[str, int], start: bool = True) -> bytes:
    """A stream as the script prints it."""
    parts = [f"\n{MARK} start 0\n"] if start else []
    parts += [f"{text}\n{MARK} {number} {rc}\n" for number, (text, rc) in enumerate(answers)]
    return "".join(parts).encode()


def test_the_streams_are_cut_at_the_marks() -> None:
    assert cut(b"motd" + marked(("a\n", 0), ("", 7)), MARK) == {0: (0, b"a\n"), 1: (7, b"")}


def test_a_mark_in_the_middle_of_a_line_or_of_another_run_is_text() -> None:
    text = f"x {MARK} 0 0\n\n{'f' * 32} 0 0\n"
    assert cut(marked((text, 0)), MARK) == {0: (0, text.encode())}


def test_an_answer_that_broke_off_is_none() -> None:
    whole = marked(("first", 0), ("last", 0))
    for end in range(len(whole)):
        values = read_reply([FIRST, LAST], MARK, Output(0, whole[:end], b""), LIMITS)
        assert values.items() <= {"first": "first", "last": "last"}.items()
        assert "last" not in values


def test_a_script_that_ends_early_says_why() -> None:
    shell = Canned(Output(127, b"", b"sh: not found\n"))
    facts = collect(NODE, [FIRST, LAST], shell, LIMITS)
    assert facts.lost == "the shell ended with exit 127: sh: not found"
    assert why(facts, FIRST) == facts.lost


def test_why_a_node_was_lost_is_the_reason_of_each_of_its_probes() -> None:
    refused = Canned(TransportError("connection refused"))
    assert why(collect(NODE, [FIRST], refused, LIMITS), FIRST) == "connection refused"
    halfway = Canned(Output(-1, b"", b"", lost="the connection was dropped"))
    assert why(collect(NODE, [FIRST], halfway, LIMITS), FIRST) == "the connection was dropped"


def test_whatever_befalls_one_node_is_told_of_that_node() -> None:
    @dataclass
    class Broken:
        local: bool = False

        def run(self, script: str, limits: Limits) -> Output:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), script[:0], limits.node)

    assert collect(NODE, [FIRST], Broken(), LIMITS).lost == "OSError: Too many open files"


def test_what_nobody_needs_is_not_known() -> None:
    facts = collect(NODE, [FIRST], Here(["sh", "-s"]), LIMITS)
    assert why(facts, LAST) == "last was not asked: no check or fix declares that it needs it"


# --- which probes -----------------------------------------------------------------------------


def test_each_probe_is_asked_once_however_many_need_it() -> None:
    again = Probe("first", "echo first", str)
    assert unite([FIRST, LAST, again, FIRST]) == [FIRST, LAST]
    assert script(unite([FIRST, again]), MARK, LIMITS).count("echo first") == 1


def test_the_controllers_user_is_believed_which_program_is_meant(tmp_path: Path) -> None:
    program = tmp_path / "awk"
    program.write_text("#!/bin/sh\necho mine\n")
    program.chmod(0o755)
    shell = Here(["env", f"PATH={tmp_path}:/usr/bin:/bin", "sh", "-s"])
    asked = probe("whose", "awk 'BEGIN { print \"of root\" }'")
    for site, whose in ((Site((), Deployer()), "mine\n"), (None, "of root\n")):
        assert collect(replace(NODE, site=site), [asked], shell, LIMITS)[asked] == whose


def test_two_probes_of_one_name_are_a_mistake() -> None:
    with pytest.raises(PluginError, match="two different probes are called first"):
        unite([FIRST, probe("first", "echo second")])


def test_without_a_probe_no_node_is_asked() -> None:
    shell = Here(["sh", "-s"])
    assert collect(NODE, [], shell, LIMITS).lost is None
    assert shell.scripts == []


# --- twins ------------------------------------------------------------------------------------


def twin(answer: Callable[[], str | None]) -> Probe[str]:
    return probe("twin", "echo shell", local=answer)


def test_a_twin_answers_on_this_machine_alone() -> None:
    wanted = twin(lambda: "library\n")
    assert collect(NODE, [wanted], Here(["sh", "-s"], local=True), LIMITS)[wanted] == "library\n"
    assert collect(NODE, [wanted], Here(["sh", "-s"]), LIMITS)[wanted] == "shell\n"


def test_where_the_library_is_missing_the_command_runs() -> None:
    wanted = twin(lambda: None)
    assert collect(NODE, [wanted], Here(["sh", "-s"], local=True), LIMITS)[wanted] == "shell\n"


def test_a_twin_that_breaks_leaves_its_fact_unknown() -> None:
    wanted = twin(lambda: str(1 // 0))
    facts = collect(NODE, [wanted, LAST], Here(["sh", "-s"], local=True), LIMITS)
    assert why(facts, wanted) == "twin: ZeroDivisionError: integer division or modulo by zero"
    assert facts[LAST] == "last\n"


# --- many nodes -------------------------------------------------------------------------------


def test_the_fleet_comes_in_its_own_order_and_is_told_as_it_is_done() -> None:
    def slow(name: str, seconds: float) -> Facts:
        time.sleep(seconds)
        return Facts(Node(name, name, name), {})

    asks = {name: partial(slow, name, pause) for name, pause in (("a", 0.4), ("b", 0.0))}
    done: list[str] = []
    facts = side_by_side(asks, parallel=8, on_done=lambda fact: done.append(fact.node.name))
    assert list(facts) == ["a", "b"]
    assert done == ["b", "a"]


def test_no_more_than_parallel_at_a_time() -> None:
    lock, running, most = threading.Lock(), 0, 0

    def ask(name: str) -> Facts:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return Facts(Node(name, name, name), {})

    asks = {str(number): partial(ask, str(number)) for number in range(20)}
    side_by_side(asks, parallel=3, on_done=lambda _: None)
    assert most == 3


def test_fewer_threads_than_wanted_do_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = threading.Thread.start, 0

    def only_one(thread: threading.Thread) -> None:
        nonlocal started
        started += 1
        if started > 1:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", only_one)
    asks = {name: partial(Facts, Node(name, name, name), {}) for name in ("a", "b", "c")}
    assert list(side_by_side(asks, parallel=3, on_done=lambda _: None)) == ["a", "b", "c"]


def test_a_bug_in_gkprep_is_not_kept_from_the_caller() -> None:
    def breaks() -> Facts:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        side_by_side({"a": breaks}, parallel=1, on_done=lambda _: None)


def test_a_signal_that_another_thread_took_is_not_left_until_a_node_is_done() -> None:
    taken, over = {signal.SIGUSR1}, threading.Event()

    def ask() -> Facts:
        time.sleep(0.2)  # until the caller sleeps
        signal.pthread_sigmask(signal.SIG_UNBLOCK, taken)
        os.kill(os.getpid(), signal.SIGUSR1)
        over.wait(30)
        return Facts(NODE, {})

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    signal.pthread_sigmask(signal.SIG_BLOCK, taken)
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            side_by_side({"a": ask}, parallel=1, on_done=lambda _: None)
        assert time.monotonic() - started < 5
    finally:
        over.set()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, taken)
        signal.signal(signal.SIGUSR1, before)


def test_a_broken_plugin_is_no_nodes_trouble() -> None:
    @dataclass
    class Broken:
        local: bool = False

        def run(self, script: str, limits: Limits) -> Output:
            assert script
            raise PluginError(f"broken within {limits.node} s")

    with pytest.raises(PluginError, match="broken"):
        collect(NODE, [FIRST], Broken(), LIMITS)
