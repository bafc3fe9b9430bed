# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered of requests, and that the keys are not."""

from __future__ import annotations

import json

import pytest

from tests.emulator.records import HIDDEN, Record, Recorder, read_target

KEY = "key/with+signs=="
QUOTED = "key%2Fwith%2Bsigns%3D%3D"


def record(
    target: str, *, body: bytes = b"{}", headers: tuple[tuple[bytes, bytes], ...] = ()
) -> Record:
    return Record(
        received_at=1.0,
        method="POST",
        target=read_target(target),
        headers=headers,
        client=("127.0.0.1", 4711),
        key_valid=True,
        body=body,
    )


def test_the_key_in_its_place_is_not_shown() -> None:
    recorder = Recorder([KEY])
    recorder.add(record(f"/event/push/alert/standard?integration_key={QUOTED}&lang=en"))

    (shown,) = recorder.as_list()

    assert shown["query"] == {"lang": "en"}
    assert shown["kind"] == "alert"
    assert shown["key_leaks"] == []
    assert KEY not in json.dumps(shown)


@pytest.mark.parametrize("key", [KEY, QUOTED])
@pytest.mark.parametrize("place", ["body", "headers", "path", "query"])
def test_a_key_elsewhere_is_hidden_and_reported(key: str, place: str) -> None:
    recorder = Recorder([KEY])
    texts = {"body": "", "headers": "", "path": "", "query": "", place: key}
    recorder.add(
        record(
            f"/x{texts['path']}?a={texts['query']}",
            body=texts["body"].encode(),
            headers=((b"Referer", texts["headers"].encode()),),
        )
    )

    (shown,) = recorder.as_list()

    assert shown["key_leaks"] == [place]
    assert key not in json.dumps(shown)
    assert HIDDEN in json.dumps(shown)


def test_a_wrong_key_is_hidden_like_a_right_one() -> None:
    recorder = Recorder([KEY])
    recorder.add(
        record(
            "/event/push/alert/standard?integration_key=wrong-key-1",
            body=b"wrong-key-1",
        )
    )

    (shown,) = recorder.as_list()

    assert shown["body"] == HIDDEN


def test_headers_that_come_twice_are_joined() -> None:
    recorder = Recorder()
    recorder.add(record("/", headers=((b"X-A", b"1"), (b"X-A", b"2"))))

    assert recorder.as_list()[0]["headers"] == {"X-A": "1, 2"}


@pytest.mark.parametrize("body", [b"", b"text", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_json_is_shown_as_text(body: bytes) -> None:
    recorder = Recorder()
    recorder.add(record("/", body=body))

    assert recorder.as_list()[0]["body"] == body.decode("utf-8", "replace")


def test_a_whole_url_is_understood_as_proxies_get_it() -> None:
    target = read_target(
        "http://api.example.com/event/push/change/standard?integration_key=k"
    )

    assert (target.kind, target.key, target.absolute) == ("change", "k", True)


def test_a_prefix_belongs_to_the_path() -> None:
    path = "/event/push/alert/standard"

    assert read_target(f"/flashduty{path}", "/flashduty").kind == "alert"
    assert read_target(path, "/flashduty").kind is None
    assert read_target(f"/flashduty{path}").kind is None


@pytest.mark.parametrize("raw", ["//[", "http://[", "*", "/%zz", "/event/push/alert"])
def test_any_request_line_has_a_target(raw: str) -> None:
    assert read_target(raw).kind is None
