# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets that must not come out, and texts that must stay as they are."""

from __future__ import annotations

import html
import json
import re
import typing as t
from urllib.parse import quote, quote_plus

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
    DEFAULT_PATTERNS,
    HIDDEN,
    LONGEST_TEXT,
    Redactor,
)
from hypothesis import example, given
from hypothesis import strategies as st

from tests.tools.growth import grows_with_length

KEY = "e3a17c52f09b4d68a1c45be7d2036f94"
# As long as a real one, and with all that is special somewhere.
ODD_KEY = "a b+c/d%e&f\"g'h<i>\\j=é数"


def lower_case_escapes(text: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda match: match.group().lower(), quote(text))


WRITINGS: dict[str, t.Callable[[str], str]] = {
    "plain": lambda secret: secret,
    "in a path": quote,
    "in a query": lambda secret: quote(secret, safe=""),
    "in a form": quote_plus,
    "in lower case": lower_case_escapes,
    "encoded twice": lambda secret: quote(quote(secret, safe=""), safe=""),
    "every byte encoded": lambda secret: "".join(
        f"%{byte:02X}" for byte in secret.encode()
    ),
    "in JSON": lambda secret: json.dumps(secret)[1:-1],
    "in JSON as it is": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "in HTML": html.escape,
}


# -- known secrets


@pytest.mark.parametrize("secret", [KEY, ODD_KEY], ids=["key", "odd key"])
@pytest.mark.parametrize("write", WRITINGS.values(), ids=WRITINGS)
def test_a_known_secret_is_hidden_however_it_is_written(
    write: t.Callable[[str], str], secret: str
) -> None:
    text = f"POST /event?integration_key={write(secret)}&x=1 failed"

    assert (
        Redactor([secret]).redact(text)
        == f"POST /event?integration_key={HIDDEN}&x=1 failed"
    )


# What stands before it may be taken for the beginning of another encoding.
@example(secret="\x80", write=WRITINGS["encoded twice"], around="\\")
@given(
    secret=st.text(min_size=1, max_size=40),
    write=st.sampled_from(list(WRITINGS.values())),
    around=st.text(max_size=20),
)
def test_no_known_secret_survives(
    secret: str, write: t.Callable[[str], str], around: str
) -> None:
    try:
        written = write(secret)
    except UnicodeEncodeError:
        return

    redacted = Redactor([secret]).redact(f"{around}{written}{around}")

    assert written not in redacted.replace(HIDDEN, "")


def test_the_longer_of_two_secrets_goes_first() -> None:
    assert Redactor(["abc", "abcdef"]).redact("abcdef abc") == f"{HIDDEN} {HIDDEN}"


def test_what_is_no_secret_hides_nothing() -> None:
    assert Redactor([None, ""]).redact("text") == "text"
    assert Redactor().redact(KEY) == KEY


def test_data_is_scrubbed_in_its_depth() -> None:
    data = {"a": [f"x{KEY}", 1, None, (True, KEY)], KEY: {"b": 1.5}}

    assert Redactor([KEY]).redact_data(data) == {
        "a": [f"x{HIDDEN}", 1, None, [True, HIDDEN]],
        HIDDEN: {"b": 1.5},
    }


def test_a_pattern_of_a_user_hides_its_group_or_all() -> None:
    redactor = Redactor(patterns=[r"pin (?P<secret>\d+)", "ssn-[0-9]+"])

    assert redactor.redact("pin 1234, ssn-99") == f"pin {HIDDEN}, {HIDDEN}"


def test_a_pattern_that_is_none_is_an_error() -> None:
    with pytest.raises(re.error):
        Redactor(patterns=["("])


# -- what looks like a secret

