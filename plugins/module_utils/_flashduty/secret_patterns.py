# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What looks like a secret: by the name that stands before it, by what surrounds it, or by its own shape."""

from __future__ import annotations

import functools
import re

# The texts come from anywhere, and none of them may take long: a repetition is either bounded, or nothing has to
# follow it. What stands before the telling word in a name is kept anyway, so it is not looked at.
_NAME_OF_KEY = r"(?:access|account|api|app|auth|encryption|integration|license|master|private|shared|signing|storage)[_.-]?key"
_NAME = (
    r"(?:passw(?:or)?d|passphrase|(?<!by)(?<!com)(?<!sur)(?<!tres)pass(?![a-z])|(?<![a-z])[a-z]{0,5}pw(?![a-z])|sshpass"
    r"|secret|token|credential|pwd(?!\s?[:=]\s?/)|(?<![a-z])(?:psk|otp)(?![a-z])"
    rf"|{_NAME_OF_KEY})"
    # What is not the secret itself: password_file, token_type, and secrets.yml:6.
    r"(?![\w.-]{0,40}(?:[_-](?:file|path|type|name|policy|expires?|expiry|ttl|length|len)(?![a-z])"
    r"|\.(?:ya?ml|json|cfg|conf|ini|txt|j2|py|sh|rb|js|go))\b)[\w.-]{0,40}"
)
# A quote, or what became of it in JSON inside of JSON; before it, what Python and SQL write there.
_QUOTE = r"\\{0,4}['\"]"
_PREFIX = r"(?:[bBuUrRnN]{1,2}(?=[\\'\"]))?"
_IS = rf"(?:{_QUOTE})?\s{{0,8}}(?:=>|[:=](?!>)|[：＝])\s{{0,8}}"
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
    r"---- BEGIN SSH2 [A-Z ]{0,20}PRIVATE KEY ----[\s\S]*?(?:---- END SSH2 [A-Z ]{0,20}PRIVATE KEY ----|\Z)",
    r"PuTTY-User-Key-File-\d:[\s\S]*?(?:Private-MAC:[^\n]*|\Z)",
    # user:password@ in a URL, a token alone, and the same as an argument of a command.
    r"(?<=://)[^\s/:@'\"<>]{0,255}:(?P<secret>[^\s/'\"<>]{1,255})@",
    r"(?<=://)(?=[^\s/:@'\"<>]{0,255}\d)(?P<secret>[^\s/:@'\"<>]{16,255})@",
    rf"(?<=\s)(?:-u|--user)[\s=](?:{_QUOTE})?[^\s:'\"]{{1,64}}:(?P<secret>[^\s'\"]+)",
    # Authorization: Bearer …, X-Auth-Token: …
    r"(?i)\b(?:(?:proxy-)?authorization|x-(?:[a-z]{1,20}-){0,3}(?:auth|key|secret|token))\b"
    rf"{_IS}{_PREFIX}(?:{_QUOTE})?(?:(?:apikey|basic|bearer|digest|negotiate|token)\s{{1,8}})?(?P<secret>[^\s'\",;\\]+)",
    # A digit, a sign or a capital in its middle tells a token from "basic authentication".
    r"\b(?i:basic|bearer)\s{1,8}(?=[A-Za-z./~+-]*(?:[0-9_=]|[a-z][A-Z]))(?P<secret>[A-Za-z0-9._~+/=-]{8,})",
    # name: [a, b] and name: {value: a}
    rf"(?i){_NAME}{_IS}(?P<secret>\[(?!hidden\])\s{{0,8}}[^\]\s][^\]\n]{{0,4000}}|\{{(?![{{%\s}}])[^}}\n]{{0,4000}})",
    # name: | and lines further to the right
    rf"(?i){_NAME}{_IS}[|>][+-]?\d?[ \t]*\n(?P<secret>(?:[ \t]+\S[^\n]*(?:\n|\Z))+)",
    # "name": "value", name='value', {\"name\": \"value\"}, also when the end is cut off.
    rf"(?im){_NAME}{_IS}{_PREFIX}(?P<quote>{_QUOTE})(?!(?P=quote))(?P<secret>.+?)(?:(?<!\\)(?P=quote)|$)",
    # name=value, name: value, also in a query string.
    rf"(?i){_NAME}{_IS}{_NO_SECRET}"
    r"(?P<secret>(?:\[hidden\]|\\(?![nrt'\"])|[^\s'\",;&)}\[\]\\{|>]|(?<![:=\s])[\[{|>])+)",
    # --name value
    rf"(?i)(?<![\w-])--[\w-]{{0,40}}?{_NAME}\s{{1,8}}(?P<secret>{_QUOTE}[^'\"\n]+|[^\s'\"-][^\s'\"]*)",
    # - name: NAME, and its value in the next line
    rf"(?i)\b(?:name|key)(?:{_QUOTE})?\s{{0,8}}[:=]\s{{0,8}}(?:{_QUOTE})?[\w.-]{{0,40}}?{_NAME}(?:{_QUOTE})?[\s,]{{1,40}}"
    rf"(?:{_QUOTE})?value(?:{_QUOTE})?\s{{0,8}}[:=]\s{{0,8}}(?P<secret>{_QUOTE}[^'\"\n]+|[^\s'\",}}]+)",
    # <name>value</name>
    rf"(?i)<[\w:.-]{{0,40}}?{_NAME}(?:\s[^<>]{{0,200}})?>(?P<secret>[^<\s][^<]{{0,4000}})",
    # What SQL says; and commands whose -p is a password.
    rf"(?i)\b(?:identified\s{{1,8}}(?:with\s{{1,8}}\S{{1,64}}\s{{1,8}})?by|password)\s{{1,8}}(?:password\s{{1,8}})?{_PREFIX}"
    rf"(?P<secret>{_QUOTE}[^'\"\n]+)",
    r"\b(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump|sshpass)\s(?:[^\n]{0,200}?\s)?-p(?P<secret>[^\s'\"]+|['\"][^'\"\n]+)",
    r"\b(?:sshpass|(?:docker|podman|buildah|skopeo|nerdctl|helm|oc|az|az acr|helm registry)\s{1,8}login)\s(?:[^\n]{0,200}?\s)?"
    r"-p[\s=](?P<secret>[^\s'\"-][^\s'\"]*|['\"][^'\"\n]+)",
    # Parameters of signed URLs.
    r"(?i)[?&](?:sig|key|signature|x-(?:amz|goog|ms|oss)-(?:signature|security-token|credential)|awsaccesskeyid)="
    r"(?P<secret>[^\s&'\"<>]+)",
    # Webhooks: the URL is the secret.
    r"(?i)hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[\w/+=-]+)",
    r"(?i)/(?:open-apis/bot/v2/hook|api/webhooks|webhookb2|robot/hook)/(?P<secret>[\w@./+=-]+)",
    r"(?i)(?<=/bot)(?P<secret>\d{6,12}:[\w-]{20,})",
    # In Chinese.
    r"(?:密码|口令|密钥|令牌)\s{0,8}(?:[:：=＝]|是|为)\s{0,8}(?P<secret>[^\s，。；、]+)",
    # What is recognised by its own shape.
    r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|gl(?:pat|ptt|rt|dt|cbt|soat|ft|imt|agent)-[\w-]{16,}|xox[abeprs]-[\w-]{10,}|xapp-[\w-]{10,})",
    r"\b(?:hv[sbr]\.[\w-]{16,}|[sr]k_(?:live|test)_\w{10,}|AIza[\w-]{30,}|SG\.[\w-]{16,}\.[\w-]{16,}|npm_\w{30,}|pypi-[\w-]{16,}"
    r"|do[opr]_v1_\w{40,}|dckr_pat_[\w-]{20,}|AGE-SECRET-KEY-1[A-Z0-9]{20,}|sk-[\w-]{20,}|ya29\.[\w-]{20,}|hf_\w{30,}"
    r"|shp(?:at|ca|pa|ss)_\w{30,}|ATATT[\w=-]{30,}|ATCTT[\w=-]{30,}|NRAK-\w{20,}|sntry[su]_[\w+/=-]{20,}|rubygems_\w{40,}"
    r"|PMAK-[\w-]{30,}|lin_api_\w{30,}|glsa_\w{30,}|glc_[\w=]{30,}|LTAI[A-Za-z0-9]{12,}|dapi[a-f0-9]{32})",
    r"\$ANSIBLE_VAULT;(?:[0-9.]{1,9};\w{1,20}(?:;[\w.-]{1,99})?)(?:\\[nr]|[\s0-9a-f])*",
)


