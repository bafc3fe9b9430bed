#!/usr/bin/python
# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: connection_info
short_description: Show which configuration is in force for Flashduty, and what is missing
version_added: 1.0.0
author:
  - Flashcat (@flashcatcloud)
description:
  - Shows where events would be sent, which place has set each option, which proxy and which certificate authorities
    would be used, and whether everything that is needed is there. No key and no password is ever shown.
  - Where O(state_url) is set, it connects to that database, and says what is missing there, with the statements that an
    administrator may run. It changes nothing in it.
  - It sends nothing to Flashduty and opens no connection there. The playbook C(flashcat.flashduty.send_test_event) uses
    it, and sends an event to prove the rest.
  - It runs on the controller, whatever host the task is for. So use C(run_once).
extends_documentation_fragment:
  - flashcat.flashduty._attributes
  - flashcat.flashduty._attributes.actiongroup_flashduty
  - flashcat.flashduty._attributes.info
  - flashcat.flashduty._connection
  - flashcat.flashduty._connection.change
  - flashcat.flashduty._open_api.app_key
  - flashcat.flashduty._connection.module
attributes:
  action:
    details:
      - Everything is done on the controller.
options:
  show:
    description:
      - Whether what was found out is printed for people, too, a line for each option with its value and its place.
    type: bool
    default: false
seealso:
  - module: flashcat.flashduty.outbox_info
  - module: flashcat.flashduty.alert_event
  - plugin: flashcat.flashduty.alert_on_failure
    plugin_type: callback
    description: Uses the same configuration.
"""

EXAMPLES = r"""
---
- name: Find out what is in force
  flashcat.flashduty.connection_info:
  run_once: true
  register: connection

- name: Show it to people
  flashcat.flashduty.connection_info:
    show: true
  run_once: true

- name: Say what is missing
  ansible.builtin.debug:
    msg: "{{ connection.problems }}"
  run_once: true

- name: Refuse to start a deployment whose alerts nobody would get
  ansible.builtin.assert:
    that:
      - connection.problems | length == 0
      - connection.callback_enabled
  run_once: true
"""

RETURN = r"""
alert:
  description: The connection for alert events.
  returned: always
  type: dict
  contains: &connection
    configured:
      description: Whether there is an integration key, and every option is valid.
      type: bool
      sample: true
    problem:
      description: Why the connection is not configured, or V(null) when it is.
      type: str
      sample: null
    url:
      description: Where events are sent to, without the integration key.
      type: str
      sample: https://api.flashcat.cloud/event/push/alert/standard
    integration:
      description: What tells two integrations apart, without telling the integration key.
      type: str
      sample: 5f0c7b1e2d3a4c69
    options:
      description: The options in force. What is secret is not among them.
      type: dict
      sample:
        validate_certs: true
        ca_path: null
        client_cert: null
        client_key: null
        use_proxy: true
        timeout: 10.0
        retries: 3
    sources:
      description: How each option is written where it was set, or V(default).
      type: dict
      sample:
        integration_key: FLASHDUTY_PUSH_URL
        api_url: FLASHDUTY_PUSH_URL
        validate_certs: default
        ca_path: default
        client_cert: default
        client_key: default
        use_proxy: default
        timeout: timeout in section [flashduty] of /home/ansible/ansible.cfg
        retries: default
    proxy:
      description: The proxy that would be used, or V(null).
      type: str
      sample: http://proxy.example.com:3128
    authorities:
      description: The file or folder with the certificates of the authorities that would be trusted, or V(null) where no
        certificate is verified.
      type: str
      sample: /usr/lib/python3/dist-packages/certifi/cacert.pem
change:
  description: The connection for change events. It is another one, and need not be configured.
  returned: always
  type: dict
  contains: *connection
