# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the benchmarks: ``python -m tests.benchmarks``."""

from __future__ import annotations

import sys

from tests.benchmarks.run import main

sys.exit(main())
