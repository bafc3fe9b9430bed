# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is in force where several places set an option."""

from __future__ import annotations

import os
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils import _argspec
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
    Connection,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._layers import (
    Layer,
    environment_layer,
    ini_layer,
    task_layer,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._open_api_options import (
    resolve_open_api,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._options import (
    ResolvedConnection,
    has_integration_key,
    read_wait,
    resolve_connection,
    resolve_count,
    resolve_outbox,
    state_path_in,
)
from hypothesis import given
from hypothesis import strategies as st

KEY = "e3a17c52f09b4d68a1c45be7d2036f94"
OTHER_KEY = "7b90d4e6c1f24a3582ce90fb61d7a835"
ALERT_PATH = "/event/push/alert/standard"
CHANGE_PATH = "/event/push/change/standard"
HOST = "https://flashduty.example.com"

Values = dict[str, t.Any]


def push_url(key: str = KEY, *, host: str = HOST, path: str = ALERT_PATH) -> str:
    return f"{host}{path}?integration_key={key}"


def layers(
    task: Values | None = None,
    environ: dict[str, str] | None = None,
    ini: dict[str, str] | None = None,
    *,
    own_key_for: str = "alert",
    folder: str = "/etc/ansible",
) -> list[Layer]:
    return [
        task_layer(task or {}, own_key_for=own_key_for, folder="/play"),
        environment_layer(environ or {}),
        ini_layer((ini or {}).get, file=f"{folder}/ansible.cfg"),
    ]


def resolve(*args: t.Any, kind: str = "alert", **more: t.Any) -> ResolvedConnection:
    # As in a task that sends events of this kind alone.
    own = {"own_key_for": kind, **more}
    return resolve_connection(layers(*args, **own), kind=kind)


def connection(*args: t.Any, **more: t.Any) -> Connection:
    return resolve(*args, **more).connection


def problem(*args: t.Any, **more: t.Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        resolve(*args, **more)
    assert KEY not in str(caught.value)
    assert OTHER_KEY not in str(caught.value)
    # Ansible prints the chain of an exception, and others may quote values.
    assert caught.value.__context__ is None
    return caught.value


class TestDefaults:
    def test_a_key_is_enough(self) -> None:
        assert connection({"integration_key": KEY}) == Connection(
            KEY, f"https://api.flashcat.cloud{ALERT_PATH}"
        )

    def test_the_defaults_are_those_of_the_documentation(self) -> None:
        result = connection({"integration_key": KEY})

        assert (result.validate_certs, result.use_proxy) == (True, True)
        assert (result.timeout, result.retries) == (10.0, 3)
        assert (result.ca_path, result.client_cert, result.client_key) == (
            None,
            None,
            None,
        )

    def test_sources_say_default(self) -> None:
        sources = dict(resolve({"integration_key": KEY}).sources)

        assert sources.pop("integration_key") == "integration_key"
        assert set(sources.values()) == {"default"}

    def test_a_change_has_a_path_of_its_own(self) -> None:
        result = connection({"integration_key": KEY}, kind="change")

        assert result.url == f"https://api.flashcat.cloud{CHANGE_PATH}"

    def test_the_key_is_not_in_the_representation(self) -> None:
        assert KEY not in repr(resolve({"integration_key": KEY}))


class TestLayers:
    SETTINGS: t.ClassVar[dict[str, tuple[t.Any, str, str]]] = {
        "timeout": (1.5, "2.5", "3.5"),
        "retries": (1, "2", "4"),
        "validate_certs": (False, "no", "off"),
        "use_proxy": (False, "false", "0"),
        "ca_path": ("/task.pem", "/environment.pem", "/ini.pem"),
        "client_cert": ("/task.pem", "/environment.pem", "/ini.pem"),
    }
    MEANT: t.ClassVar[dict[str, tuple[t.Any, t.Any, t.Any]]] = {
        "timeout": (1.5, 2.5, 3.5),
        "retries": (1, 2, 4),
        "validate_certs": (False, False, False),
        "use_proxy": (False, False, False),
        "ca_path": ("/task.pem", "/environment.pem", "/ini.pem"),
        "client_cert": ("/task.pem", "/environment.pem", "/ini.pem"),
    }

    @pytest.mark.parametrize("option", SETTINGS)
    def test_the_task_comes_first_then_the_environment_then_the_configuration_file(
        self, option: str
    ) -> None:
        task, environ, ini = self.SETTINGS[option]
        name = f"FLASHDUTY_{option.upper()}"
        key = {"integration_key": KEY}
        results = [
            resolve({**key, option: task}, {name: environ}, {option: ini}),
            resolve(key, {name: environ}, {option: ini}),
            resolve(key, {}, {option: ini}),
        ]

        assert [getattr(r.connection, option) for r in results] == list(
            self.MEANT[option]
        )
        assert [r.sources[option] for r in results] == [
            option,
            name,
            f"{option} in section [flashduty] of /etc/ansible/ansible.cfg",
        ]

    def test_an_empty_variable_is_not_set(self) -> None:
        result = connection(
            {},
            {"FLASHDUTY_TIMEOUT": "", "FLASHDUTY_INTEGRATION_KEY": ""},
            {"timeout": "7", "integration_key": KEY},
        )

        assert (result.timeout, result.integration_key) == (7.0, KEY)

    def test_a_key_of_the_configuration_file_without_a_value_is_not_set(self) -> None:
        assert (
            connection({"integration_key": KEY}, {}, {"timeout": " "}).timeout == 10.0
        )

    def test_an_empty_option_of_a_task_is_a_mistake(self) -> None:
        error = problem({"integration_key": ""}, {"FLASHDUTY_INTEGRATION_KEY": KEY})

        assert error.option == "integration_key"
        assert str(error).startswith("integration_key is empty")

    @pytest.mark.parametrize(
        ("text", "meant"),
        [
            ("yes", True),
            ("True", True),
            ("1", True),
            ("on", True),
            ("no", False),
            ("FALSE", False),
        ],
    )
    def test_booleans_are_written_as_ansible_takes_them(
        self, text: str, meant: bool
    ) -> None:
        result = connection(
            {"integration_key": KEY}, {"FLASHDUTY_VALIDATE_CERTS": text}
        )

        assert result.validate_certs is meant

    @pytest.mark.parametrize(
        ("name", "value", "allowed"),
        [
            ("VALIDATE_CERTS", "perhaps", "true or false"),
            ("USE_PROXY", "2", "true or false"),
            ("TIMEOUT", "soon", "greater than 0"),
            ("TIMEOUT", "0", "greater than 0"),
            ("TIMEOUT", "-1", "greater than 0"),
            ("TIMEOUT", "nan", "greater than 0"),
            ("TIMEOUT", "inf", "greater than 0"),
            ("RETRIES", "-1", "0 or more"),
            ("RETRIES", "1.5", "0 or more"),
            ("RETRIES", "many", "0 or more"),
        ],
    )
    def test_what_is_wrong_is_named_with_what_is_allowed(
        self, name: str, value: str, allowed: str
    ) -> None:
        from_environment = problem(
            {"integration_key": KEY}, {f"FLASHDUTY_{name}": value}
        )
        from_file = problem({"integration_key": KEY}, {}, {name.lower(): value})

        assert str(from_environment).startswith(f"FLASHDUTY_{name} ")
        assert str(from_file).startswith(
            f"{name.lower()} in section [flashduty] of /etc/ansible"
        )
        assert allowed in str(from_environment)
        assert from_environment.option == from_file.option == name.lower()
        assert not from_environment.retryable

    @pytest.mark.parametrize(
        "name",
        ["VALIDATE_CERTS", "USE_PROXY", "TIMEOUT", "RETRIES", "API_URL", "CLIENT_KEY"],
    )
    def test_a_key_in_the_wrong_option_is_not_shown(self, name: str) -> None:
        problem({"integration_key": KEY}, {f"FLASHDUTY_{name}": OTHER_KEY})


class TestPaths:
    def test_a_path_of_a_task_is_relative_to_the_playbook(self) -> None:
        assert (
            connection({"integration_key": KEY, "ca_path": "ca.pem"}).ca_path
            == "/play/ca.pem"
        )

    def test_a_path_of_the_configuration_file_is_relative_to_it(self) -> None:
        result = connection({"integration_key": KEY}, {}, {"ca_path": "certs/ca.pem"})

        assert result.ca_path == "/etc/ansible/certs/ca.pem"

    def test_a_path_of_the_environment_is_relative_to_the_working_directory(
        self,
    ) -> None:
        result = connection({"integration_key": KEY}, {"FLASHDUTY_CA_PATH": "ca.pem"})

        assert result.ca_path == os.path.join(os.getcwd(), "ca.pem")

    def test_a_tilde_is_the_home(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/ansible")

        result = connection({"integration_key": KEY}, {}, {"ca_path": "~/ca.pem"})

        assert result.ca_path == "/home/ansible/ca.pem"

    def test_paths_of_another_machine_are_left_alone(self) -> None:
        written = {"ca_path": "~/ca.pem", "client_cert": "cert.pem"}

        result = resolve_connection(
            layers({"integration_key": KEY, **written}), for_target=True
        ).connection

        assert (result.ca_path, result.client_cert) == ("~/ca.pem", "cert.pem")

    def test_a_private_key_without_a_certificate_is_a_mistake(self) -> None:
        error = problem({"integration_key": KEY, "client_key": "key.pem"})

        assert "client_cert" in str(error)

    def test_the_state_has_a_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/ansible")

        assert resolve_outbox(layers()).path == "/home/ansible/.ansible/flashduty"

    def test_where_nobody_has_a_home_the_state_is_in_a_folder_of_the_user_s_own(
        self,
    ) -> None:
        path = state_path_in("~no-such-user/.ansible")

        assert path == f"{tempfile.gettempdir()}/flashduty-{os.getuid()}"

    def test_the_state_can_be_elsewhere(self) -> None:
        environ = {"FLASHDUTY_STATE_PATH": "/var/lib/flashduty"}

        def path(*places: t.Any) -> str:
            return resolve_outbox(layers(*places)).path

        assert path({}, environ) == "/var/lib/flashduty"
        assert path({}, {}, {"state_path": "state"}) == "/etc/ansible/state"
        assert path({"state_path": "s"}, environ) == "/play/s"

    def test_what_is_wrong_with_one_place_of_the_state_leaves_the_other(self) -> None:
        problems: list[str] = []
        environ = {
            "FLASHDUTY_STATE_PATH": "/var/lib/flashduty",
            "FLASHDUTY_STATE_URL": f"mysql://user:{KEY}@db",
        }

        location = resolve_outbox(layers({}, environ), tolerate=problems.append)

        assert (location.path, location.url) == ("/var/lib/flashduty", "")
        (problem_text,) = problems
        assert problem_text.startswith("FLASHDUTY_STATE_URL is not a libpq")
        assert problem_text.endswith("The outbox in /var/lib/flashduty is used.")
        assert KEY not in problem_text
        with pytest.raises(ConfigurationError, match="FLASHDUTY_STATE_URL"):
            resolve_outbox(layers({}, environ))


class TestKey:
    def test_the_highest_place_that_names_any_form_decides(self) -> None:
        environ = {"FLASHDUTY_PUSH_URL": push_url(OTHER_KEY)}

        result = resolve({"integration_key": KEY}, environ)

        assert result.connection.integration_key == KEY
        assert result.sources["integration_key"] == "integration_key"

    def test_a_push_url_above_decides_over_a_key_below(self) -> None:
        result = resolve(
            {},
            {"FLASHDUTY_PUSH_URL": push_url()},
            {"integration_key": OTHER_KEY, "api_url": "https://x"},
        )

        assert result.connection.integration_key == KEY
        assert result.connection.url == f"{HOST}{ALERT_PATH}"
        assert result.sources["integration_key"] == "FLASHDUTY_PUSH_URL"
        assert result.sources["api_url"] == "FLASHDUTY_PUSH_URL"

    def test_white_space_around_a_key_does_not_count(self) -> None:
        assert connection({"integration_key": f" {KEY}\n"}).integration_key == KEY

    def test_a_key_is_decoded_from_the_url(self) -> None:
        assert connection({"push_url": push_url("a%2Bb%2F")}).integration_key == "a+b/"

    def test_the_same_key_twice_is_no_contradiction(self) -> None:
        result = connection({"integration_key": KEY, "push_url": push_url()})

        assert (result.integration_key, result.url) == (KEY, f"{HOST}{ALERT_PATH}")

    def test_a_push_url_without_a_key_needs_one_beside_it(self) -> None:
        bare = f"{HOST}/prefix{ALERT_PATH}"

        assert connection({"push_url": bare, "integration_key": KEY}).url == bare
        error = problem({"push_url": bare}, {"FLASHDUTY_INTEGRATION_KEY": KEY})
        assert error.option == "push_url"
        assert "push_url has no integration_key in it" in str(error)

    @pytest.mark.parametrize("own", [{}, {"FLASHDUTY_PUSH_URL": push_url()}])
    def test_a_push_url_without_a_key_borrows_none_from_another_place(
        self, own: dict[str, str]
    ) -> None:
        bare = f"https://elsewhere.example.com{ALERT_PATH}"
        below = environment_layer({"FLASHDUTY_INTEGRATION_KEY": OTHER_KEY, **own})

        for layer in (
            task_layer({"push_url": bare}),
            environment_layer({"FLASHDUTY_PUSH_URL": bare}),
            ini_layer({"push_url": bare}.get),
            Layer("variables", {"push_url": bare}.get),
        ):
            with pytest.raises(ConfigurationError, match="has no integration_key"):
                resolve_connection([layer, below])

    def test_the_url_for_changes_borrows_no_key_of_alerts(self) -> None:
        bare = f"{HOST}{CHANGE_PATH}"
        task = {"change_push_url": bare, "integration_key": KEY}

        error = problem(task, {"FLASHDUTY_CHANGE_INTEGRATION_KEY": KEY}, kind="change")

        assert "change_push_url has no integration_key in it" in str(error)

    @pytest.mark.parametrize(
        ("values", "names"),
        [
            (
                {"integration_key": KEY, "push_url": push_url(OTHER_KEY)},
                ("integration_key", "push_url"),
            ),
            (
                {"api_url": "https://elsewhere.example.com", "push_url": push_url()},
                ("push_url", "api_url"),
            ),
            (
                {"api_url": f"{HOST}:8443", "push_url": push_url()},
                ("push_url", "api_url"),
            ),
            (
                {"api_url": "http://flashduty.example.com", "push_url": push_url()},
                ("push_url", "api_url"),
            ),
        ],
    )
    def test_a_contradiction_in_one_place_names_both(
        self, values: Values, names: tuple[str, str]
    ) -> None:
        environ = {f"FLASHDUTY_{name.upper()}": value for name, value in values.items()}

        assert all(name in str(problem(values)) for name in names)
        assert all(
            f"FLASHDUTY_{name.upper()}" in str(problem({}, environ)) for name in names
        )
        assert all(name in str(problem({}, {}, values)) for name in names)

    def test_the_same_server_written_differently_is_no_contradiction(self) -> None:
        result = connection(
            {"api_url": "https://Flashduty.example.com:443/", "push_url": push_url()}
        )

        assert result.url == f"{HOST}{ALERT_PATH}"

    def test_no_key_anywhere_says_where_to_put_it(self) -> None:
        error = problem()

        assert error.option == "integration_key"
        for place in (
            "FLASHDUTY_INTEGRATION_KEY",
            "/etc/ansible/ansible.cfg",
            "push_url",
        ):
            assert place in str(error)

    @pytest.mark.parametrize(
        ("value", "hint"),
        [
            (push_url(), "push_url"),
            (f"{KEY} {KEY}", "space"),
            (f"{KEY}\n{KEY}", "line break"),
        ],
    )
    def test_what_cannot_be_a_key_is_refused(self, value: str, hint: str) -> None:
        error = problem({"integration_key": value})

        assert error.option == "integration_key"
        assert hint in str(error)

    def test_has_integration_key(self) -> None:
        assert has_integration_key(layers({}, {"FLASHDUTY_PUSH_URL": "anything"}))
        assert not has_integration_key(
            layers({"timeout": 3}, {"FLASHDUTY_CHANGE_PUSH_URL": "anything"})
        )


class TestKeyFile:
    def test_the_content_is_stripped(self, tmp_path: Path) -> None:
        file = tmp_path / "key"
        file.write_text(f"\n  {KEY} \n", encoding="utf-8")

        assert connection({"integration_key_file": str(file)}).integration_key == KEY

    def test_it_is_relative_to_the_configuration_file(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text(KEY, encoding="utf-8")

        result = connection(
            {}, {}, {"integration_key_file": "key"}, folder=str(tmp_path)
        )

        assert result.integration_key == KEY

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (None, "cannot be read (No such file or directory)"),
            (b"", "is empty"),
            (b" \n", "is empty"),
            (b"\xff\xfe\x00", "is not a text file"),
            (f"{KEY}\n{OTHER_KEY}\n".encode(), "has a space or a line break in it"),
            (b"$ANSIBLE_VAULT;1.1;AES256\n3631", "is encrypted with Ansible Vault"),
            (push_url().encode(), "is a URL, not an integration key"),
        ],
        ids=["missing", "empty", "blank", "binary", "two lines", "vault", "url"],
    )
    def test_a_file_that_is_of_no_use_is_named_with_the_option(
        self, tmp_path: Path, content: bytes | None, complaint: str
    ) -> None:
        file = tmp_path / "key"
        if content is not None:
            file.write_bytes(content)

        error = problem({}, {"FLASHDUTY_INTEGRATION_KEY_FILE": str(file)})

        assert error.option == "integration_key_file"
        assert "FLASHDUTY_INTEGRATION_KEY_FILE" in str(error)
        assert str(file) in str(error)
        assert complaint in str(error)

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        assert "cannot be read" in str(problem({"integration_key_file": str(tmp_path)}))

    def test_a_name_that_no_file_can_have_is_refused(self) -> None:
        assert "cannot be read" in str(problem({"integration_key_file": "a\0b"}))

    @pytest.mark.parametrize("key", [KEY, "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"])
    def test_a_key_in_its_place_is_not_shown(self, key: str) -> None:
        error = problem({"integration_key_file": key})

        assert "looks like an integration key" in str(error)
        assert key not in str(error)
        assert "integration_key" in str(error.hint)

    def test_it_contradicts_another_key(self, tmp_path: Path) -> None:
        file = tmp_path / "key"
        file.write_text(OTHER_KEY, encoding="utf-8")

        error = problem({"integration_key_file": str(file), "push_url": push_url()})

        assert "integration_key_file and push_url" in str(error)


class TestUrl:
    @pytest.mark.parametrize(
        "written", [HOST, f"{HOST}/", f" {HOST}/ "], ids=["plain", "slash", "spaces"]
    )
    def test_the_path_is_added_to_api_url(self, written: str) -> None:
        assert (
            connection({"integration_key": KEY, "api_url": written}).url
            == HOST + ALERT_PATH
        )

    def test_a_private_deployment_may_have_a_prefix(self) -> None:
        result = connection({"integration_key": KEY, "api_url": f"{HOST}/flashduty/"})

        assert result.url == f"{HOST}/flashduty{ALERT_PATH}"

    def test_host_and_path_of_a_push_url_are_kept(self) -> None:
        result = connection(
            {"push_url": push_url(host="http://10.0.0.1:8080", path="/x/y")}
        )

        assert result.url == "http://10.0.0.1:8080/x/y"

    def test_a_push_url_below_gives_the_host_for_a_key_above(self) -> None:
        result = connection(
            {"integration_key": KEY}, {"FLASHDUTY_PUSH_URL": push_url(OTHER_KEY)}
        )

        assert (result.integration_key, result.url) == (KEY, HOST + ALERT_PATH)

    def test_api_url_above_a_push_url_decides_the_host(self) -> None:
        result = connection(
            {"api_url": "http://127.0.0.1:8080"}, {"FLASHDUTY_PUSH_URL": push_url()}
        )

        assert (result.integration_key, result.url) == (
            KEY,
            f"http://127.0.0.1:8080{ALERT_PATH}",
        )

    @pytest.mark.parametrize(
        "value",
        [
            "flashduty.example.com",
            "ftp://flashduty.example.com",
            "https://",
            "https://[::1",
            "https://host:port",
            "https://host:99999",
            "https://user:password@host",
            "https://ho st",
        ],
    )
    @pytest.mark.parametrize("option", ["api_url", "push_url"])
    def test_what_is_no_url_is_refused(self, option: str, value: str) -> None:
        error = problem({"integration_key": KEY, option: value})

        assert error.option == option
        assert option in str(error)
        assert "password" not in str(error)

    @pytest.mark.parametrize("value", [push_url(), HOST + ALERT_PATH, f"{HOST}?a=b"])
    def test_a_whole_url_in_api_url_is_refused(self, value: str) -> None:
        assert "belongs into push_url" in str(
            problem({"integration_key": KEY, "api_url": value})
        )

    def test_a_url_for_changes_is_refused_for_alerts(self) -> None:
        error = problem({"push_url": push_url(path=CHANGE_PATH)})

        assert error.option == "push_url"
        assert "push_url is the URL of a change integration" in str(error)

    def test_a_url_for_alerts_is_refused_for_changes(self) -> None:
        error = problem({"push_url": push_url()}, kind="change")

        assert "push_url is the URL of an alert integration" in str(error)


class TestChange:
    def test_changes_have_variables_of_their_own(self, tmp_path: Path) -> None:
        file = tmp_path / "key"
        file.write_text(KEY, encoding="utf-8")
        url = push_url(path=CHANGE_PATH)

        for name, value in [
            ("CHANGE_INTEGRATION_KEY", KEY),
            ("CHANGE_INTEGRATION_KEY_FILE", str(file)),
            ("CHANGE_PUSH_URL", url),
        ]:
            environ = {f"FLASHDUTY_{name}": value}
            ini = {name.lower(): value}
            assert connection({}, environ, kind="change").integration_key == KEY
            assert connection({}, {}, ini, kind="change").integration_key == KEY

    @pytest.mark.parametrize(
        "environ",
        [
            {"FLASHDUTY_INTEGRATION_KEY": KEY},
            {"FLASHDUTY_PUSH_URL": push_url()},
            {"FLASHDUTY_INTEGRATION_KEY_FILE": "/etc/hostname"},
        ],
    )
    def test_a_change_never_uses_the_key_for_alerts(
        self, environ: dict[str, str]
    ) -> None:
        ini = {
            name.removeprefix("FLASHDUTY_").lower(): value
            for name, value in environ.items()
        }

        for error in (
            problem({}, environ, kind="change"),
            problem({}, {}, ini, kind="change"),
        ):
            assert "a change integration has a key of its own" in str(error)
            assert "FLASHDUTY_CHANGE_INTEGRATION_KEY" in str(error)

    def test_the_other_options_are_shared(self) -> None:
        environ = {"FLASHDUTY_TIMEOUT": "4", "FLASHDUTY_API_URL": HOST}

        result = connection({"integration_key": KEY}, environ, kind="change")

        assert (result.timeout, result.url) == (4.0, HOST + CHANGE_PATH)

    def test_the_host_comes_from_the_url_for_alerts_when_nothing_else_says_it(
        self,
    ) -> None:
        environ = {
            "FLASHDUTY_PUSH_URL": push_url(OTHER_KEY, host=f"{HOST}/prefix"),
            "FLASHDUTY_CHANGE_INTEGRATION_KEY": KEY,
        }

        result = resolve({}, environ, kind="change")

        assert result.connection.url == f"{HOST}/prefix{CHANGE_PATH}"
        assert result.connection.integration_key == KEY
        assert result.sources["api_url"] == "FLASHDUTY_PUSH_URL"

    def test_api_url_comes_before_the_url_for_alerts(self) -> None:
        environ = {"FLASHDUTY_PUSH_URL": push_url(OTHER_KEY)}

        result = connection(
            {"integration_key": KEY},
            environ,
            {"api_url": "https://x.example"},
            kind="change",
        )

        assert result.url == f"https://x.example{CHANGE_PATH}"

    def test_an_unusual_url_for_alerts_gives_its_host_alone(self) -> None:
        environ = {
            "FLASHDUTY_PUSH_URL": push_url(OTHER_KEY, host="http://h:81", path="/own")
        }

        result = connection({"integration_key": KEY}, environ, kind="change")

        assert result.url == f"http://h:81{CHANGE_PATH}"

    @pytest.mark.parametrize("option", ["integration_key", "push_url"])
    def test_what_is_set_for_all_modules_is_the_key_for_alerts(
        self, option: str
    ) -> None:
        task = {"integration_key": KEY, "push_url": push_url(KEY)}
        layer = task_layer(
            {option: task[option]}, own_key_for="change", for_all=[option]
        )
        configured = environment_layer({"FLASHDUTY_CHANGE_INTEGRATION_KEY": OTHER_KEY})

        with pytest.raises(ConfigurationError, match="a key of its own"):
            resolve_connection([layer], kind="change")
        result = resolve_connection([layer, configured], kind="change")
        assert result.connection.integration_key == OTHER_KEY

    def test_the_name_of_its_own_counts_first(self) -> None:
        task = {"integration_key": OTHER_KEY, "change_integration_key": KEY}

        assert connection(task, kind="change").integration_key == KEY

    def test_a_task_may_hold_both(self) -> None:
        task = {
            "push_url": push_url(OTHER_KEY),
            "change_integration_key": KEY,
            "integration_key": OTHER_KEY,
        }

        result = resolve(task, kind="change", own_key_for="alert")

        assert result.connection.integration_key == KEY
        assert result.connection.url == HOST + CHANGE_PATH
        assert result.sources["integration_key"] == "change_integration_key"


class TestCounts:
    def test_any_place_may_set_it(self) -> None:
        assert resolve_count(layers(), "rate_limit", default=900) == 900
        assert (
            resolve_count(
                layers({}, {"FLASHDUTY_RATE_LIMIT": "0"}), "rate_limit", default=9
            )
            == 0
        )
        assert resolve_count(layers({"rate_limit": 5}), "rate_limit", default=900) == 5

    def test_it_may_have_a_least_value(self) -> None:
        with pytest.raises(
            ConfigurationError, match="FLASHDUTY_MAX_IN_FLIGHT .* 1 or more"
        ):
            environ = {"FLASHDUTY_MAX_IN_FLIGHT": "0"}
            resolve_count(layers({}, environ), "max_in_flight", default=8, at_least=1)


class TestWaiting:
    @pytest.mark.parametrize("wait", [0.0, 0.5, 600.0])
    def test_a_time_is_taken(self, wait: float) -> None:
        assert read_wait(wait) == wait

    @pytest.mark.parametrize("wait", [-1.0, float("nan"), float("inf"), 1e300], ids=str)
    def test_what_would_never_be_over_is_not(self, wait: float) -> None:
        """Asked to wait for NaN seconds, the courier went round and round for ever."""
        with pytest.raises(ConfigurationError, match="wait is .* 0 or more"):
            read_wait(wait)


class TestMissingAppKey:
    def test_each_place_is_named_once(self) -> None:
        variables = Layer("variables", lambda _option: None)
        with pytest.raises(ConfigurationError) as caught:
            resolve_open_api([task_layer({}), variables, environment_layer({})])
        assert caught.value.hint.startswith(
            "Set one of app_key, FLASHDUTY_APP_KEY, or app_key_file"
        )


class TestArgumentSpecs:
    SPECS: t.ClassVar[list[t.Callable[[], dict[str, t.Any]]]] = [
        getattr(_argspec, name)
        for name in dir(_argspec)
        if name.endswith("_argument_spec")
    ]

    @pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
    def test_each_call_returns_a_fresh_one(self, spec: t.Callable[[], Values]) -> None:
        first = spec()
        next(iter(first.values()))["type"] = "spoiled"

        assert spec() != first

    @pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
    def test_what_holds_a_key_is_hidden(self, spec: t.Callable[[], Values]) -> None:
        hidden = {name for name, facts in spec().items() if facts.get("no_log")}

        assert hidden == {
            name
            for name in spec()
            if name.endswith(("integration_key", "push_url", "app_key", "state_url"))
        }


TEXTS = st.text(max_size=40)
OPTIONS = [
    *_argspec.connection_argument_spec(),
    "change_integration_key",
    "change_push_url",
]


@given(
    task=st.dictionaries(st.sampled_from(OPTIONS), TEXTS),
    environ=st.dictionaries(
        st.sampled_from([f"FLASHDUTY_{name.upper()}" for name in OPTIONS]), TEXTS
    ),
    ini=st.dictionaries(st.sampled_from(OPTIONS), TEXTS),
    kind=st.sampled_from(["alert", "change"]),
)
def test_whatever_is_configured_ends_in_a_connection_or_a_clear_error(
    task: Values, environ: dict[str, str], ini: dict[str, str], kind: str
) -> None:
    try:
        result = connection(task, environ, ini, kind=kind)
    except ConfigurationError as exc:
        assert str(exc).strip()
        assert exc.option
    else:
        assert result.integration_key.strip() == result.integration_key != ""
        assert result.url.startswith(("http://", "https://"))
        assert "integration_key" not in result.url


@given(
    key=st.text("abcdef0123456789", min_size=1, max_size=64),
    host=st.from_regex(r"[a-z]{1,20}", fullmatch=True),
)
def test_a_push_url_and_its_parts_mean_the_same(key: str, host: str) -> None:
    whole = connection({"push_url": push_url(key, host=f"https://{host}")})
    parts = connection({"integration_key": key, "api_url": f"https://{host}"})

    assert whole == parts
    assert whole.fingerprint == parts.fingerprint
