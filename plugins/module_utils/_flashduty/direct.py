# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""Send one event now, in its turn: after what still waits in the outbox for the same alert or change.

Else a recovery could overtake the failure that it belongs to, and the alert would stay open for ever.
"""

from __future__ import annotations

from .client import Client, Receipt
from .errors import FlashdutyError
from .events import Event
from .outbox import Outbox, courier_name, exists


def send_in_turn(client: Client, event: Event, *, state_path: str) -> Receipt:
    """Send what waits for the event's key, then the event.

    :param state_path: the folder of the outbox; nothing is made there.
    :raises FlashdutyError: when the event, or what waits before it, could not be delivered for now.
    :raises OutboxError: when there is an outbox that cannot be used.
    """
    if exists(state_path):
        with Outbox(state_path) as outbox:
            if outbox.is_waiting([client.integration], kind=event.kind, key=event.key):
                _deliver_earlier(client, event, outbox)
    return client.send(event)


def _deliver_earlier(client: Client, event: Event, outbox: Outbox) -> None:
    name = courier_name()
    while True:
        claimed, _pause = outbox.claim(
            client.integration, name, limit=1, lease=client.longest_send, key=event.key
        )
        if not claimed:
            # None is left, or a courier is just sending it.
            return
        try:
            client.send_body(claimed[0].payload.encode())
        except FlashdutyError as error:
            if error.retryable:
                outbox.settle(failed=[(claimed[0], error)])
                raise
            outbox.settle(refused=[(claimed[0], error)])
        else:
            outbox.settle(delivered=claimed)
