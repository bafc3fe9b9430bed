# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The one way out for texts: cleaned, then masked whole, and only then cut.

In this order, since a control character can hide a secret, and half a secret is not recognised any more. What is done
with a text takes time that is proportional to its length, whatever is in it.
"""

from __future__ import annotations

import functools
import re
import typing as t

from .secret_patterns import DEFAULT_PATTERNS, mask_patterns
from .secret_values import SecretValues
from .texts import clean_text

__all__ = ["DEFAULT_PATTERNS", "HIDDEN", "Redactor"]

HIDDEN = "[hidden]"
# Characters of a text that may leave. Many times what an alert shows, and so few that no machine can make a run slow: to look
# through ten thousand takes some hundredths of a second.
LONGEST_TEXT = 50_000
# The same of a text in the result of a module, which may be a table of thousands of alerts.
_LONGEST_RESULT = 1_000_000
# What is not looked at again at the place where such a text was cut: longer than a private key.
_CUT_MARGIN = 20_000
_SHORT = 256

Cut = t.Callable[[str, int], str]


class Redactor:
    """Hides secrets in texts.

    :param secrets: values that are known to be secret. They are hidden as they are, and as they stand in a URL, in JSON, in
        HTML and between quotes of a shell.
    :param patterns: regular expressions of what looks like a secret. A pattern hides its group ``secret``, or its
        whole match.
    :param keys: secrets that are hidden in names, too, such as integration keys.
    :param mask: what else hides secrets, such as ansible-core's own function; asked for every text.
    :raises re.error: when a pattern is not a regular expression.
    """

    def __init__(
        self,
        secrets: t.Iterable[str | None] = (),
        patterns: t.Iterable[str] = (),
        *,
        keys: t.Iterable[str | None] = (),
        mask: t.Callable[[str], str] | None = None,
    ) -> None:
        patterns = tuple(patterns)
        self._defaults = patterns[: len(DEFAULT_PATTERNS)] == DEFAULT_PATTERNS
        own = patterns[len(DEFAULT_PATTERNS) :] if self._defaults else patterns
        self._own = [re.compile(pattern) for pattern in own]
        self._mask = mask
        self._keys = SecretValues(keys)
        self._values = SecretValues(secrets)
        # The labels of many alerts are the same few texts.
        self._redact_short = functools.lru_cache(maxsize=512)(self._redact)
        self._clean_short_name = functools.lru_cache(maxsize=512)(self._clean_name)

    def add(
        self, secrets: t.Iterable[str | None] = (), *, keys: t.Iterable[str | None] = ()
    ) -> None:
        """Hide these values, too, from now on."""
        # Both have to be told.
        added = [self._values.add(secrets), self._keys.add(keys)]
        if any(added):
            self._redact_short.cache_clear()
            self._clean_short_name.cache_clear()

    def redact(self, text: str) -> str:
        """Return the text with every secret replaced by ``[hidden]``."""
        if self._mask is not None:
            # Not from the cache: it may have heard of further secrets meanwhile.
            text = self._mask(text)
        return self._redact_short(text) if len(text) < _SHORT else self._redact(text)

    def clean(
        self, text: object, *, limit: int | None = None, cut: Cut | None = None
    ) -> str:
        """Return a text that may leave: without control characters and secrets, and of no more than some length.

        A text of more than ``LONGEST_TEXT`` characters loses its middle.

        :param limit: in characters.
        :param cut: makes a text shorter, such as ``cut_middle``; where it is missing, the end goes.
        """
        redacted = self._redact_bounded(clean_text(text), LONGEST_TEXT)
        if limit is None or len(redacted) <= limit:
            return redacted
        return cut(redacted, limit) if cut is not None else redacted[:limit]

    def clean_name(self, text: object) -> str:
        """Return the name of a host, group or file in one line. It is masked for keys only, or nobody would know it."""
        name = str(text)
        return (
            self._clean_short_name(name)
            if len(name) < _SHORT
            else self._clean_name(name)
        )

    def _clean_name(self, name: str) -> str:
        return self._keys.mask(" ".join(clean_text(name).split()), HIDDEN)

    def clean_labels(self, labels: t.Mapping[t.Any, t.Any]) -> dict[str, str]:
        """Return labels whose names and values may leave, and that are not empty."""
        cleaned = {
            self.clean(name).strip(): self.clean(text) for name, text in labels.items()
        }
        return {name: text for name, text in cleaned.items() if name and text}

    def redact_data(self, data: t.Any) -> t.Any:
        """Return plain data (dictionaries, lists, scalars) with every secret in its texts replaced."""
        if isinstance(data, str):
            return self._redact_bounded(data, _LONGEST_RESULT)
        if isinstance(data, dict):
            return {
                self.redact_data(key): self.redact_data(value)
                for key, value in data.items()
            }
        if isinstance(data, (list, tuple)):
            return [self.redact_data(item) for item in data]
        return data

    def _redact_bounded(self, text: str, longest: int) -> str:
        """Return a text of any length redacted, without its middle where it is very long."""
        if len(text) <= longest:
            return self.redact(text)
        half = longest // 2
        margin = max(_CUT_MARGIN, self._values.longest)
        # A secret that lies across the cut is hidden with what goes.
        head = self.redact(text[: half + margin])[:-margin]
        tail = self.redact(text[-half - margin :])[margin:]
        return f"{head}\n…\n{tail}"

    def _redact(self, text: str) -> str:
        text = self._keys.mask(text, HIDDEN)
        text = self._values.mask(text, HIDDEN)
        if self._defaults:
            text = mask_patterns(text, HIDDEN)
        for pattern in self._own:
            text = pattern.sub(_hide, text)
        return text


def _hide(match: re.Match[str]) -> str:
    if "secret" not in match.re.groupindex or match.group("secret") is None:
        return HIDDEN
    whole, start = match.group(), match.start()
    return (
        whole[: match.start("secret") - start]
        + HIDDEN
        + whole[match.end("secret") - start :]
    )
