"""Which lines of ssh_config(5) are in force for a host: Host, Match, Include, first value wins."""

from __future__ import annotations

from collections.abc import Iterable

from preflight.errors import TransportError
from preflight.model import SshOptions
from preflight.openssh.patterns import matches_list
from preflight.openssh.syntax import Line
from preflight.openssh.values import first_word, is_none, login_name


class Settings:
    """One host's settings: `by_keyword` with the line that set each, `identities` all in order.

    `jumps` is ProxyJump as it was written, None where nothing was; with any but `none` there is no
    ProxyCommand. `given` counts as options on the command line of `ssh` do: `Match user` sees it.
    """

    def __init__(self, host: str, given: SshOptions, files: Iterable[tuple[Line, ...]]) -> None:
        """Walk over `files`; raises TransportError for a Match that cannot be judged."""
        self.by_keyword: dict[str, Line] = {}
        self.identities: list[str] = []
        self.jumps = given.proxy_jump
        self.given = given
        self.alias = host
        self._host = host
        self._final = False
        self._wants_final = False
        files = tuple(files)
        self._walk_all(files)
        if self._wants_final:
            # `Match final` has the files read again, with the host's name as it is known by then.
            self._host, self._final = self.hostname(), True
            self._walk_all(files)

    def hostname(self) -> str:
        """Return the host's name with HostName taken into account, so far as it was read."""
        named = self.by_keyword.get("hostname")
        if named is None or self._final:
            return self._host
        return first_word(named).replace("%%", "\0").replace("%h", self.alias).replace("\0", "%")

    def user(self) -> str:
        """Whom to log in as: given, else set so far, else whoever runs gkprep."""
        named = self.by_keyword.get("user")
        return self.given.user or (first_word(named) if named else login_name())

    def _walk_all(self, files: Iterable[tuple[Line, ...]]) -> None:
        for lines in files:
            self._walk(lines, active=True, possible=True)

    def _walk(self, lines: tuple[Line, ...], *, active: bool, possible: bool) -> None:
        """`possible` is False in a file included by a block not in force: nothing in it can be."""
        for line in lines:
            if line.keyword == "host":
                active = possible and matches_list(self._host, line.words)
            elif line.keyword == "match":
                active = self._match(line, possible=possible)
            elif line.keyword == "include":
                for included in line.included:
                    self._walk(included, active=active, possible=possible and active)
            elif active:
                self._set(line)

    def _set(self, line: Line) -> None:
        if line.keyword == "identityfile":
            word = first_word(line)
            self.identities += [word] if word not in self.identities else []
        elif line.keyword in {"proxyjump", "proxycommand"}:
            self._set_proxy(line)
        elif (line.keyword, line.words) != ("connecttimeout", ("none",)):
            # That one leaves it as it was: unset, for a later line to set.
            self.by_keyword.setdefault(line.keyword, line)

    def _set_proxy(self, line: Line) -> None:
        """The first of the two counts, but `ProxyJump none` leaves room for a ProxyCommand."""
        if "proxycommand" in self.by_keyword:
            return
        if line.keyword == "proxycommand":
            if self.jumps is None or is_none(self.jumps):
                self.by_keyword["proxycommand"] = line
        elif self.jumps is None:
            first_word(line)  # there must be one before the comment, if there is a comment
            self.jumps = line.rest.partition("#")[0].rstrip()

    def _match(self, line: Line, *, possible: bool) -> bool:
        """Judge the criteria of one Match line, all of which must hold."""
        result = possible
        words = iter([part for word in line.words for part in _criterion(word)])
        for word in words:
            negated, name = word.startswith("!"), word.removeprefix("!").lower()
            if name == "all":
                continue
            if name in {"canonical", "final"}:
                self._wants_final = self._wants_final or name == "final"
                holds = self._final
            else:
                holds = self._holds(line, name, next(words, ""), counts=result)
            result = result and holds != negated
        return result

    def _holds(self, line: Line, name: str, argument: str, *, counts: bool) -> bool:
        """Judge one criterion; `counts` is False where an earlier one has failed already."""
        subjects = {
            "host": self.hostname,
            "originalhost": lambda: self.alias,
            "user": self.user,
            "localuser": login_name,
        }
        if name in subjects:
            subject = subjects[name]()
            # match_hostname() ignores case, match_user() does not.
            if name.endswith("host"):
                subject, argument = subject.lower(), argument.lower()
            return matches_list(subject, argument.split(","))
        if counts:
            raise TransportError(
                f"{line.place}: `Match {name}` cannot be judged: gkprep knows"
                " all, final, host, originalhost, user and localuser"
            )
        return False


def _criterion(word: str) -> tuple[str, ...]:
    """`host=a,b` may stand for `host a,b`."""
    name, equals, argument = word.partition("=")
    return (name, argument) if equals and name.isalpha() else (word,)
