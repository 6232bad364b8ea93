"""Many probes -> one script -> one reply -> Facts. The only reader of a node.

All probes of a node travel as one POSIX script to one `sh -s` (design: one round trip). Each runs
as `timeout -s KILL N sh -c COMMAND </dev/null`; between them the script prints a random mark on
standard output *and* standard error, with the exit status, so that a missing tool, a syntax error,
a hang or a command that reads standard input spoils only its own answer, and any bytes survive.
"""

from __future__ import annotations

import queue
import re
import secrets
import shlex
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from preflight.errors import PluginError, TransportError, Unknown
from preflight.model import TIMED_OUT, Facts, Limits, Node, Output, Probe, Site
from preflight.transport import Shell

TURN = 0.5
"""Seconds after which to look whether a signal has come."""


_ROOTS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where root's tools are, for logins whose PATH has no sbin; the system's own tools go first."""

_HEAD = """\
LC_ALL=C LANG=C
PATH=PLACES
export LC_ALL LANG PATH
mark() { printf '\\n%s %s\\n' MARK "$1"; printf '\\n%s %s\\n' MARK "$1" >&2; }
mark 'start 0'
"""

T = TypeVar("T")


def collect(node: Node, probes: Iterable[Probe[object]], shell: Shell, limits: Limits) -> Facts:
    """Ask `node` everything at once; what it does not answer is in the facts as `Unknown`.

    Never raises for what a node does or fails to do.
    """
    started = time.monotonic()
    wanted = unite(probes)
    values: dict[str, object] = {}
    if shell.local:
        values.update(_ask_twins(wanted))
    remote = [probe for probe in wanted if probe.name not in values]
    mark = secrets.token_hex(16)
    lost, cure = None, ""
    if remote:
        try:
            output = shell.run(script(remote, mark, limits, node.site), limits)
        except TransportError as exc:
            lost, cure = str(exc), exc.cure
        except PluginError:
            raise
        except Exception as exc:  # noqa: BLE001 - whatever befell this node, the others go on
            lost = f"{type(exc).__name__}: {getattr(exc, 'strerror', None) or exc}"
        else:
            values.update(read_reply(remote, mark, output, limits))
            lost = _lost(remote, values, output) or _shut(remote, values)
    return Facts(node, values, lost, time.monotonic() - started, cure)


def side_by_side(
    asks: Mapping[str, Callable[[], T]], *, parallel: int, on_done: Callable[[T], None]
) -> dict[str, T]:
    """Call all of `asks`, at most `parallel` at a time; what they return, in the order of `asks`.

    The workers are daemon threads, so an interrupt ends gkprep soon, whatever a node does.
    `on_done` is called in the calling thread as each node is done.
    """
    todo: queue.SimpleQueue[tuple[str, Callable[[], T]]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[str, T | BaseException]] = queue.SimpleQueue()
    for item in asks.items():
        todo.put(item)
    for number in range(min(parallel, len(asks))):
        try:
            threading.Thread(target=_work, args=(todo, done), daemon=True).start()
        except RuntimeError:  # no more threads to be had: those that run do it all
            if number == 0:
                raise
            break
    results: dict[str, T] = {}
    while len(results) < len(asks):
        name, outcome = _next(done)
        if isinstance(outcome, BaseException):
            raise outcome
        results[name] = outcome
        on_done(outcome)
    return {name: results[name] for name in asks}


def _next(done: queue.SimpleQueue[tuple[str, T | BaseException]]) -> tuple[str, T | BaseException]:
    """Wait in turns, so that Python comes to act on a signal that did not wake this thread.

    It acts on them in this thread alone, but of two that come together (timeout(1) sends two) the
    kernel may hand both to others.
    """
    while True:
        try:
            return done.get(timeout=TURN)
        except queue.Empty:
            continue


def _work(
    todo: queue.SimpleQueue[tuple[str, Callable[[], T]]],
    done: queue.SimpleQueue[tuple[str, T | BaseException]],
) -> None:
    while True:
        try:
            name, ask = todo.get_nowait()
        except queue.Empty:
            return
        try:
            done.put((name, ask()))
        except BaseException as exc:  # noqa: BLE001 - raised again in the thread that waits
            done.put((name, exc))


def unite(probes: Iterable[Probe[object]]) -> list[Probe[object]]:
    """Each probe once, in order of first mention; raises PluginError where two share a name."""
    by_name: dict[str, Probe[object]] = {}
    for probe in probes:
        known = by_name.setdefault(probe.name, probe)
        if known != probe:
            raise PluginError(f"two different probes are called {probe.name}")
    return list(by_name.values())


def head(mark: str, site: Site | None = None) -> str:
    """What every script begins with: a locale, a path, and `mark WORDS` for both streams.

    On the controller, which has a `site`, the user's own PATH goes first: the kubectl and the
    python that a deployment runs are those that it finds. An undo there has the $KUBECONFIG of the
    run that it takes back.
    """
    places = f"$PATH:{_ROOTS}" if site else f"{_ROOTS}:$PATH"
    told = f"export KUBECONFIG={shlex.quote(site.kubeconfig)}\n" if site and site.kubeconfig else ""
    return told + _HEAD.replace("PLACES", places).replace("MARK", mark)


def script(
    probes: Sequence[Probe[object]], mark: str, limits: Limits, site: Site | None = None
) -> str:
    """Build the one script that asks all of `probes`, with `mark` between their answers."""
    lines = [head(mark, site)]
    for number, probe in enumerate(probes):
        command = f"timeout -s KILL {limits.probe:g} sh -c {shlex.quote(probe.command)} </dev/null"
        lines.append(f'{command}\nmark "{number} $?"\n')
    return "".join(lines)


def read_reply(
    probes: Sequence[Probe[object]], mark: str, output: Output, limits: Limits
) -> dict[str, object]:
    """Parse what came back; a probe without a whole answer is left out of the result."""
    out, err = cut(output.out, mark), cut(output.err, mark)
    values: dict[str, object] = {}
    for number, probe in enumerate(probes):
        if number not in out:
            continue
        rc, text = out[number]
        _, complaint = err.get(number, (rc, b""))
        values[probe.name] = _value(probe, rc, _text(text), _text(complaint), limits)
    return values


def cut(stream: bytes, mark: str) -> dict[int, tuple[int, bytes]]:
    """Cut one stream at the marks: probe number -> (exit status, what it printed)."""
    pattern = re.compile(rb"\n%s (start|\d+) (\d+)\n" % mark.encode())
    segments: dict[int, tuple[int, bytes]] = {}
    begin = 0
    for match in pattern.finditer(stream):
        if match[1] != b"start":
            segments[int(match[1])] = (int(match[2]), stream[begin : match.start()])
        begin = match.end()
    return segments


def _value(probe: Probe[object], rc: int, text: str, complaint: str, limits: Limits) -> object:
    name = probe.by or probe.name
    if rc in TIMED_OUT and rc not in probe.rcs:
        return Unknown(f"{name}: no answer within {limits.probe:g} s")
    if rc not in probe.rcs:
        last = complaint.strip().rsplit("\n", 1)[-1]
        if probe.by:  # its own words say it, whatever was asked for
            return Unknown(f"{name}: {last or f'exit {rc}'}")
        return Unknown(f"{name}: exit {rc}: {last or 'no message'}")
    try:
        return probe.parse(text)
    except Unknown as exc:
        return Unknown(f"{name}: {exc}")
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - whatever a parser trips over
        return Unknown(f"{name}: the answer could not be read: {type(exc).__name__}: {exc}")


def _ask_twins(probes: Sequence[Probe[object]]) -> dict[str, object]:
    values: dict[str, object] = {}
    for probe in probes:
        if probe.local is None:
            continue
        try:
            answer = probe.local()
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - as with a parser
            answer = Unknown(f"{probe.name}: {type(exc).__name__}: {exc}")
        if answer is not None:
            values[probe.name] = answer
    return values


def _lost(
    probes: Sequence[Probe[object]], values: Mapping[str, object], output: Output
) -> str | None:
    """Why some answers are missing, None when all are there."""
    if all(probe.name in values for probe in probes):
        return None
    if output.lost:
        return output.lost
    last = (
        _text(output.err).strip().rsplit("\n", 1)[-1]
        or _text(output.out).strip().rsplit("\n", 1)[-1]
    )
    return f"the shell ended with exit {output.rc}: {last or 'no message'}"


def _shut(probes: Sequence[Probe[object]], values: Mapping[str, object]) -> str | None:
    """Why nothing was answered `by` what several probes ask, if that is one reason for most."""
    for by in dict.fromkeys(probe.by for probe in probes if probe.by):
        answers = [values[probe.name] for probe in probes if probe.by == by]
        if all(isinstance(answer, Unknown) for answer in answers):
            [(why, times)] = Counter(map(str, answers)).most_common(1)
            if times > len(answers) / 2 and times > 1:
                return why
    return None


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
