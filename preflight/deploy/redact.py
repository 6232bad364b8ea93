"""Keys out of whatever is shown or kept: gk-deploy prints one at its end, -v prints both (D1)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

MARK = "***"


class Redactor:
    """Takes secrets out of a text that comes in pieces, also one that is cut between two of them.

    What could be the beginning of a secret is held back until more has come, or `flush`. The base64
    of a secret, as Kubernetes shows what a Secret holds, is one too.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        plain = {secret for secret in secrets if secret}
        encoded = {base64.b64encode(each.encode()).decode().rstrip("=") for each in plain}
        # The longest first: where one begins with another, nothing of it may be left over.
        self._secrets = sorted(plain | encoded, key=len, reverse=True)
        self._any = re.compile("|".join(map(re.escape, self._secrets)) or r"(?!)")
        self._held = ""

    def feed(self, piece: str) -> str:
        """As much of the text as can be told by now."""
        text = self._held + piece
        told = self._undecided(text)
        end = 0
        ready = []
        for found in self._any.finditer(text):
            if found.start() >= told:
                break
            ready += [text[end : found.start()], MARK]
            end = found.end()
        ready.append(text[end:told])
        self._held = text[max(end, told) :]
        return "".join(ready)

    def flush(self) -> str:
        """The rest, once no more comes."""
        rest, self._held = self._any.sub(MARK, self._held), ""
        return rest

    def _undecided(self, text: str) -> int:
        """Where a secret may have begun that is not whole yet; the end of `text` if nowhere."""
        longest = len(self._secrets[0]) if self._secrets else 1
        for begin in range(max(0, len(text) - longest + 1), len(text)):
            if any(
                len(text) - begin < len(s) and s.startswith(text[begin:]) for s in self._secrets
            ):
                return begin
        return len(text)