# Those that look for the name of a field take three quarters of the time to compile, and most texts have no such name.
_NAME_PATTERNS = frozenset(pattern for pattern in DEFAULT_PATTERNS if _NAME in pattern)
_TELLING_NAME = re.compile(
    rf"pass|pw|secret|token|credential|psk|otp|{_NAME_OF_KEY}", re.IGNORECASE
)


@functools.cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern, compiled when it is needed first: all of them take some hundredths of a second."""
    return re.compile(pattern)


def compile_all() -> None:
    """Compile all patterns now, for forks that would each do it again."""
    for pattern in DEFAULT_PATTERNS:
        compiled(pattern)


# Every text in which any of the patterns finds something has one of these in it, and most texts have none.
_TELLING = re.compile(
    r"pass|pw|secret|token|credential|psk|otp|key|auth|basic|bearer|://|-u|--user|identified|-p|[?&]sig|[?&]x-"
    r"|hooks\.|hook/|webhook|/bot|密|口令|令牌|eyJ|A[KS]IA|gh[pousr]_|gl|github|xox|xapp|hv[sbr]\.|k_|aiza|sg\.|npm_|pypi-"
    r"|_v1_|_pat_|sk-|ya29|hf_|shp|at[ac]tt|nrak|sntry|rubygems|pmak|lin_|ltai|dapi|\$ansible_vault",
    re.IGNORECASE,
)
_KEY_END = re.compile(
    r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|---- END SSH2 [A-Z ]{0,20}PRIVATE KEY ----"
)
_LINE_OF_KEY = re.compile(r"[A-Za-z0-9+/=]+")
_WORD_OF_KEY = re.compile(r"[A-Za-z0-9+/=]{16,}\s*$")


def mask_patterns(text: str, hidden: str) -> str:
    """Return the text with what looks like a secret replaced."""
    if not _TELLING.search(text):
        return text

    def hide(match: re.Match[str]) -> str:
        if "secret" not in match.re.groupindex:
            return hidden
        start, (begin, end) = match.start(), match.span("secret")
        whole = match.group()
        return whole[: begin - start] + hidden + whole[end - start :]

    has_name = _TELLING_NAME.search(text)
    for pattern in DEFAULT_PATTERNS:
        if has_name or pattern not in _NAME_PATTERNS:
            text = compiled(pattern).sub(hide, text)
    return _mask_ends_of_keys(text, hidden)


def _mask_ends_of_keys(text: str, hidden: str) -> str:
    """Hide the end of a private key whose beginning is not there."""
    parts, begin = [], 0
    for end in _KEY_END.finditer(text):
        before = text[begin : end.start()]
        parts += [_without_lines_of_key(before), hidden]
        begin = end.end()
    return "".join([*parts, text[begin:]])


def _without_lines_of_key(text: str) -> str:
    # Between the lines there are line feeds, or what became of them in JSON.
    pieces = re.split(r"(\n|\\n)", text)
    while pieces and (
        not pieces[-1].strip()
        or pieces[-1] == "\\n"
        or _LINE_OF_KEY.fullmatch(pieces[-1].strip())
    ):
        pieces.pop()
    if not pieces:
        return ""
    # What a program said may stand before what is left of the key, on the same line.
    pieces[-1] = _WORD_OF_KEY.sub("", pieces[-1])
    return "".join(pieces) + ("" if pieces[-1].endswith(" ") else "\n")
