# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One Flashduty to test against: its event API, its merging of alerts, and its bad days.

``control.Emulator`` starts it from Python; ``python -m tests.emulator`` starts it by hand.
"""
