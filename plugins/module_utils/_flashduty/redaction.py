# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""No secret in any text that leaves: known secrets, and what looks like one."""

from __future__ import annotations

import re
import typing as t
from urllib.parse import quote, quote_plus

HIDDEN = "[hidden]"

# Each pattern hides its group "secret", or the whole match where it has no such group.
# Names of fields are kept: "password=[hidden]" tells more than "[hidden]".
_SECRET_NAMES = (
    r"(?:[\w.-]*(?:passw(?:or)?d|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|integration[_-]?key|credential|auth[_-]?key)[\w-]*|pwd)"
)
DEFAULT_PATTERNS: tuple[str, ...] = (
    # A private key, also one that was cut off in the middle.
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
    # user:password@ in a URL.
    r"(?i)\b[a-z][a-z0-9+.-]*://[^\s/:@'\"]*:(?P<secret>[^\s/@'\"]+)@",
    # Authorization: Bearer …, and the same as an argument of a command.
    r"(?i)\b(?:authorization|x-[a-z-]*(?:token|key|auth)[a-z-]*)['\"]?\s*[:=]\s*['\"]?"
    r"(?:(?:bearer|basic|token|digest|negotiate)\s+)?(?P<secret>[^\s'\",;]+)",
    r"(?i)\b(?:bearer|basic)\s+(?P<secret>[a-z0-9._~+/=-]{8,})",
    # name=value, name: value, "name": "value", also in a query string or as an option --name value.
    r"(?i)\b"
    + _SECRET_NAMES
    + r"['\"]?\s*(?:=>|[:=])\s*(?P<quote>['\"])(?P<secret>(?:\\.|(?!(?P=quote)).)+)(?P=quote)",
    r"(?i)\b" + _SECRET_NAMES + r"['\"]?\s*(?:=>|[:=])\s*(?P<secret>[^\s'\",;&)}\]]+)",
    r"(?i)(?<=--)" + _SECRET_NAMES + r"\s+['\"]?(?P<secret>[^\s'\"]+)",
    # Tokens that are recognised by their own shape.
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abprs]-[A-Za-z0-9-]{10,})",
    r"\$ANSIBLE_VAULT;[\s\S]*\Z",
)


class Redactor:
    """Hides secrets in texts.

    :param secrets: values that are known to be secret, such as the integration key. They are hidden in their plain
        and in their URL-encoded forms, wherever they stand.
    :param patterns: regular expressions of what looks like a secret. A pattern hides its group ``secret``, or its
        whole match.
    :raises re.error: when a pattern is not a regular expression.
    """

    def __init__(
        self, secrets: t.Iterable[str | None] = (), patterns: t.Iterable[str] = ()
    ) -> None:
        forms = {
            form
            for secret in secrets
            if secret
            for form in (
                secret,
                quote(secret),
                quote(secret, safe=""),
                quote_plus(secret),
            )
        }
        # The longest first: one form may be a part of another.
        alternatives = "|".join(
            re.escape(form) for form in sorted(forms, key=len, reverse=True)
        )
        # Percent-encoding may be written in upper or lower case.
        self._known = re.compile(alternatives, re.IGNORECASE) if alternatives else None
        self._patterns = [re.compile(pattern) for pattern in patterns]

    def scrub(self, text: str) -> str:
        """Return the text with every secret replaced by ``[hidden]``."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for pattern in self._patterns:
            text = pattern.sub(_hide, text)
        return text

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


def _hide(match: re.Match[str]) -> str:
    if "secret" not in match.re.groupindex or match.group("secret") is None:
        return HIDDEN
    whole, start = match.group(), match.start()
    return (
        whole[: match.start("secret") - start]
        + HIDDEN
        + whole[match.end("secret") - start :]
    )
