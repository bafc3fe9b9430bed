# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys of the emulator: of its integrations, and for its Open API. They look real, and open nothing."""

from __future__ import annotations

ALERT_KEY = "e3a17c52f09b4d68a1c45be7d2036f94"
CHANGE_KEY = "7b90d4e6c1f24a3582ce90fb61d7a835"
APP_KEY = "2f6c8ab1d94e4075a3b8e1c6f0725d9e"
