# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Which values of variables and environment are secret, so that they can be masked wherever they turn up."""

from __future__ import annotations

import functools
import re
import typing as t
from collections.abc import Mapping

try:
    from ansible._internal._datatag._tags import Origin, VaultedValue
except ImportError:
    # ansible-core before 2.19 has no tags. It has types of its own for vaulted values, and texts that know their place.
    _HAS_TAGS = False
else:
    _HAS_TAGS = True

# Shorter values would mask ordinary words and numbers.
_SHORTEST_NAMED = 6
_SHORTEST_VAULTED = 4
_DEEPEST = 4

_SECRET_NAME = re.compile(
    r"passw(or)?d|passphrase|passwd|(?<![a-z])pass(?![a-z])|_pwd(?![a-z])|secret|token|api_?key|access_?key|private_?key|auth_?key|credential|vault",
    re.IGNORECASE,
)
# Large, not the user's own, or lazy: looking into them would cost time and find nothing.
_NOT_LOOKED_INTO = frozenset(
    ("hostvars", "vars", "groups", "environment", "omit", "play_hosts")
)
_VAULT_HEADER = b"$ANSIBLE_VAULT;"
_VAULTED_TYPES = ("AnsibleVaultEncryptedUnicode", "EncryptedString")


def secret_values(
    variables: t.Mapping[str, t.Any], environ: t.Mapping[str, str]
) -> set[str]:
    """Return the values that are secret: those from Ansible Vault, and those whose name says so."""
    found = set(_secrets_of_environment(tuple(environ.items())))
    for name, value in variables.items():
        if name not in _NOT_LOOKED_INTO:
            named_secret = _is_secret_name(name)
            depth = _DEEPEST
            if name.startswith("ansible_") and name != "ansible_env":
                # Facts are many, and but for the environment hold nothing of the kind.
                depth = 0
            _collect(value, named_secret, found, depth)
    # vault_server: vault01 is no secret where hosts have such names, and alerts are of no use without those.
    names = _names(variables)
    return {text for text in found if not any(text in name for name in names)}


@functools.lru_cache(maxsize=1)
def _secrets_of_environment(environ: tuple[tuple[str, str], ...]) -> frozenset[str]:
    found: set[str] = set()
    for name, value in environ:
        if _is_secret_name(name):
            _collect(value, True, found, 0)
    return frozenset(found)


@functools.lru_cache(maxsize=4096)
def _is_secret_name(name: str) -> bool:
    return bool(_SECRET_NAME.search(name))


def _names(variables: t.Mapping[str, t.Any]) -> list[str]:
    """Return what the host is called, and its groups."""
    hosts = (variables.get(name) for name in ("inventory_hostname", "ansible_host"))
    return [str(name) for name in (*hosts, *(variables.get("group_names") or ()))]


def _collect(value: t.Any, named_secret: bool, found: set[str], depth: int) -> None:
    if isinstance(value, str):
        # First, since most values are texts, and most of those neither.
        if not named_secret and not is_vaulted(value):
            return
    elif isinstance(value, Mapping):
        if depth:
            for name, item in value.items():
                _collect(
                    item,
                    named_secret or _is_secret_name(str(name)),
                    found,
                    depth - 1,
                )
        return
    elif isinstance(value, (list, tuple)):
        if depth:
            for item in value:
                _collect(item, named_secret, found, depth - 1)
        return
    vaulted = is_vaulted(value)
    if not (vaulted or named_secret) or isinstance(value, (bool, type(None))):
        return
    try:
        text = str(value)
    except Exception:  # noqa: BLE001
        # A vaulted value whose password is not there: it cannot turn up anywhere, either.
        return
    shortest = _SHORTEST_VAULTED if vaulted else _SHORTEST_NAMED
    if "{{" not in text:
        # Of a text of several lines, such as a key, single lines turn up, too.
        found.update(
            part for part in (text, *text.splitlines()) if len(part.strip()) >= shortest
        )


def is_vaulted(value: t.Any) -> bool:
    """Say whether a value was encrypted with Ansible Vault, by itself or with the whole file that it stands in."""
    if type(value).__name__ in _VAULTED_TYPES:
        return True
    if _HAS_TAGS and VaultedValue.is_tagged_on(value):
        return True
    path = _file_of(value)
    return path is not None and _is_vault(path)


def _file_of(value: t.Any) -> str | None:
    """Return the file that a value was read from, as far as ansible-core remembers."""
    if not _HAS_TAGS:
        position = getattr(value, "ansible_pos", None)
        return str(position[0]) if position and position[0] else None
    origin = Origin.get_tag(value)
    return str(origin.path) if origin is not None and origin.path else None


@functools.lru_cache(maxsize=1024)
def _is_vault(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(_VAULT_HEADER)) == _VAULT_HEADER
    except OSError:
        return False
