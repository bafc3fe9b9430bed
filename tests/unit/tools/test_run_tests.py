# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``make test`` says to whoever asks for a part of it that does not exist."""

from __future__ import annotations

import subprocess
import sys

from tests.tools.environments import ROOT


def test_a_name_that_is_none_lists_those_that_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.tools.run_tests", "--only", "nosuch"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "There is no step or group called nosuch. There are:" in said
    assert "integration" in said
    assert "Traceback" not in said
