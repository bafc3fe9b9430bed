# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Send one event now, in its turn: after what still waits in the outbox for the same alert or change.

Else a recovery could overtake the failure that it belongs to, and the alert would stay open for ever.
"""

from __future__ import annotations

import time

from .client import Client, Receipt
from .errors import FlashdutyError, TimeoutReached
from .events import Event
from .outbox import Outbox, Waiting, courier_name, exists

# Seconds to wait for a courier that is just sending what comes before.
_PATIENCE = 15.0
_INTERVAL = 0.05


def send_in_turn(client: Client, event: Event, *, state_path: str) -> Receipt:
    """Send what waits for the event's key, then the event.

    :param state_path: the folder of the outbox; nothing is made there.
    :raises FlashdutyError: when the event, or what waits before it, could not be delivered for now.
    :raises OutboxError: when there is an outbox that cannot be used.
    """
    if exists(state_path):
        with Outbox(state_path) as outbox:
            _deliver_earlier(client, event, outbox)
    return client.send(event)


def _deliver_earlier(client: Client, event: Event, outbox: Outbox) -> None:
    name = courier_name()
    deadline = time.monotonic() + _PATIENCE
    while outbox.is_waiting([client.integration], kind=event.kind, key=event.key):
        claimed, _pause = outbox.claim(
            client.integration, name, limit=1, lease=client.longest_send, key=event.key
        )
        if claimed:
            _deliver(client, outbox, claimed[0])
        elif time.monotonic() < deadline:
            # A courier is just sending it, or has died over it.
            outbox.release_dead()
            time.sleep(_INTERVAL)
        else:
            raise TimeoutReached(
                f"An earlier event of the same {event.kind} is still being delivered.",
                hint="Look at what waits with outbox_info, and try again.",
            )


def _deliver(client: Client, outbox: Outbox, earlier: Waiting) -> None:
    try:
        client.send_body(earlier.payload.encode())
    except FlashdutyError as error:
        if not error.refused:
            outbox.settle(failed=[(earlier, error)])
            raise
        outbox.settle(refused=[(earlier, error)])
    else:
        outbox.settle(delivered=[earlier])
