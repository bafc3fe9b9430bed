# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

from __future__ import annotations


class ModuleDocFragment:
    """The connection to Flashduty and the place of the state: the same for all plugins."""

    # What every plugin has, modules and the callback.
    DOCUMENTATION = r"""
options:
  integration_key:
    description:
      - The key of the integration that receives the events. It is a secret.
      - It stands in the integration's push URL after C(integration_key=). Set this option, or O(integration_key_file),
        or O(push_url).
    type: str
  integration_key_file:
    description:
      - The path of a file on the controller that holds the integration key and nothing else, so that no key stands in
        a playbook or in a configuration file. White space around the key does not count.
    type: path
  push_url:
    description:
      - The whole push URL, as it can be copied from the integration's page in the Flashduty console. It is a secret,
        since it holds the key.
      - The integration key, the host and the path are taken from it, so that neither O(integration_key) nor O(api_url)
        is needed.
    type: str
  api_url:
    description:
      - The address of the Flashduty API without a path, for a private deployment. It is V(https://api.flashcat.cloud)
        where it is not set.
    type: str
  validate_certs:
    description:
      - Whether the TLS certificate of the server is verified. It is, where this is not set.
      - Prefer O(ca_path) to setting this to V(false). Whoever can answer in the place of an unverified server gets the
        integration key.
    type: bool
  ca_path:
    description:
      - The path of a file, or of a folder prepared by C(c_rehash), with the certificates of the authorities to trust
        in PEM format. Needed for a private certificate authority, such as that of a proxy that looks into TLS.
      - Where it is not set, the environment variables E(REQUESTS_CA_BUNDLE) and E(CURL_CA_BUNDLE) count, and then the
        authorities that the Python package C(requests) brings along.
    type: path
  client_cert:
    description:
      - The path of a file with the client certificate in PEM format, where the server or a proxy in front of it asks
        for one. The file may hold the private key, too.
    type: path
  client_key:
    description:
      - The path of a file with the private key of O(client_cert) in PEM format, without a passphrase. Needed only when
        it is not in the file of the certificate.
    type: path
  use_proxy:
    description:
      - Whether the environment variables E(HTTPS_PROXY), E(HTTP_PROXY) and E(NO_PROXY) count. They do, where this is
        not set.
    type: bool
  timeout:
    description:
      - How many seconds one attempt may take, from the connection to the complete answer. It is V(10) where it is not
        set.
    type: float
  retries:
    description:
      - How many further attempts follow a first one that fails for a reason that may pass, such as a timeout, a refused
        connection, too many requests or an internal error of the service. It is V(3) where it is not set.
      - The wait before the first of them is a second, and doubles with each. A server that asks for a longer wait with
        the C(Retry-After) header gets it, up to a minute.
    type: int
  state_path:
    description:
      - The folder on the controller that holds the outbox, which are the events that wait to be delivered, and the
        memory of open alerts. It is made with mode C(0700) when something has to be stored.
      - A folder that is there already has to belong to the user of the run or to root, and nobody else may be able to
        write to it. Within a shared folder, name one that is not there yet.
      - It is V(~/.ansible/flashduty) where it is not set.
    type: path
  state_url:
    description:
      - The libpq connection URI of a PostgreSQL database that several controllers share, for example
        C(postgresql://flashduty@db.example.com/automation?sslmode=verify-full). The outbox and the memory of open
        alerts are there instead of in O(state_path).
      - It may hold a password, and is a secret like the integration key.
      - It needs the Python package C(psycopg) 3 on the controller. While the database cannot be used, the outbox in
        O(state_path) serves, with a warning. What it holds moves to the database as soon as that can be reached again.
    type: str
  state_url_file:
    description:
      - The path of a file on the controller that holds the URI of O(state_url) and nothing else, so that no password stands
        in a configuration file that others may read.
    type: path
"""

    # The key for changes, which every module takes, so that one module_defaults serves all.
    CHANGE = r"""
options:
  change_integration_key:
    description:
      - The key of the change integration, which has a key of its own. It is a secret.
      - All modules take the options for the key of either integration, so that one C(module_defaults) serves all.
        M(flashcat.flashduty.change_event), M(flashcat.flashduty.outbox_flush), M(flashcat.flashduty.connection_info) and
        the role P(flashcat.flashduty.deployment#role) use this one.
      - Outside the task, it is E(FLASHDUTY_CHANGE_INTEGRATION_KEY), or C(change_integration_key) in C(ansible.cfg).
    type: str
  change_integration_key_file:
    description:
      - The path of a file on the controller that holds the key of the change integration and nothing else.
      - Outside the task, it is E(FLASHDUTY_CHANGE_INTEGRATION_KEY_FILE), or C(change_integration_key_file) in
        C(ansible.cfg).
    type: path
  change_push_url:
    description:
      - The whole push URL of the change integration. It is a secret, since it holds the key.
      - Outside the task, it is E(FLASHDUTY_CHANGE_PUSH_URL), or C(change_push_url) in C(ansible.cfg).
    type: str
"""

    # How a module finds what its task does not set.
    MODULE = r"""
options: {}
notes:
  - Where neither the task nor C(module_defaults) sets the key of the alert integration, the variables
    C(flashduty_integration_key) and C(flashduty_push_url) of the play, host or group count, as they do for the
    callback, so that the key may live in Ansible Vault. What a managed machine has set as a fact does not count.
  - Every connection option that is not set by then is taken from the environment variable
    C(FLASHDUTY_) followed by the option's name in upper case, such as E(FLASHDUTY_TIMEOUT), and then from the key of
    the option's name in the section C([flashduty]) of C(ansible.cfg). Both are those of the controller.
  - The integration key is decided by the first of these places that sets one of O(integration_key),
    O(integration_key_file) and O(push_url). What contradicts itself within one place is an error.
  - Redirects are not followed, because a redirect would hand the integration key to another host.
requirements:
  - Python package C(requests) where the event is sent from
"""

    # The environment variables, the keys in ansible.cfg and the defaults, for plugins that Ansible configures.
    PLUGIN = r"""
options:
  integration_key:
    env:
      - name: FLASHDUTY_INTEGRATION_KEY
    ini:
      - section: flashduty
        key: integration_key
  integration_key_file:
    env:
      - name: FLASHDUTY_INTEGRATION_KEY_FILE
    ini:
      - section: flashduty
        key: integration_key_file
  push_url:
    env:
      - name: FLASHDUTY_PUSH_URL
    ini:
      - section: flashduty
        key: push_url
  api_url:
    default: https://api.flashcat.cloud
    env:
      - name: FLASHDUTY_API_URL
    ini:
      - section: flashduty
        key: api_url
  validate_certs:
    default: true
    env:
      - name: FLASHDUTY_VALIDATE_CERTS
    ini:
      - section: flashduty
        key: validate_certs
  ca_path:
    env:
      - name: FLASHDUTY_CA_PATH
    ini:
      - section: flashduty
        key: ca_path
  client_cert:
    env:
      - name: FLASHDUTY_CLIENT_CERT
    ini:
      - section: flashduty
        key: client_cert
  client_key:
    env:
      - name: FLASHDUTY_CLIENT_KEY
    ini:
      - section: flashduty
        key: client_key
  use_proxy:
    default: true
    env:
      - name: FLASHDUTY_USE_PROXY
    ini:
      - section: flashduty
        key: use_proxy
  timeout:
    default: 10
    env:
      - name: FLASHDUTY_TIMEOUT
    ini:
      - section: flashduty
        key: timeout
  retries:
    default: 3
    env:
      - name: FLASHDUTY_RETRIES
    ini:
      - section: flashduty
        key: retries
  state_path:
    default: ~/.ansible/flashduty
    env:
      - name: FLASHDUTY_STATE_PATH
    ini:
      - section: flashduty
        key: state_path
  state_url:
    env:
      - name: FLASHDUTY_STATE_URL
    ini:
      - section: flashduty
        key: state_url
  state_url_file:
    env:
      - name: FLASHDUTY_STATE_URL_FILE
    ini:
      - section: flashduty
        key: state_url_file
"""
