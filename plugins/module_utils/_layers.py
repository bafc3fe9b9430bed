# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""
The places that can set options: a task, the environment, ``ansible.cfg``, variables.

A place is a :class:`Layer`. Layers come in a list, the one that counts most first.
"""

from __future__ import annotations

import os
import typing as t

from ._flashduty.errors import ConfigurationError

# What Flashduty's own tools call the address of the Open API.
BASE_URL_VARIABLE = "FLASHDUTY_BASE_URL"

KEY_OPTIONS = ("integration_key", "integration_key_file", "push_url")

# A change integration has a key of its own, whose options have this prefix.
_CHANGE_PREFIX = "change_"


def option_for_kind(option: str, kind: str) -> str:
    """Return the name of an option that holds a key, for alerts or for changes."""
    return _CHANGE_PREFIX + option if kind == "change" else option


_CHANGE_KEY_OPTIONS = tuple(option_for_kind(option, "change") for option in KEY_OPTIONS)


class Layer(t.NamedTuple):
    """One place that can set options.

    :param place: what a person calls the place.
    :param get: returns the value of an option, or None where it is not set there.
    :param display_name: returns how the option is written there, for messages.
    :param folder: what relative paths are relative to; the working directory when it is None.
    :param empty_is_unset: whether an empty text says nothing, as in the environment; else it is a mistake.
    :param is_default: whether this is no place of its own, but what counts when no place says anything.
    """

    place: str
    get: t.Callable[[str], t.Any]
    display_name: t.Callable[[str], str] = str
    folder: str | None = None
    empty_is_unset: bool = False
    is_default: bool = False

    def value(self, option: str) -> t.Any:
        """Return what the layer sets, or None.

        :raises ConfigurationError: when it is empty where that is a mistake.
        """
        value = self.get(option)
        if value == "" and isinstance(value, str):
            if self.empty_is_unset:
                return None
            raise ConfigurationError(
                f"{self.display_name(option)} is empty: give a value, or leave it out.",
                option=option,
            )
        return value


def task_layer(
    options: t.Mapping[str, t.Any],
    *,
    folder: str | None = None,
    own_key_for: str = "alert",
    for_all: t.Container[str] = (),
) -> Layer:
    """Return the options of a task as a layer.

    :param own_key_for: the kind of event that ``integration_key`` and its like mean here. Where it is ``change``, they
        stand for ``change_integration_key`` and its like, which count first.
    :param for_all: options that were set for all modules in one place. There, ``integration_key`` is the key for
        alerts, which never serves for a change.
    """

    def name(option: str) -> str:
        if own_key_for == "alert":
            return option
        plain = option[len(_CHANGE_PREFIX) :]
        if (
            option in _CHANGE_KEY_OPTIONS
            and options.get(plain) is not None
            and plain not in for_all
            and not any(options.get(one) is not None for one in _CHANGE_KEY_OPTIONS)
        ):
            return plain
        return option

    return Layer("the task", lambda option: options.get(name(option)), name, folder)


def environment_layer(environ: t.Mapping[str, str]) -> Layer:
    """Return the ``FLASHDUTY_…`` variables as a layer. One that is empty is not set."""

    def name(option: str) -> str:
        return f"FLASHDUTY_{option.upper()}"

    def get(option: str) -> str | None:
        text = environ.get(name(option))
        return None if text is None else without_quotes(text.strip())

    return Layer("the environment", get, name, empty_is_unset=True)


def base_url_layer(environ: t.Mapping[str, str]) -> Layer:
    """Return FLASHDUTY_BASE_URL, which Flashduty's own tools use for the Open API, as a layer that has nothing else."""

    def get(option: str) -> str | None:
        text = environ.get(BASE_URL_VARIABLE) if option == "api_url" else None
        return None if text is None else without_quotes(text.strip())

    return Layer(
        "the environment",
        get,
        lambda _option: BASE_URL_VARIABLE,
        empty_is_unset=True,
    )


def ini_layer(
    read: t.Callable[[str], str | None], *, file: str = "ansible.cfg"
) -> Layer:
    """Return a section of an ini file as a layer. A key without a value is not set.

    :param read: returns the raw value of a key in the section, or None.
    :param file: the file's path; relative paths in it are relative to its folder, as Ansible has it.
    """

    def get(option: str) -> str | None:
        text = read(option)
        return None if text is None else without_quotes(text.strip())

    def name(option: str) -> str:
        return f"{option} in section [flashduty] of {file}"

    return Layer(
        os.path.basename(file),
        get,
        name,
        os.path.dirname(os.path.abspath(file)),
        empty_is_unset=True,
    )


def defaults_layer(values: t.Mapping[str, t.Any]) -> Layer:
    """Return what counts where no place says anything, as the last layer."""
    return Layer("the defaults", values.get, lambda _option: "default", is_default=True)


def without_quotes(text: str) -> str:
    """Return a text without a pair of quotes around it, as Ansible reads its own configuration."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        inner = text[1:-1]
        return text if text[0] in inner else inner
    return text


def find_option(
    layers: t.Iterable[Layer], option: str, *, empty_counts: bool = False
) -> tuple[Layer | None, t.Any]:
    """Return the first layer that sets an option, and the value; None where none does.

    :param empty_counts: whether an empty text is a value wherever it stands.
    """
    for layer in layers:
        value = layer.get(option) if empty_counts else layer.value(option)
        if value is not None:
            return layer, value
    return None, None


def sets_any(layers: t.Iterable[Layer], options: t.Sequence[str]) -> bool:
    """Say whether any layer sets one of these options."""
    return any(
        value is not None and not (value == "" and layer.empty_is_unset)
        for layer in layers
        for value in map(layer.get, options)
    )


def absolute_path(value: t.Any, layer: Layer) -> str:
    """Return a path that a layer sets as an absolute one.

    :raises ConfigurationError: when nobody knows whose home directory is meant.
    """
    written = os.path.expandvars(str(value))
    path = os.path.expanduser(written)
    if path == "~" or path.startswith("~/"):
        raise ConfigurationError(
            "A path begins with ~, but there is no home directory: HOME is not set, and the user id has no name.",
            option="",
            hint="Write the whole path, or set HOME.",
        )
    if path != written:
        # A home directory, which HOME may name relative to the working directory.
        return os.path.abspath(path)
    return os.path.normpath(os.path.join(layer.folder or os.getcwd(), path))