open_api:
  description: The connection for M(flashcat.flashduty.silence) and M(flashcat.flashduty.alert_info). It needs an app key,
    and need not be configured.
  returned: always
  type: dict
  contains:
    configured:
      description: Whether there is an app key, and every option is valid.
      type: bool
      sample: true
    problem:
      description: Why it is not configured, or V(null) when it is.
      type: str
      sample: null
    url:
      description: The address of the Open API.
      type: str
      sample: https://api.flashcat.cloud
    options:
      description: The options in force. What is secret is not among them.
      type: dict
      sample:
        validate_certs: true
        timeout: 10.0
    sources:
      description: How each option is written where it was set, or V(default).
      type: dict
      sample:
        app_key: FLASHDUTY_APP_KEY
        api_url: FLASHDUTY_BASE_URL
        timeout: default
    proxy:
      description: The proxy that would be used, or V(null).
      type: str
      sample: null
    authorities:
      description: The file or folder with the certificates of the authorities that would be trusted, or V(null).
      type: str
      sample: /usr/lib/python3/dist-packages/certifi/cacert.pem
requests_version:
  description: The version of the Python package C(requests) on the controller, or V(null) when it is not installed.
  returned: always
  type: str
  sample: 2.34.2
python:
  description: The path of the Python that runs Ansible on the controller.
  returned: always
  type: str
  sample: /usr/bin/python3
config_file:
  description: The path of the C(ansible.cfg) in force, or V(null).
  returned: always
  type: str
  sample: /home/ansible/ansible.cfg
callback_enabled:
  description: Whether the callback P(flashcat.flashduty.alert_on_failure#callback) is enabled with C(callbacks_enabled),
    and not switched off by its option C(enabled).
  returned: always
  type: bool
  sample: true
callback_problem:
  description: Why the callback does nothing, and what to write where, or V(null).
  returned: always
  type: str
  sample: null
callback:
  description: The options of the callback P(flashcat.flashduty.alert_on_failure#callback), apart from its connection.
  returned: always
  type: dict
  contains:
    options:
      description: The options in force.
      type: dict
      sample:
        enabled: true
        alert_scope: host
        label_vars: [team, service]
        recovery: auto
    sources:
      description: How each option is written where it was set, or V(default).
      type: dict
      sample:
        enabled: default
        alert_scope: FLASHDUTY_ALERT_SCOPE
        label_vars: label_vars in section [flashduty] of /home/ansible/ansible.cfg
        recovery: default
state:
  description: Where the outbox and the memory of open alerts are.
  returned: always
  type: dict
  contains:
    kind:
      description: V(postgresql) or V(sqlite).
      type: str
      sample: postgresql
    location:
      description: Host and database, without user and password, or the folder.
      type: str
      sample: db.example.com/automation
database:
  description: What was found in the database of O(state_url), or V(null) where that is not set.
  returned: always
  type: dict
  contains:
    problem:
      description: Why it cannot be used, with what to do about it, or V(null).
      type: str
      sample: null
    driver_version:
      description: The version of the Python package C(psycopg) on the controller, or V(null) when it is not installed.
      type: str
      sample: 3.3.4
    reachable:
      description: Whether the database has let the user in.
      type: bool
      sample: true
    server_version:
      description: The version of PostgreSQL.
      type: str
      sample: '17.6'
    user:
      description: The user of the database.
      type: str
      sample: flashduty
    tls:
      description: Whether the connection is encrypted.
      type: bool
      sample: true
    schema:
      description: The schema that has the tables, or will have them.
      type: str
      sample: public
    has_tables:
      description: Whether the tables are there. They are made when they are first needed.
      type: bool
      sample: true
    format:
      description: The version of the tables.
      type: int
      sample: 1
state_url_source:
  description: How O(state_url) is written where it was set, or V(null).
  returned: always
  type: str
  sample: FLASHDUTY_STATE_URL
state_path:
  description: The folder that holds the outbox, or what is kept while the database of O(state_url) cannot be used.
  returned: always
  type: str
  sample: /home/ansible/.ansible/flashduty
state_path_source:
  description: How it is written where it was set, or V(default).
  returned: always
  type: str
  sample: default
state_writable:
  description: Whether the outbox can be written to by nobody else, or could be made.
  returned: always
  type: bool
  sample: true
problems:
  description: What stands in the way of alert events, and what else is configured and of no use, a sentence each.
  returned: always
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    connection_info_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._send_event import (
    refuse_to_run_as_module,
)


def main() -> t.NoReturn:
    module = AnsibleModule(connection_info_argument_spec(), supports_check_mode=True)
    refuse_to_run_as_module(module, "connection_info")


if __name__ == "__main__":
    main()
