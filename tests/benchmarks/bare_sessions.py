# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Post events with as many bare requests sessions as asked for: the floor under the courier.

python -m tests.benchmarks.bare_sessions URL EVENTS SESSIONS < payload
"""

from __future__ import annotations

import sys
import threading

import requests


def post(url: str, payload: bytes, times: int) -> None:
    with requests.Session() as session:
        for _number in range(times):
            answer = session.post(
                url,
                data=payload,
                headers={"Content-Type": "application/json"},
                timeout=10,
            )
            answer.raise_for_status()


def main() -> None:
    url, events, sessions = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    payload = sys.stdin.buffer.read()
    threads = [
        threading.Thread(target=post, args=(url, payload, events // sessions))
        for _number in range(sessions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
