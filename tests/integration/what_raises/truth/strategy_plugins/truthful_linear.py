# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-core's strategy "linear", with somebody looking on."""

from __future__ import annotations

from ansible.plugins.strategy.linear import StrategyModule as Original

from tests.integration.what_raises.truth.truth import TruthfulStrategy


class StrategyModule(TruthfulStrategy, Original):
    pass
