# The one list of habits. `make help` prints it.
I ?= inventory/one-host.yml
RUN := . .venv/bin/activate && ansible-playbook -i $(I)
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

.PHONY: help
help: ## This list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9%-]+:.*## / { name = $$1; sub(/%/, "NAME", name); printf "  %-24s %s\n", name, $$2 }' $(MAKEFILE_LIST)
	@printf '\nI=FILE names the inventory (now %s).\n' '$(I)'

##@ On this machine

.PHONY: quickstart quickstart-down
quickstart: ## The whole stack here, and your Claude settings pointed at it (asks once; YES=1 does not)
	@scripts/quickstart

quickstart-down: ## Stop it, and put the settings back byte for byte
	@scripts/quickstart down

##@ Every day, on the hosts of I=

.PHONY: status logs stop start reset verify site
status: setup ## Health, version, ports, disk and last data of every component
	@$(RUN) playbooks/status.yml

logs: setup ## Follow one component: make logs C=otel-collector
	@$(RUN) playbooks/logs.yml -e component=$(or $(C),$(error say which: make logs C=otel-collector, prometheus, loki or grafana))

verify: setup ## Send a probe through the whole path and find it again
	@$(RUN) playbooks/verify.yml

stop: setup ## Stop the stack; data stays
	@$(RUN) playbooks/stop.yml

start: setup ## Start it again
	@$(RUN) playbooks/start.yml

reset: setup ## Wipe the stack's data (asks; confirm=yes does not)
	@$(RUN) playbooks/reset.yml $(if $(confirm),-e confirm=$(confirm))

site: setup ## Roll out or change the stack and the clients
	@$(RUN) site.yml

##@ Tests

SCENARIOS := default docker split switch
PARTS := lint unit fuzz sanity bundle integration $(SCENARIOS:%=molecule-%) e2e

.PHONY: test test-molecule $(PARTS:%=test-%)
test: ## Everything, part by part, with a summary at the end
	@scripts/test $(PARTS)

test-lint: setup-packages setup-dev ## ansible-lint, yamllint, ruff, mypy, shellcheck, changelog, docs
	@scripts/lint

test-unit: setup-dev ## Unit tests of the plugins
	@.venv/bin/pytest tests/unit

test-fuzz: setup-dev ## Generated settings files
	@.venv/bin/pytest tests/fuzz

test-sanity: setup-packages ## ansible-test sanity, oldest and newest ansible-core
	@scripts/sanity

test-bundle: setup-dev ## Build the real programs (minutes, once) and their mirror
	@.venv/bin/python bundle/build.py all

test-integration: setup-test test-bundle ## The real stores and the collector
	@.venv/bin/pytest tests/integration

test-molecule: $(SCENARIOS:%=test-molecule-%) ## Every scenario below

test-molecule-%: setup-test test-bundle ## One scenario: default, docker, split or switch
	@scripts/molecule $*

test-e2e: setup-test test-bundle ## The real client, end to end
	@.venv/bin/pytest tests/e2e

##@ Contribute

.PHONY: build setup setup-dev setup-packages setup-test
build: setup ## The collection as a tarball
	@. .venv/bin/activate && ansible-galaxy collection build --force

setup: ## Python environment and collections (other targets call this)
	@scripts/setup

setup-dev: ## The same with the tools for tests
	@scripts/setup dev

setup-packages: ## The system packages tests need
	@scripts/setup packages

setup-test: ## All of these and a Docker engine
	@scripts/setup test
