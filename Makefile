# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Needs make and Python 3.11 or newer. Everything else is installed into .venv and .nox.

# Any Python can do the first step, which looks for the best one. pyenv's shims may exist and fail, so run it.
BOOTSTRAP = $(shell for python in python3 python3.13 python3.12 python3.11 "$$HOME"/.pyenv/versions/3.1*/bin/python3; do \
  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null && echo "$$python" && break; done)
PYTHON := .venv/bin/python
PORT ?= 8787

.DEFAULT_GOAL := help
.PHONY: help environment demo fleet-demo test test-all lint bench docs emulator clean

help: ## Show this help
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

demo: environment ## See the collection at work (against Flashduty itself with PUSH_URL in the environment)
	@$(PYTHON) -m tests.demo.run

fleet-demo: environment ## See two controllers share one memory: one is destroyed, the other delivers and closes its alerts
	@$(PYTHON) -m tests.demo.fleet

test: environment ## Check and test everything with the oldest and the newest ansible-core (ONLY="unit lint", CORES="2.19")
	@$(PYTHON) -m tests.tools.run_tests --only $(ONLY) --cores $(CORES)

test-all: environment ## The same with every supported ansible-core
	@$(PYTHON) -m tests.tools.run_tests --all --only $(ONLY)

lint: environment ## Only what looks at the code without running it
	@$(PYTHON) -m tests.tools.run_tests --only lint

bench: environment ## Measure what the collection costs
	@$(PYTHON) -m tests.benchmarks --rounds $(or $(ROUNDS),3) --scale $(or $(SCALE),1) --only $(ONLY)

docs: environment ## Write the guides as Markdown, and build the documentation as HTML
	@$(PYTHON) -m tests.tools.markdown
	@.venv/bin/nox -R -e docs

emulator: environment ## Start a Flashduty to play with, and its web page (PORT=8787)
	@$(PYTHON) -m tests.emulator --port $(PORT) --show-settings

clean: ## Remove environments, caches and results
	rm -rf .venv .nox .ansible .hypothesis .*_cache dist site tests/output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@$(or $(BOOTSTRAP),$(error Python 3.11 or newer is needed)) -m tests.tools.environments
