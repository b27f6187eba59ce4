# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

NOX := .venv/bin/nox
MATRIX := .nox/matrix.json

.DEFAULT_GOAL := help
.PHONY: help demo recording test docs proof mutants matrix release-check bench format changelog pins clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' Makefile

demo: $(NOX) ## Rehearse a rollout and its gate against a simulated service
	@$(NOX) --session demo

recording: demo ## Renew the pictures of README.md by what the demo has recorded
	@cp reports/fleet.svg reports/fleet.png docs/images/

test: $(NOX) ## Run what continuous integration runs; SESSIONS="lint units" runs only these
	@.venv/bin/python tests/tooling/side_by_side.py $(SESSIONS); status=$$?; \
	.venv/bin/python tests/tooling/summary.py .nox/reports/*.json; exit $$status

docs: $(NOX) ## Build the documentation site, site/index.html
	@$(NOX) --session docs

proof: $(NOX) ## Search 1,000,000 simulated rollouts for one that fools the gate, an hour or more; SEED=7 replays one
	@$(NOX) --session proof -- $(if $(SEED),--seed $(SEED) --verbose,--thorough)

mutants: $(NOX) ## Count the small faults in the judge that unit tests notice, 25 minutes; FILES="rules state" only there
	@$(NOX) --session mutants $(if $(FILES),-- $(FILES:%=--only=%.py))

matrix: $(NOX) ## Test each ansible-core with each Python found here, about 45 minutes, and record it in README.md
	@rm -f $(MATRIX); $(NOX) --session matrix --report $(MATRIX); .venv/bin/python tests/tooling/matrix.py $(MATRIX)

release-check: $(NOX) ## Check everything that a release needs, from the built artifact to the changelog
	@$(NOX) --session docs build release_check

bench: $(NOX) ## Run the benchmarks, about 50 minutes; PARTS="single growth fleet quota end proof script big" runs only these
	@$(NOX) --session bench $(if $(PARTS),-- $(PARTS))

format: $(NOX) ## Format the Python code and apply the linter's safe fixes
	@$(NOX) --session format

changelog: $(NOX) ## Turn the changelog's fragments into the entry of the version in galaxy.yml
	@$(NOX) --session changelog

pins: $(NOX) ## Renew the versions and hashes of everything that is installed, here and in the examples
	@$(NOX) --session pins

clean: ## Remove everything that these targets made
	rm -rf .venv .nox reports site __pycache__

$(NOX): constraints.txt
	@python=$$(tests/tooling/pythons newest) && rm -rf .venv && "$$python" -m venv .venv
	@sed -n '/^pip==/,/[^\]$$/p' constraints.txt > .venv/pip.txt # other versions of pip do not read hashes in constraints
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement .venv/pip.txt
	@.venv/bin/python -m pip install --quiet --require-hashes --constraint constraints.txt nox
	@touch $@
