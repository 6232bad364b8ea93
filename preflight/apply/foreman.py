"""Talks with one node's script: looks again, puts each step on record, and gives the word."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field, replace

from preflight.apply.script import Marks
from preflight.collect import read_reply
from preflight.errors import Unknown
from preflight.journal import Journal
from preflight.model import Act, Action, Done, Facts, Guard, Limits, Node, Output, Overwrite


@dataclass
class Foreman:
    """One node's steps, how far they have come, and why they went no further."""

    node: Node
    steps: list[tuple[Action, Act]]
    journal: Journal
    limits: Limits
    keep_going: bool = False
    marks: Marks = field(default_factory=Marks)
    begun: dict[int, Done] = field(default_factory=dict)
    over: bool = False
    refusals: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Nothing was heard yet."""
        self._out, self._err = _Ear(self.marks.steps), _Ear(self.marks.steps)
        self._due = _before(0)

    def hear(self, out: bytes, err: bytes) -> bytes:
        """Take in what was printed; give the word for the step that the script is ready for."""
        self._out.data += out
        self._err.data += err
        answer = b""
        # What a step printed is whole when its mark came on both streams.
        while not self.over and self._out.next() and self._err.next():
            (word, rest), printed = self._out.take()
            _, complained = self._err.take()
            answer += self._answer(word, rest, printed, complained)
        return answer

    def _answer(self, word: str, rest: str, out: bytes, err: bytes) -> bytes:
        if word == "held":
            return self._enough(rest)
        said, _, more = rest.partition(" ")
        number = self._due.get(word)
        if number is None or said != str(number) or (word == "done" and not more.isdecimal()):
            return self._enough(f"it answered out of turn: {word} {rest}")
        if word == "ready":
            return self._begin(number, out, err)
        if word == "saved":
            return self._save(number, more, out)
        return self._end(number, int(more), out, err)

    def _enough(self, why: str) -> bytes:
        self.refusals.append(why)
        self.over = True
        return b""

    def _begin(self, number: int, out: bytes, err: bytes) -> bytes:
        action, step = self.steps[number]
        self._due = {"saved" if isinstance(step, Overwrite) else "done": number, "done": number}
        if isinstance(step, Overwrite) and (drift := self._drift(step.guard, out, err)):
            why = f"{action.finding.subject}: {drift}; nothing was written to it"
            return self._refuse(number, why)
        self.journal.begin(number, action, step)
        self.begun[number] = Done(self.node.name, action.finding.check, step)
        return _go(number)

    def _drift(self, guard: Guard, out: bytes, err: bytes) -> str | None:
        """What is not as it was when the step was planned: judged as a check judges."""
        reply = Output(0, out, err)
        values = read_reply(guard.probes, self.marks.guards, reply, self.limits)
        try:
            return guard.drift(Facts(self.node, values, "the node did not answer to the end"))
        except Unknown as exc:
            return str(exc)

    def _save(self, number: int, digest: str, out: bytes) -> bytes:
        """Keep what is about to be written over; no word without it, whole."""
        try:
            data = base64.b64decode(out)
        except binascii.Error:
            data = b""
        if hashlib.sha256(data).hexdigest() != digest:
            why = "what was to be saved did not arrive whole; nothing was written"
            return self._refuse(number, why)
        _, step = self.steps[number]
        if isinstance(step, Overwrite) and (wrong := _not_as_left(step, data)):
            return self._refuse(number, f"{step.path}: {wrong}; nothing was written to it")
        self.journal.save(self.node.name, number, data)
        self._due = {"done": number}
        return _go(number)

    def _end(self, number: int, rc: int, out: bytes, err: bytes) -> bytes:
        if number in self.begun:
            self.begun[number] = replace(self.begun[number], rc=rc, out=out, err=err)
            self.journal.end(number, self.begun[number])
        else:  # it came to nothing before the word was asked for
            self.refusals.append(_last(err, out))
        self._due = _before(number + 1)
        self.over = self._ends(number) or (rc != 0 and not self.keep_going)
        return b""

    def _refuse(self, number: int, why: str) -> bytes:
        """No word for this step; the others are none the worse for it where all are to be taken."""
        self.refusals.append(why)
        self._due = _before(number + 1)
        self.over = self._ends(number) or not self.keep_going
        return b"" if self.over else f"skip {number}\n".encode()

    def _ends(self, number: int) -> bool:
        return number == len(self.steps) - 1

    @property
    def done(self) -> tuple[Done, ...]:
        """Every step that the node was told to take, in order."""
        return tuple(self.begun.values())

    def why(self, output: Output) -> str | None:
        """Why not all steps were taken; None where they were."""
        failed = [f"exit {each.rc}: {_last(each.err, each.out)}" for each in self.done if each.rc]
        if every := [*self.refusals, *failed]:
            return "; ".join(every)
        if len(self.done) == len(self.steps) and self.done[-1].rc == 0:
            return None
        ended = f"the shell ended with exit {output.rc}: {_last(output.err, output.out)}"
        return output.lost or ended


@dataclass
class _Ear:
    """One stream, cut at the marks as they come."""

    mark: str
    data: bytearray = field(default_factory=bytearray)

    def next(self) -> bool:
        """Whether a mark has come."""
        return self._match() is not None

    def take(self) -> tuple[tuple[str, str], bytes]:
        """The next mark's words, and what was printed before it; both are gone then."""
        match = self._match()
        assert match is not None  # noqa: S101 - `next` was asked
        before = bytes(self.data[: match.start()])
        word, rest = match[1].decode(), match[2].decode("utf-8", "replace")
        del self.data[: match.end()]
        return (word, rest), before

    def _match(self) -> re.Match[bytes] | None:
        words = rb"\n%s (ready|saved|done|held) ([^\n]*)\n"
        return re.search(words % self.mark.encode(), self.data)


def _not_as_left(step: Overwrite, data: bytes) -> str:
    """Why what is there must stay; empty where it may go. Any extent may be as it is to be."""
    try:
        there = step.parts(data)
    except ValueError:
        return "what was to be saved could not be read whole"
    wanted = there if step.expected is None else step.parts(step.expected)
    new = step.parts(step.data)
    good = all(a in {b, c} for a, b, c in zip(there, wanted, new, strict=True))
    return "" if good else "it is not as it was left"


def _before(number: int) -> dict[str, int]:
    """What a node may say before that step, each word with the number it must name."""
    return {"ready": number, "done": number}


def _go(number: int) -> bytes:
    return f"go {number}\n".encode()


def _last(*streams: bytes) -> str:
    """The last line of the first of `streams` that says anything."""
    said = next((stream for stream in streams if stream.strip()), b"no message")
    return said.decode("utf-8", "replace").strip().rsplit("\n", 1)[-1]
