# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Which project a playbook belongs to: the same in every checkout, on every controller. Reads files of Git, runs nothing."""

from __future__ import annotations

import os
import re
import typing as t

_IN_COLLECTION = re.compile(
    r".*/ansible_collections/([^/]+)/([^/]+)/playbooks/(.+?)(?:\.[^./]*)?", re.DOTALL
)
_SECTION = re.compile(r'\s*\[\s*remote\s+"origin"\s*\]', re.IGNORECASE)
_URL = re.compile(r"\s*url\s*=\s*(.*?)\s*", re.IGNORECASE)
# With a protocol; or as ssh is written: host, colon, path.
_WITH_PROTOCOL = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/]*)/(.*)", re.IGNORECASE)
_LIKE_SSH = re.compile(r"(?:[^/@:]+@)?[^/:]{2,}:(.*)")
# What Azure DevOps puts into one kind of its URLs only.
_NOISE = frozenset(("_git", "v3"))
# Characters that are read of a file of Git.
_LONGEST_FILE = 1_000_000


def identify_playbook(path: str) -> str:
    """Return what identifies a playbook in every checkout and on every control node.

    That is the project and the path in it. A playbook of a collection is known by its full name. Outside of Git it is the
    absolute path.
    """
    path = os.path.abspath(path)
    in_collection = _IN_COLLECTION.fullmatch(path)
    if in_collection:
        return ".".join(in_collection.groups()).replace("/", ".")
    folder = checkout_of(path)
    if folder is None:
        # Of a pipe, the real path is another one each time.
        return os.path.realpath(path) if os.path.isfile(path) else path
    return f"{project_in(folder)}:{_inside(path, folder)}"


def is_file(path: str) -> bool:
    """Say whether a playbook is a file, and no pipe, so that it can be known again."""
    return os.path.isfile(path) or not os.path.exists(path)


def _inside(path: str, folder: str) -> str:
    relative = os.path.relpath(path, folder)
    if relative.startswith(os.pardir + os.sep):
        # One of them is known by a symbolic link.
        relative = os.path.relpath(os.path.realpath(path), os.path.realpath(folder))
    return relative.replace(os.sep, "/")


def checkout_of(path: str) -> str | None:
    """Return the innermost folder around a file that is a checkout of Git, also a worktree or a submodule."""
    for start in dict.fromkeys((path, os.path.realpath(path))):
        folder = os.path.dirname(start)
        while True:
            if os.path.exists(os.path.join(folder, ".git")):
                return folder
            parent = os.path.dirname(folder)
            if parent == folder:
                break
            folder = parent
    return None


def project_in(folder: str) -> str:
    """Return the name of the project in a checkout: what its remote ``origin`` names, or else the folder's name."""
    url = _origin(os.path.join(folder, ".git"))
    return (_project_named_by(url) if url else "") or os.path.basename(folder)


def _origin(git: str) -> str:
    """Return the URL of the remote ``origin``, or an empty text."""
    if os.path.isfile(git):
        # A worktree or a submodule: the file says where the rest is.
        where = _first_line(git).partition("gitdir:")[2].strip()
        git = os.path.join(os.path.dirname(git), where) if where else ""
    common = _first_line(os.path.join(git, "commondir"))
    if common:
        git = os.path.join(git, common)
    in_section, found = False, ""
    for line in _lines(os.path.join(git, "config")):
        if line.lstrip().startswith("["):
            in_section = bool(_SECTION.match(line))
            line = line.partition("]")[2]
        url = _URL.fullmatch(line.rstrip("\n")) if in_section else None
        if url and url[1] and not found:
            found = url[1].strip('"')
    return found


def _project_named_by(url: str) -> str:
    """Return the path in a URL of a repository: ``example/shop``, whatever the protocol, the host and who logs in."""
    match = _WITH_PROTOCOL.fullmatch(url) or _LIKE_SSH.fullmatch(url)
    path = (match[1] if match else url).split("?")[0].strip("/")
    parts = [part for part in path.split("/") if part and part not in _NOISE]
    return "/".join(parts).removesuffix(".git")


def _first_line(path: str) -> str:
    return next(iter(_lines(path)), "").strip()


def _lines(path: str) -> t.Iterator[str]:
    # A pipe would never end, and neither would a device.
    if not os.path.isfile(path):
        return
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            yield from file.read(_LONGEST_FILE).splitlines(keepends=True)
    except OSError:
        return
