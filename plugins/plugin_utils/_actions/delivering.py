# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""Delivers, within a task, what it has put into the outbox."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.client import (
    Client,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.courier import (
    Courier,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    TimeoutReached,
)

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
        Connection,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        Outbox,
    )

    from .base import Result


def deliver(
    outbox: Outbox,
    connection: Connection,
    *,
    wait: float,
    max_in_flight: int,
    rate_limit: int,
) -> Result:
    """Deliver what waits for an integration.

    :param wait: seconds that it may take.
    :returns: how many events were ``delivered``, how many are still ``waiting``, and what makes the task fail, if
        anything does.
    :raises ConfigurationError: when nothing can be sent from here at all.
    """
    before = outbox.status([connection.fingerprint])
    if not before.waiting:
        return {"delivered": 0, "waiting": 0}
    # What is missing here, such as requests, is said at once and not after the wait.
    Client(connection).close()
    courier = Courier(outbox, max_in_flight=max_in_flight, rate_limit=rate_limit)
    courier.post({"connection": dataclasses.asdict(connection)})
    courier.post({"finish": wait})
    courier.run()
    after = outbox.status([connection.fingerprint])
    refused = len(after.undeliverable) - len(before.undeliverable)
    result: Result = {
        "delivered": max(0, before.waiting - after.waiting - refused),
        "waiting": after.waiting,
    }
    if after.waiting:
        what = f"{_events(after.waiting)} not delivered within {wait:g} seconds, and will be tried again."
        error = (
            after.reason
            or TimeoutReached(
                "There was too little time.", hint="Raise wait."
            ).as_dict()
        )
    elif refused > 0:
        what = f"{_events(refused)} refused for good, and kept as undeliverable."
        error = after.undeliverable[-1]
        # The task says so by failing: the next run with the callback needs not say it again.
        outbox.mark_reported([connection.fingerprint])
    else:
        return result
    return {
        **result,
        "failed": True,
        "msg": f"{what} {error['message']} {error['hint']}",
        "error": error,
    }


def _events(count: int) -> str:
    return f"{count} {'event was' if count == 1 else 'events were'}"