LOOKS_LIKE_A_SECRET = [
    "password={}",
    "db_password: {}",
    "DB_PASSWORD={}",
    "PGPASSWORD={} psql",
    "ansible_become_pass: {}",
    "passwd = {}",
    "token={}&page=2",
    "/v1?access_token={}",
    "apiKey: {}",
    "api-key => '{}'",
    "client_secret={};",
    "AccountName=x;AccountKey={};",
    '"password": "{}"',
    '"password":"{}", "user": "bob"',
    "'auth_token': '{}'",
    '{{\\"password\\": \\"{}\\", \\"a\\": 1}}',
    'password="two words {}"',
    'password="cut off {}',
    'secret: "with \\" inside {}"',
    "--password {}",
    "--password={}",
    "mysql --db-password '{} x'",
    "curl -u bob:{} https://x.example",
    "curl --user 'bob:{}' https://x.example",
    "https://bob:{}@x.example/path",
    "postgresql+psycopg2://bob:p@ss{}@x.example:5432/db",
    "Authorization: Bearer {}",
    "authorization: Basic {}",
    '-H "Authorization: token {}"',
    "'Authorization': 'Bearer {}'",
    "Proxy-Authorization: Basic {}",
    "X-Auth-Token: {}",
    "X-Api-Key: {}",
    "bearer {}",
    "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----\\n{}\\ncut off",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\n{}",
    "eyJhbGciOi{}.eyJzdWIi{}.{}",
    "ghp_{}",
    "glpat-{}",
    # Python, SQL, YAML and JSON around it
    "{{'password': b'{}'}}",
    "{{'password': u'{}'}}",
    '"password": ["{}"]',
    '"password": ["a", "{}", "b"]',
    '"password": {{"value": "{}"}}',
    "password: |\n  {}\n",
    "password: >-\n    {}\n    {}\n",
    "SET PASSWORD = N'{}'",
    "- name: DB_PASSWORD\n  value: {}",
    '{{"name": "API_TOKEN", "value": "{}"}}',
    "<password>{}</password>",
    '<ns:DbPassword type="x">{}</ns:DbPassword>',
    "密码：{}",
    "口令是{}",
    "password：{}",
    # further names
    "pass={}",
    "dbpass={}",
    "rootpass: {}",
    "bindpw={}",
    "pw={}",
    "SSHPASS={}",
    "psk={}",
    "otp: {}",
    "master_key={}",
    # commands
    "mysql -u root -p{} -h db",
    "mysqldump -p'{} x' db",
    "sshpass -p {} ssh web1",
    "docker login -u bob -p {} registry.example.com",
    "CREATE USER bob IDENTIFIED BY '{}'",
    "ALTER ROLE bob WITH PASSWORD '{}'",
    # URLs
    "https://x.blob.example/c?sv=1&sig={}",
    "https://qyapi.example/cgi-bin/webhook/send?key={}",
    "https://s3.example/o?X-Amz-Signature={}&X-Amz-Date=1",
    "https://{}9@github.example/x.git",
    "https://hooks.slack.com/services/T0/B0/{}",
    "https://open.feishu.example/open-apis/bot/v2/hook/{}",
    "https://discord.example/api/webhooks/1/{}",
    "https://api.telegram.example/bot123456789:{}/send",
    # shapes
    "hvs.{}",
    "sk_live_{}",
    "SG.{}.{}",
    "pypi-{}",
    "sk-{}",
    "PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\n{}\nPrivate-MAC: x",
    "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n{}\n---- END SSH2 ENCRYPTED PRIVATE KEY ----",
    "{}\n-----END RSA PRIVATE KEY-----",
]

canaries = st.from_regex(r"[A-Za-z][a-z0-9A-Z]{20,30}[0-9][a-zA-Z]", fullmatch=True)


@given(
    form=st.sampled_from(LOOKS_LIKE_A_SECRET),
    canary=canaries,
    before=st.sampled_from(["", "error: ", "x y\n", '{"msg": "', "(", "a; "]),
    after=st.sampled_from(["", " failed", "\nnext", '"}', ")", "; b"]),
)
def test_no_canary_survives_where_a_secret_stands(
    form: str, canary: str, before: str, after: str
) -> None:
    text = before + form.format(canary, canary, canary) + after

    redacted = Redactor(patterns=DEFAULT_PATTERNS).redact(text)

    assert canary not in redacted
    assert HIDDEN in redacted
    assert redacted.startswith(before)


@given(form=st.sampled_from(LOOKS_LIKE_A_SECRET), canary=canaries)
def test_what_was_scrubbed_once_stays_as_it_is(form: str, canary: str) -> None:
    redactor = Redactor([canary], DEFAULT_PATTERNS)
    once = redactor.redact(form.format(canary, canary, canary))

    assert redactor.redact(once) == once


def test_the_name_of_what_was_hidden_stays() -> None:
    redact = Redactor([KEY], DEFAULT_PATTERNS).redact

    assert (
        redact('"db_password": "x y", "a": 1') == f'"db_password": "{HIDDEN}", "a": 1'
    )
    assert redact("https://bob:x@h.example/p") == f"https://bob:{HIDDEN}@h.example/p"
    assert redact(f"?integration_key={KEY}&x=1") == f"?integration_key={HIDDEN}&x=1"
    assert redact(f"?integration_key={KEY}rest") == f"?integration_key={HIDDEN}"


