# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""No secret in any text that leaves: known secrets, and what looks like one."""

from __future__ import annotations

import functools
import html
import json
import re
import typing as t

HIDDEN = "[hidden]"

# The texts come from anywhere, and none of them may take long: a repetition is either bounded, or nothing has to
# follow it. What stands before the telling word in a name is kept anyway, so it is not looked at.
_NAME = (
    r"(?:passw(?:or)?d|passphrase|_pass(?![a-z])|secret|token|credential|pwd(?!\s?[:=]\s?/)"
    r"|(?:access|account|api|app|auth|encryption|integration|license|private|shared|signing|storage)[_.-]?key)"
    # What is not the secret itself: password_file, token_type, and secrets.yml:6.
    r"(?![\w.-]{0,40}(?:[_-](?:file|path|type)|\.(?:ya?ml|json|cfg|conf|ini|txt|j2|py|sh|rb|js|go))\b)[\w.-]{0,40}"
)
# A quote, or what became of it in JSON inside of JSON.
_QUOTE = r"\\{0,4}['\"]"
_IS = rf"(?:{_QUOTE})?\s{{0,8}}(?:=>|[:=](?!>))\s{{0,8}}"
# What programs say after "password:" and the like.
_NO_SECRET = (
    r"(?!(?:access|authentication|permission) |(?:cannot|could|denied|does|did|expected|expired|failed|false|has"
    r"|incorrect|invalid|is|missing|must|no|none|not|null|required|true|unexpected|unknown|was|wrong|yes)\b)"
)

# Each pattern hides its group "secret", or the whole match where it has no such group.
# Names of fields are kept: "password=[hidden]" tells more than "[hidden]".
DEFAULT_PATTERNS: tuple[str, ...] = (
    # A private key, also one that was cut off in the middle.
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    # user:password@ in a URL, and the same as an argument of a command.
    r"(?<=://)[^\s/:@'\"<>]{0,255}:(?P<secret>[^\s/'\"<>]{1,255})@",
    rf"(?<=\s)(?:-u|--user)[\s=](?:{_QUOTE})?[^\s:'\"]{{1,64}}:(?P<secret>[^\s'\"]+)",
    # Authorization: Bearer …, X-Auth-Token: …
    r"(?i)\b(?:(?:proxy-)?authorization|x-(?:[a-z]{1,20}-){0,3}(?:auth|key|secret|token))\b"
    rf"{_IS}(?:{_QUOTE})?(?:(?:apikey|basic|bearer|digest|negotiate|token)\s{{1,8}})?(?P<secret>[^\s'\",;\\]+)",
    # A digit, a sign or a capital in its middle tells a token from "basic authentication".
    r"\b(?i:basic|bearer)\s{1,8}(?=[A-Za-z./~+-]*(?:[0-9_=]|[a-z][A-Z]))(?P<secret>[A-Za-z0-9._~+/=-]{8,})",
    # "name": "value", name='value', {\"name\": \"value\"}, also when the end is cut off.
    rf"(?im){_NAME}{_IS}(?P<quote>{_QUOTE})(?!(?P=quote))(?P<secret>.+?)(?:(?<!\\)(?P=quote)|$)",
    # name=value, name: value, also in a query string.
    rf"(?i){_NAME}{_IS}{_NO_SECRET}"
    r"(?P<secret>(?:\[hidden\]|\\(?![nrt'\"])|[^\s'\",;&)}\]\\])+)",
    # --name value
    rf"(?i)(?<![\w-])--[\w-]{{0,40}}?{_NAME}\s{{1,8}}(?P<secret>{_QUOTE}[^'\"\n]+|[^\s'\"-][^\s'\"]*)",
    # What is recognised by its own shape.
    r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,})",
    r"\$ANSIBLE_VAULT;(?:[0-9.]{1,9};\w{1,20}(?:;[\w.-]{1,99})?)(?:\\[nr]|[\s0-9a-f])*",
)

