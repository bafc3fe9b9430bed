# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
Run those unit tests again that another environment may make a difference to.

    python3 -m tests.tools.units 2.17       # what touches ansible-core, with another one
    python3 -m tests.tools.units target     # what modules need, with what an old target has

Further arguments are those of pytest.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.tools.cores import TARGET_FOLDER, available, make_target, requirement
from tests.tools.environments import ROOT, VENV, make_environment, one_at_a_time

UNIT_TESTS = ROOT / "tests" / "unit" / "plugins"
# Couriers are processes of runs, so they run where ansible-core does.
NOT_ON_TARGETS = (
    "module_utils/_flashduty/test_courier.py",
    "module_utils/_flashduty/test_run_watch.py",
)
UNIT_REQUIREMENTS = ROOT / "tests" / "unit" / "requirements.txt"


def make_environment_with(version: str) -> Path:
    """Make the environment of the tests with one ansible-core, unless it is there."""
    folder = VENV / "units" / version
    make_environment(
        folder,
        available()[version],
        [requirement(version), "-r", str(UNIT_REQUIREMENTS), "pytest-xdist"],
        title=f"Installing what unit tests need, with ansible-core {version}",
        depends_on=[UNIT_REQUIREMENTS],
    )
    return folder


def main() -> int:
    which, *arguments = sys.argv[1:]
    with one_at_a_time():
        if which == "target":
            make_target()
            folder, tests = TARGET_FOLDER, UNIT_TESTS / "module_utils"
            arguments += [f"--ignore={UNIT_TESTS / path}" for path in NOT_ON_TARGETS]
            # The emulator needs more than an old target has.
            os.environ["FLASHDUTY_EMULATOR_PYTHON"] = sys.executable
        else:
            folder, tests = make_environment_with(which), UNIT_TESTS / "plugin_utils"
    python = str(folder / "bin" / "python")
    command = [python, "-m", "pytest", str(tests.relative_to(ROOT)), *arguments]
    return os.spawnv(os.P_WAIT, python, command)


if __name__ == "__main__":
    sys.exit(main())