ORDINARY = [
    "Invalid/incorrect password: Permission denied, please try again.",
    "passwd: Authentication token manipulation error",
    "Missing sudo password",
    "Attempting to decrypt but no vault secrets found",
    "The vault password file /etc/ansible/pass was not found",
    "Basic authentication failed for bob",
    "basic configuration of bearer networks",
    "syntax error near unexpected token `;'",
    "secrets: none",
    "The token has expired",
    "password: required",
    'password=""; user="bob"',
    "pwd=/home/bob",
    "--ask-pass -v",
    "https://h.example:8443/path?x=1",
    "ssh://git@h.example/x.git",
    "fatal: [web1]: UNREACHABLE! => connect to host web1 port 22: Connection refused",
    "No package nginx available. rc=1",
    "keyboard: qwerty, monkey=banana, primary_key=id",
    "vault_password_file: /etc/pass",
    "Task: Log in (roles/x/tasks/rotate_secrets.yml:6)",
    'File "/opt/token.py:123" in login',
    "MODULE FAILURE: No start of json char found\nSee stdout/stderr for the exact error",
    "the field 'args' has an invalid value ({'x': '{{ nope }}'}), and could not be converted",
    "数据库连接失败：超时",
    "compass: north, bypass=yes",
    "token_length: 32, secret_name: shop-tls, password_policy: strict",
    "docker run -p 8080:80 nginx",
    "ssh -p 2222 bob@web1",
    "password: {{ db_password }}",
    "https://deploy@git.example/x.git",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_message_stays_as_it_is(text: str) -> None:
    assert Redactor([KEY], DEFAULT_PATTERNS).redact(text) == text


# -- texts come from anywhere, and may be made to hurt

HURTFUL = [
    *("a", "a.", "a-", "-", "--a", "x-", "x-a-", "x-a-token", " ", "\n", "\\", '\\"'),
    *("eyJ-", "eyJaaaaaaaa.", "://", "://:a", "http://a:b", "bearer ", "basic aB"),
    *("password", "api_key", "pwd", 'password="', 'password=\\"', "password=\\\\\\\\"),
    *('"password": "\\\\', "password='x password=\"y ", 'password: "\\\n'),
    *("password =>      ", "token-", "Authorization: ", " -u a:", "-----BEGIN "),
    *(
        "mysql -p ",
        "mysql ",
        "docker login ",
        "<password ",
        "password: |\n a",
        "password: [",
        "password:{a",
    ),
    *(
        "identified by ",
        "?sig=",
        "name: password ",
        "/bot123456:",
        "密码是",
        "-----END PRIVATE KEY-----",
    ),
    *("AAAA\n", "&amp", "&#39;", "'\"'\"'", "%41", "\\u0041", "\\x41", "+", "\\\\"),
    *("-----BEGIN PRIVATE KEY-----", "$ANSIBLE_VAULT;1.1;AES256\n0a", KEY[:-1], "%25"),
]


@pytest.mark.parametrize("unit", HURTFUL)
def test_no_text_takes_long(unit: str) -> None:
    assert grows_with_length(Redactor([KEY], DEFAULT_PATTERNS).redact, unit)


def test_a_megabyte_of_prose_stays_as_it_is() -> None:
    text = ("fatal: [web1]: FAILED! => " + "ordinary words; " * 60 + "\n") * 1010

    assert len(text) > 900_000
    assert Redactor([KEY], DEFAULT_PATTERNS).redact(text) == text


def test_of_a_huge_text_only_both_ends_are_looked_through_and_shown() -> None:
    looked_at = []

    class Counting(Redactor):
        def redact(self, text: str) -> str:
            looked_at.append(len(text))
            return super().redact(text)

    # Secrets everywhere, so that one lies across each cut, too.
    text = "first. " + f"password=abc123 {KEY} " * 50_000 + " last."
    shown = Counting([KEY], DEFAULT_PATTERNS).clean(text)

    assert sum(looked_at) < 3 * LONGEST_TEXT
    assert shown.startswith("first. password=[hidden]") and shown.endswith(" last.")
    assert "\n…\n" in shown and len(shown) < 2 * LONGEST_TEXT
    assert "abc123" not in shown and KEY[:6] not in shown and KEY[-6:] not in shown