_SHORT = 256
# What stays itself in a URL, in JSON and in HTML; and the same as somebody encodes it who encodes everything.
_PLAIN = re.compile(r"[A-Za-z0-9]+")
_ENCODED_WITHOUT_NEED = re.compile(
    r"%(?:25){0,3}(?:3[0-9]|[46][1-9a-f]|[57][0-9a])", re.IGNORECASE
)


class Redactor:
    """Hides secrets in texts.

    :param secrets: values that are known to be secret, such as the integration key. They are hidden as they are, and
        as they stand in a URL, in JSON and in HTML, wherever that is.
    :param patterns: regular expressions of what looks like a secret. A pattern hides its group ``secret``, or its
        whole match.
    :raises re.error: when a pattern is not a regular expression.
    """

    def __init__(
        self, secrets: t.Iterable[str | None] = (), patterns: t.Iterable[str] = ()
    ) -> None:
        # The longest first: one secret may be the beginning of another.
        self._known = sorted({text for text in secrets if text}, key=len, reverse=True)
        self._patterns = [re.compile(pattern) for pattern in patterns]
        # The labels of many alerts are the same few texts.
        self._scrub_short = functools.lru_cache(maxsize=512)(self._scrub)

    def scrub(self, text: str) -> str:
        """Return the text with every secret replaced by ``[hidden]``."""
        return self._scrub_short(text) if len(text) < _SHORT else self._scrub(text)

    def _scrub(self, text: str) -> str:
        for secret in self._known:
            text = text.replace(secret, HIDDEN)
        for secret in self._maybe_disguised_in(text):
            text = _in_disguise(secret).sub(HIDDEN, text)
        for pattern in self._patterns:
            text = pattern.sub(_hide, text)
        return text

    def _maybe_disguised_in(self, text: str) -> list[str]:
        """Return the known secrets that may stand in the text in another spelling: there can be very many."""
        # Most texts have none of these.
        if not any(mark in text for mark in "%&+\\"):
            return []
        if _ENCODED_WITHOUT_NEED.search(text):
            return self._known
        return [secret for secret in self._known if _plain_part(secret) in text]

    def scrub_data(self, data: t.Any) -> t.Any:
        """Return plain data (dictionaries, lists, scalars) with every secret in its texts replaced."""
        if isinstance(data, str):
            return self.scrub(data)
        if isinstance(data, dict):
            return {
                self.scrub_data(key): self.scrub_data(value)
                for key, value in data.items()
            }
        if isinstance(data, (list, tuple)):
            return [self.scrub_data(item) for item in data]
        return data


@functools.lru_cache(maxsize=4096)
def _plain_part(secret: str) -> str:
    """Return the longest part of a secret that everybody writes as it is."""
    return max(_PLAIN.findall(secret), key=len, default="")


@functools.lru_cache(maxsize=1024)
def _in_disguise(secret: str) -> re.Pattern[str]:
    # Percent-encoding may be written in upper or lower case.
    return re.compile("".join(map(_spellings, secret)), re.IGNORECASE)


def _spellings(character: str) -> str:
    """Return a pattern for all the ways in which one character of a secret may be written."""
    encoded = character.encode("utf-8", "surrogatepass")
    # A URL inside of a URL is encoded twice.
    in_url = "".join(f"%(?:25){{0,3}}{byte:02x}" for byte in encoded)
    plain = {
        character,
        json.dumps(character)[1:-1],
        html.escape(character),
        "+" if character == " " else character,
    }
    return f"(?:{'|'.join(re.escape(form) for form in sorted(plain))}|{in_url})"


def _hide(match: re.Match[str]) -> str:
    if "secret" not in match.re.groupindex or match.group("secret") is None:
        return HIDDEN
    whole, start = match.group(), match.start()
    return (
        whole[: match.start("secret") - start]
        + HIDDEN
        + whole[match.end("secret") - start :]
    )
