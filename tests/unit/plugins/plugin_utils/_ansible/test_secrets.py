# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which values are secret."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible.secrets import (
    Collector,
    keys_of_options,
    secrets_of_environment,
)

S = "s3cr3t-value"


def secret_values(
    variables: dict[str, t.Any], environ: dict[str, str], spared: t.Container[str] = ()
) -> set[str]:
    collector = Collector(spared)
    collector.variables(variables)
    return collector.found | secrets_of_environment(tuple(environ.items()))


@pytest.mark.parametrize(
    "name",
    [
        "db_password",
        "PASSWD",
        "ansible_ssh_pass",
        "become_pass",
        "db_pwd",
        "passphrase",
        "client_secret",
        "apikey",
        "api_key",
        "API_TOKEN",
        "aws_secret_access_key",
        "ssh_private_key",
        "vault_anything",
        "credentials",
    ],
)
def test_names_tell(name: str) -> None:
    assert secret_values({name: S}, {}) == {S}
    assert secret_values({}, {name: S}) == {S}


@pytest.mark.parametrize(
    "name", ["bypass", "compass", "PWD", "OLDPWD", "key", "monkey", "passenger"]
)
def test_other_names_do_not(name: str) -> None:
    assert secret_values({name: S}, {name: S}) == set()


@pytest.mark.parametrize(
    "variables",
    [
        {"database": {"password": S}},
        {"secrets": [S]},
        {"secrets": {"a": {"b": [S]}}},
        {"users": [{"name": "ann", "password": S}]},
    ],
)
def test_they_are_found_in_depth(variables: dict[str, t.Any]) -> None:
    assert secret_values(variables, {}) == {S}


@pytest.mark.parametrize(
    "value", [True, False, None, "", "short", "{{ other }}", 12345]
)
def test_values_that_would_mask_ordinary_words_are_left(value: t.Any) -> None:
    assert secret_values({"password": value}, {}) == set()


def test_of_a_value_of_several_lines_each_counts() -> None:
    value = f"-- begin --\n{S}\n-- end --"

    assert secret_values({"private_key": value}, {}) == {value, *value.splitlines()}


def test_what_is_large_and_not_the_users_own_is_not_looked_into() -> None:
    variables = {
        name: {"password": S} for name in ("hostvars", "vars", "ansible_facts")
    }

    assert secret_values(variables, {}) == set()


def test_names_of_hosts_are_no_secrets() -> None:
    assert secret_values({"vault_login": "vault01"}, {}, {"vault01"}) == set()
    assert secret_values({"my_token": "vault01"}, {}, {"vault01"}) == set()
    assert secret_values({"my_token": "vault01"}, {}, {"vault02"}) == {"vault01"}


@pytest.mark.parametrize(
    "name", ["vault_server", "token_check", "secret_name", "tokenType", "vault_env"]
)
def test_what_is_about_a_secret_is_none(name: str) -> None:
    assert secret_values({name: S}, {}) == set()


def test_a_registered_result_is_no_secret_because_of_its_name() -> None:
    result = {"changed": False, "msg": S, "json": {"access_token": "other-" + S}}

    assert secret_values({"token_result": result}, {}) == {"other-" + S}
    assert secret_values({"credentials": {"user": S, "password": "x" * 9}}, {}) == {
        "x" * 9
    }


def test_a_value_that_cannot_be_decrypted_is_left() -> None:
    class Locked:
        def __str__(self) -> str:
            raise ValueError("no password")

    assert secret_values({"password": Locked()}, {}) == set()


URL = "postgresql://me:p%40ss-word@db.example.com/automation?sslpassword=another-word"


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({"integration_key": S}, {S}),
        ({"app_key": f" '{S}' "}, {S}),
        ({"app_key_file": "keys/app"}, {S}),
        ({"integraton_key_file": "keys/app"}, {S}),
        ({"change_push_url": "https://h/?integration_key=s3%2Fcret"}, {"s3%2Fcret", "s3/cret"}),
        ({"state_url": URL}, {"p%40ss-word", "p@ss-word", "another-word"}),
        ({"state_url_file": "keys/url"}, {"p%40ss-word", "p@ss-word", "another-word"}),
        ({"alert_key": S, "change_key": S, "client_key": S, "labels": {"a_key": S}}, set()),
        ({"app_key_file": "keys/nothing", "integration_key": None}, set()),
        ({"app_key_file": "keys/pipe"}, set()),
        ({"push_url": "postgresql://me:x@[bad"}, set()),
    ],
)  # fmt: skip
def test_the_names_of_options_tell_what_is_a_key(
    tmp_path: Path, options: dict[str, t.Any], keys: set[str]
) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/app").write_text(f"{S}\n")
    (tmp_path / "keys/url").write_text(f"{URL}\n")
    os.mkfifo(tmp_path / "keys/pipe")

    assert keys_of_options(options, str(tmp_path)) == keys
