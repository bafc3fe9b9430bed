# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Which names say that a value is secret: of variables, options, fields of data and the environment."""

from __future__ import annotations

import functools
import re

_SECRET = re.compile(
    r"passw(or)?d|passphrase|passwd|(?<!by)(?<!com)(?<!sur)(?<!tres)pass(?![a-z])|_pwd(?![a-z])|(?<![a-z])pwd_|secret|token"
    r"|credential|vault|authorization|cookie|sshpass|(?<![a-z])(?:bind|root|db|user|admin|login)?pw(?![a-z])"
    r"|(?<![a-z])(?:psk|otp|pin)(?![a-z])"
    r"|(?:access|account|api|app|auth|encryption|integration|license|master|private|shared|signing|storage|ssh|tls|ssl|gpg|pgp"
    r"|decryption)_?key(?!s?_?(?:check|file|path|id|type))|push_url|webhook_?url",
    re.IGNORECASE,
)
# The last word of a name that is about a secret, and does not hold it. Not "id" and "url": a secret_id and the URL of a
# webhook are secret.
_ABOUT = (
    "addr|address|alg|algorithm|attempts|audience|backend|bits|check|checks|checking|cipher|class|command|count|days|default"
    "|description|dir|directory|domain|enabled|encoding|engine|env|environment|expiration|expire|expires|expiry|field|file"
    "|filename|files|folder|format|group|header|hint|host|hostname|hours|identity|image|issuer|kind|label|len|length|level"
    "|lifetime|location|login|manager|max|message|method|min|mode|mount|name|names|namespace|number|owner|param|parameter|path"
    "|paths|plugin|policy|port|prefix|profile|prompt|provider|ref|region|regex|renewal|required|retries|role|rotation|rounds"
    "|rule|scheme|scope|scopes|seconds|server|service|size|source|state|status|storage|store|strategy|strength|suffix|table"
    "|template|test|time|timeout|title|ttl|type|types|user|username|validity|version|zone"
)
_ABOUT_NAME = re.compile(rf"(?:^|[_.\-])(?:{_ABOUT})$", re.IGNORECASE)
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@functools.lru_cache(maxsize=8192)
def is_secret_name(name: str) -> bool:
    """Return whether a name says that its value is secret: db_password, but not password_policy."""
    # In capitals it is the working directory.
    if name != "pwd" and not _SECRET.search(name):
        return False
    return not is_about_a_secret(name)


@functools.lru_cache(maxsize=8192)
def is_about_a_secret(name: str) -> bool:
    """Return whether a name says that its value describes something, such as a secret: name, user, token_type."""
    return bool(_ABOUT_NAME.search(_WORDS.sub("_", name)))
