# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Which values of variables and environment are secret, so that they can be masked wherever they turn up."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import re
import typing as t
from collections.abc import Mapping
from urllib.parse import unquote

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.model import (
    OutboxLocation,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
    DEFAULT_PATTERNS,
    HIDDEN,
    Redactor,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._key_files import (
    content_of_key_file,
)

from .config import SECTION, configuration_file, read_sections
from .secret_names import is_about_a_secret, is_secret_name

try:
    from ansible._internal._datatag._tags import Origin, VaultedValue
except ImportError:
    # ansible-core before 2.19 has no tags. It has types of its own for vaulted values, and texts that know their place.
    _HAS_TAGS = False
else:
    _HAS_TAGS = True

# Shorter values would mask ordinary words and numbers.
SHORTEST_NAMED = 6
SHORTEST_KNOWN = 4
# Of what has no bound by itself.
_DEEPEST = 20
_MOST_VALUES = 20_000
_LONGEST_VALUE = 200_000

# Large, not the user's own, or lazy: looking into them would cost time and find nothing.
_NOT_LOOKED_INTO = frozenset(
    ("hostvars", "vars", "groups", "environment", "omit", "play_hosts", "ansible_facts")
)
_VAULT_HEADER = b"$ANSIBLE_VAULT;"
_VAULTED_TYPES = ("AnsibleVaultEncryptedUnicode", "EncryptedString")
# What ansible-core puts into the result of every task.
_OF_RESULTS = ("changed", "failed", "skipped", "censored", "msg", "rc", "results")
_ENDS_OF_SECRETS = ("key", "key_file", "url", "url_file")
# They tell what something is, or where its key is, and are no secrets.
_IDENTITIES = frozenset(("alert_key", "change_key", "client_key"))
_KEY_IN_URL = re.compile(r"integration_key=([^&#\s]+)")


def new_redactor(patterns: t.Iterable[str] = (), **further: t.Any) -> Redactor:
    """Return a redactor that knows all keys that any place names, the environment, and what ansible-core knows.

    :param patterns: those of the user, beside the default ones.
    :param further: arguments of ``Redactor``.
    """
    return Redactor(
        secrets_of_environment(tuple(os.environ.items())),
        (*DEFAULT_PATTERNS, *patterns),
        keys={*configured_keys(), *further.pop("keys", ())},
        mask=_mask_of_core(),
        **further,
    )


def _mask_of_core() -> t.Callable[[str], str] | None:
    """Return the function of ansible-core that masks what it knows to be secret; it has one from 2.22 on."""
    try:
        secrets = importlib.import_module("ansible.module_utils.secrets")
    except ImportError:
        return None
    return functools.partial(secrets.mask_secrets, mask_placeholder=HIDDEN)


def configured_keys() -> set[str]:
    """Return all keys and passwords of ours that the environment and ansible.cfg name, for whatever they serve."""
    path = configuration_file()
    named = {
        name[len("FLASHDUTY_") :].lower(): value
        for name, value in os.environ.items()
        if name.startswith("FLASHDUTY_")
    }
    return keys_of_options(named, "") | keys_of_options(
        read_sections(path).get(SECTION, {}), os.path.dirname(path or "")
    )


def keys_of_options(options: t.Mapping[str, t.Any], folder: str) -> set[str]:
    """Return the keys and passwords in options of ours, in URLs, and in the files that options name.

    The names tell, so that a misspelt option counts, too.

    :param folder: what the paths of files are relative to; the working directory when it is empty.
    """
    keys: set[str] = set()
    for name, value in options.items():
        if not name.endswith(_ENDS_OF_SECRETS) or name in _IDENTITIES or not value:
            continue
        text = str(value).strip().strip("'\"")
        if name.endswith("_file"):
            file = os.path.expanduser(os.path.expandvars(text))
            text = content_of_key_file(os.path.join(folder, file))
            name = name[: -len("_file")]
        if name.endswith("key"):
            keys.add(text)
        else:
            keys |= keys_in_url(text)
    return {key for key in keys if len(key) >= SHORTEST_KNOWN}


def keys_in_url(url: str) -> set[str]:
    """Return the integration key in a push URL, or the passwords in the URL of a database, as they are and as written."""
    found = {match[1] for match in _KEY_IN_URL.finditer(url)}
    with contextlib.suppress(ValueError):
        # What is no URL has no password.
        found.update(OutboxLocation("", url).secrets)
    return found | {unquote(key) for key in found}


@functools.lru_cache(maxsize=1)
def secrets_of_environment(environ: tuple[tuple[str, str], ...]) -> frozenset[str]:
    """Return the values of environment variables whose names say that they are secret."""
    found: set[str] = set()
    for name, value in environ:
        if is_secret_name(name) and not name.startswith("FLASHDUTY_"):
            _add(value, found, SHORTEST_NAMED)
    return frozenset(found)


class Collector:
    """Collects secret values out of data, each part of it once.

    :param spared: names that are no secret, whatever a variable is called that holds one of them.
    :param template: renders a template, or returns None where it must not be rendered again.
    """

    def __init__(
        self,
        spared: t.Container[str] = (),
        template: t.Callable[[t.Any], t.Any] | None = None,
    ) -> None:
        self.found: set[str] = set()
        self._spared = spared
        self._template = template
        self._seen: dict[int, t.Any] = {}

    def variables(self, variables: t.Mapping[str, t.Any]) -> None:
        """Take in what came out of Ansible Vault, and what is called a secret."""
        for name, value in variables.items():
            if name not in _NOT_LOOKED_INTO and not _is_fact(name):
                self._take(value, is_secret_name(name), _DEEPEST, name)

    def named(self, data: t.Any) -> None:
        """Take in what is called a secret somewhere in data."""
        self._take(data, False, _DEEPEST)

    def everything(self, data: t.Any, depth: int = _DEEPEST) -> None:
        """Take in all texts and numbers in data."""
        if isinstance(data, Mapping):
            for value in data.values() if depth else ():
                self.everything(value, depth - 1)
        elif isinstance(data, (list, tuple, set)):
            for value in data if depth else ():
                self.everything(value, depth - 1)
        else:
            _add(data, self.found, SHORTEST_KNOWN)

    def vaulted(self, data: t.Any, depth: int = _DEEPEST) -> None:
        """Take in what came out of Ansible Vault somewhere in data."""
        if isinstance(data, Mapping):
            if depth and not self._known(data):
                for name, value in data.items():
                    if _is_number(value) and _is_in_vault(name):
                        # ansible-core before 2.19 knows the place of texts only.
                        _add(value, self.found, SHORTEST_KNOWN)
                    self.vaulted(value, depth - 1)
        elif isinstance(data, (list, tuple)):
            if depth and not self._known(data):
                for value in data:
                    self.vaulted(value, depth - 1)
        elif is_vaulted(data):
            _add(data, self.found, SHORTEST_KNOWN)

    def _known(self, data: t.Any) -> bool:
        """Say whether data has been looked into; it is kept, or another object could have its identity."""
        if id(data) in self._seen:
            return True
        self._seen[id(data)] = data
        return False

    def _take(self, value: t.Any, named: bool, depth: int, name: t.Any = "") -> None:
        if isinstance(value, str):
            # First, since most values are texts, and most of those neither.
            if named or is_vaulted(value):
                self._add_text(value, named)
        elif isinstance(value, Mapping):
            # A registered result is no secret because of its name: what is in it has names of its own.
            named = named and not _is_result(value)
            for inner, content in value.items() if depth else ():
                inherited = named and not is_about_a_secret(str(inner))
                secret = inherited or is_secret_name(str(inner))
                self._take(content, secret, depth - 1, inner)
        elif isinstance(value, (list, tuple)):
            for content in value if depth else ():
                self._take(content, named, depth - 1, name)
        elif is_vaulted(value) or (_is_number(value) and _is_in_vault(name)):
            _add(value, self.found, SHORTEST_KNOWN)
        elif named:
            self._add_named(value)

    def _add_text(self, value: str, named: bool) -> None:
        if is_vaulted(value):
            _add(value, self.found, SHORTEST_KNOWN)
        elif named and ("{{" in value or "{%" in value):
            rendered = self._template(value) if self._template else None
            for text in _texts_in(rendered):
                self._add_named(text)
        elif named:
            self._add_named(value)

    def _add_named(self, value: t.Any) -> None:
        found: set[str] = set()
        _add(value, found, SHORTEST_NAMED)
        self.found.update(text for text in found if text not in self._spared)


def _add(value: t.Any, found: set[str], shortest: int) -> None:
    """Add a text, and its lines: of a key, single lines turn up, too."""
    if isinstance(value, (bool, type(None))) or len(found) > _MOST_VALUES:
        return
    try:
        text = str(value)
    except Exception:  # noqa: BLE001
        # A vaulted value whose password is not there: it cannot turn up anywhere, either.
        return
    if len(text) > _LONGEST_VALUE:
        text = text[:_LONGEST_VALUE]
    found.update(
        part for part in (text, *text.splitlines()) if len(part.strip()) >= shortest
    )


def _texts_in(data: t.Any) -> t.Iterator[str]:
    if isinstance(data, Mapping):
        for value in data.values():
            yield from _texts_in(value)
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from _texts_in(value)
    elif data is not None:
        yield str(data)


def _is_number(value: t.Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_result(value: t.Mapping[t.Any, t.Any]) -> bool:
    return sum(name in value for name in _OF_RESULTS) > 1


def _is_fact(name: str) -> bool:
    """Say whether a name is one of ansible-core's own: facts are many, and hold nothing of the kind."""
    return name.startswith("ansible_") and not is_secret_name(name)


def is_vaulted(value: t.Any) -> bool:
    """Say whether a value was encrypted with Ansible Vault, by itself or with the whole file that it stands in."""
    if type(value).__name__ in _VAULTED_TYPES:
        return True
    if _HAS_TAGS and VaultedValue.is_tagged_on(value):
        return True
    return _is_in_vault(value)


def _is_in_vault(value: t.Any) -> bool:
    path = _file_of(value)
    return path is not None and is_vault(path)


def _file_of(value: t.Any) -> str | None:
    """Return the file that a value was read from, as far as ansible-core remembers."""
    if not _HAS_TAGS:
        position = getattr(value, "ansible_pos", None)
        return str(position[0]) if position and position[0] else None
    origin = Origin.get_tag(value)
    return str(origin.path) if origin is not None and origin.path else None


@functools.lru_cache(maxsize=1024)
def is_vault(path: str) -> bool:
    """Say whether a file was encrypted with Ansible Vault. A pipe was not, and can be read only once."""
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            return file.read(len(_VAULT_HEADER)) == _VAULT_HEADER
    except OSError:
        return False
