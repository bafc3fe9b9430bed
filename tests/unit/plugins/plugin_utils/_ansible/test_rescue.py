# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
Which failures are foreseen to be rescued, failure by failure.

Each task that fails says in its name what is expected of it. Whether ansible-core then does as expected is tested in
tests/integration/what_raises.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tools.cores import Core
from tests.tools.playbooks import Workspace

from .conftest import observe

NAME = re.compile('"((?:rescued|final): [^"]+)"')
BLOCKS = """
    - hosts: web
      tasks:
        - block:
            - block:
                - block:
                    - name: "rescued: by the block around it"
                      fail:
                  rescue:
                    - name: "rescued: in a rescue, by the next block"
                      fail:
                  always:
                    - name: "rescued: in an always, by the next block"
                      fail:
              rescue:
                - block:
                    - name: "rescued: in a block of a rescue"
                      fail:
                  rescue:
                    - name: "rescued: in a rescue of a rescue, by the outermost block"
                      fail:
          rescue:
            - name: Catch
              debug:
        - name: "Ignored"
          fail:
          ignore_errors: true
        - block:
            - include_tasks: included.yml
          rescue:
            - include_tasks: includes.yml
              when: false
        - block:
            - include_tasks: includes.yml
              loop: [1]
          rescue:
            - debug:
        - block:
            - include_role:
                name: broken
                apply:
                  vars: {applied: true}
          rescue:
            - import_role:
                name: mended
        - block:
            - import_role:
                name: broken
          rescue:
            - debug:
        - block:
            - name: "rescued: a file that is missing"
              include_tasks: missing.yml
          rescue:
            - debug:
        - block:
            - name: "rescued: a role that is missing"
              include_role:
                name: missing
          rescue:
            - debug:
        - block:
            - name: "rescued: first"
              fail:
          rescue:
            - include_tasks: final.yml
          always:
            - name: "final: in an always"
              fail:
    """
HANDLERS = """
    - hosts: db
      handlers:
        - name: "rescued: a handler"
          listen: break
          fail:
      tasks:
        - debug:
          changed_when: true
          notify: break
        - block:
            - meta: flush_handlers
          rescue:
            - debug:

    - hosts: web,db
      handlers:
        - name: "final: a handler"
          listen: break
          fail:
          when: inventory_hostname == 'web'
      tasks:
        - block:
            - meta: flush_handlers
            - debug:
              changed_when: true
              notify: break
          rescue:
            - name: Not reached
              fail:
    """
TAGS = """
    - hosts: web
      tasks:
        - block:
            - name: "rescued: the rescue has the tag"
              fail:
              tags: wanted
          rescue:
            - debug:
              tags: wanted
        - block:
            - block:
                - name: "rescued: an outer rescue has the tag"
                  fail:
                  tags: wanted
              rescue:
                - debug:
          rescue:
            - debug:
              tags: wanted
        - block:
            - name: "final: the rescue has not the tag"
              fail:
              tags: wanted
          rescue:
            - debug:
    """
FILES = {
    "included.yml": '- name: "rescued: in an included file"\n  fail:\n',
    "includes.yml": "- include_tasks: included.yml\n",
    "final.yml": '- name: "final: in a file included in a rescue"\n  fail:\n',
    "roles/broken/tasks/main.yml": '- name: "rescued: in a role"\n  fail:\n',
    "roles/mended/tasks/main.yml": (
        '- block:\n    - name: "rescued: in a role, by the role"\n      fail:\n  rescue:\n    - debug:\n'
    ),
}


@pytest.mark.parametrize("strategy", ["linear", "free"])
@pytest.mark.parametrize(
    ("playbook", "arguments"),
    [(BLOCKS, []), (HANDLERS, []), (TAGS, ["--tags", "wanted"])],
    ids=["blocks", "handlers", "tags"],
)
def test_each_failure_is_foreseen(
    core: Core, tmp_path: Path, strategy: str, playbook: str, arguments: list[str]
) -> None:
    workspace = Workspace(tmp_path, core)
    for name, text in {**FILES, "site.yml": playbook}.items():
        workspace.write(name, text)

    seen = observe(tmp_path, core, "site.yml", *arguments, ANSIBLE_STRATEGY=strategy)

    foreseen = {
        fact["outcome"]["task"]["identity"]["name"]: fact["rescued"]
        for fact in seen.facts
        if fact["kind"] == "outcome" and not fact["outcome"]["ignored"]
    }
    in_playbook = set(NAME.findall(playbook))
    assert in_playbook and in_playbook <= set(foreseen), seen.run.output
    assert {name for name, rescued in foreseen.items() if rescued} == {
        name for name in foreseen if name.startswith("rescued: ")
    }, seen.run.output
