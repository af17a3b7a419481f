# The one list of habits. `make help` prints it.
# The inventory that make quickstart wrote, if it did.
I ?= $(or $(wildcard .quickstart.yml),inventory/one-host.yml)
RUN := . .venv/bin/activate && ansible-playbook -i $(I)
CONFIRM := $(if $(confirm),-e confirm=$(confirm))
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

.PHONY: help
help: ## This list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9%-]+:.*## / { name = $$1; sub(/%/, "NAME", name); printf "  %-24s %s\n", name, $$2 }' $(MAKEFILE_LIST)
	@printf '\nI=FILE names the inventory (now %s); confirm=yes answers what reset and uninstall ask.\n' '$(I)'

##@ On this machine

.PHONY: quickstart quickstart-down
quickstart: ## The whole stack here, and your Claude settings pointed at it (asks once; YES=1 does not)
	@scripts/quickstart

quickstart-down: ## Stop it, and put the settings back byte for byte
	@scripts/quickstart down

##@ Every day, on the hosts of I=

.PHONY: status logs verify senders doctor report stop start restart repair migrate backup restore reset uninstall site
status: setup ## Health, version, ports, disk and last data of every component
	@$(RUN) playbooks/status.yml

logs: setup ## Follow one component: make logs C=otel-collector
	@scripts/logs $(I) $(C)

verify: setup ## Send a probe through the whole path and find it again
	@$(RUN) playbooks/verify.yml

senders: setup ## Who may send: make senders VARS='rotate=ada' (retire=, revoke=, issue=)
	@$(RUN) playbooks/senders.yml $(VARS:%=-e '%')

doctor: setup ## Why does a client send nothing? make doctor host=laptop-1, VARS='doctor_json=FILE'
	@$(RUN) playbooks/doctor.yml $(if $(host),-l '$(host)') $(VARS:%=-e '%')

report: setup ## Cost and use of the last weeks as a page: make report VARS='report_range=90d'
	@$(RUN) playbooks/report.yml $(VARS:%=-e '%')

stop: setup ## Stop the stack; data stays
	@$(RUN) playbooks/stop.yml

start: setup ## Start it again
	@$(RUN) playbooks/start.yml

restart: setup ## Restart one component after another, host by host: make restart C=loki (none: all)
	@$(RUN) playbooks/restart.yml $(if $(C),-e component='$(C)')

repair: setup ## Record the sums of past days anew (days=31)
	@$(RUN) playbooks/repair.yml $(if $(days),-e days=$(days))

migrate: setup ## Bring the history of Prometheus to Mimir, and compare every day
	@$(RUN) playbooks/migrate.yml $(VARS:%=-e '%')

backup: setup ## The data of every component, while it runs
	@$(RUN) playbooks/backup.yml $(VARS:%=-e '%')

restore: setup ## Put a backup in the place of the data: make restore backup=latest (asks)
	@$(RUN) playbooks/restore.yml $(if $(backup),-e backup='$(backup)') $(VARS:%=-e '%') $(CONFIRM)

uninstall: setup ## Remove the stack from its hosts; data stays (asks)
	@$(RUN) playbooks/uninstall.yml $(CONFIRM)

reset: setup ## Delete all data and start again (asks)
	@$(RUN) playbooks/reset.yml $(CONFIRM)

site: setup ## Roll out or change the stack and the clients
	@$(RUN) site.yml

capacity: setup-dev ## What a stack for so many needs: make capacity DEVELOPERS=300 (SESSIONS= a day, REQUESTS= in each)
	@.venv/bin/python -m benchmarks.capacity $(if $(DEVELOPERS),--developers $(DEVELOPERS)) $(if $(SESSIONS),--sessions $(SESSIONS)) $(if $(REQUESTS),--requests $(REQUESTS))

##@ Tests

SCENARIOS := default docker secure
SCENARIOS_THOROUGH := split switch
MOLECULE := $(patsubst %,test-molecule-%,$(SCENARIOS) $(SCENARIOS_THOROUGH))
# What needs no program of the bundle stands beside its build; then what takes longest.
PARTS := bundle lint unit fuzz sanity fleet grafana upgrade integration acceptance stores scale client $(SCENARIOS:%=molecule-%) \
  faults backup airgap agent e2e replay quickstart

.PHONY: test test-thorough test-molecule $(PARTS:%=test-%) $(MOLECULE)
test: ## Every part, three at a time (JOBS=1: one), with a summary at the end
	@scripts/test $(PARTS)

test-thorough: ## The same, and what other tests all but cover; one part: THOROUGH=1 make test-NAME
	@THOROUGH=1 scripts/test $(PARTS) $(SCENARIOS_THOROUGH:%=molecule-%)

test-lint: setup-packages setup-dev ## ansible-lint, yamllint, ruff, mypy, shellcheck, changelog, docs
	@scripts/lint

test-unit: setup-dev ## Unit tests of the plugins
	@.venv/bin/pytest tests/unit

test-fuzz: setup-dev ## 20,000 generated settings files
	@.venv/bin/pytest tests/fuzz

.PHONY: soak-fuzz
soak-fuzz: setup-dev ## A million of them (FILES=1000000; FUZZ_SEED=N starts elsewhere)
	@FUZZ_FILES=$$(($(or $(FILES),1000000) / 2)) .venv/bin/pytest tests/fuzz

test-sanity: setup-packages ## ansible-test sanity, newest ansible-core (THOROUGH=1: the oldest too)
	@scripts/sanity

test-bundle: setup-dev ## Build the real programs (minutes, once) and their mirror
	@.venv/bin/python bundle/build.py all

test-integration: setup-test test-bundle ## Single modules against real archives, engines and programs
	@.venv/bin/pytest tests/integration --ignore tests/integration/replay $(STORES:%=--ignore %)

STORES := $(addprefix tests/integration/,loki_ring migrate mimir)
test-stores: setup-test test-bundle ## Mimir, Loki on several hosts, and the way there
	@.venv/bin/pytest $(STORES)

test-grafana: setup-test ## The grafana role; with its real release: make test-grafana GRAFANA_ARCHIVE=FILE
	@. .venv/bin/activate && for runtime in systemd docker; do tests/integration/grafana/real $$runtime $(GRAFANA_ARCHIVE) || exit 1; done

test-molecule: $(MOLECULE) ## Every scenario; each alone as test-molecule-NAME: default, docker, split, switch, secure

$(MOLECULE): test-molecule-%: setup-test test-bundle
	@scripts/molecule $*

test-replay: setup-test test-bundle ## Every total of every dashboard against a ledger of what was sent, late, twice, through kill -9 (REPLAY_ON=mimir, cluster)
	@.venv/bin/pytest tests/replay

test-e2e: setup-test test-bundle ## Recordings, then the real client, through the whole stack
	@. .venv/bin/activate && tests/e2e/run

test-client: setup-test test-bundle ## The real client: what silences it, who else writes its settings, what the doctor says
	@.venv/bin/pytest tests/client

.PHONY: soak-client
soak-client: setup-dev ## Our module and the real client on one settings file, 1,000 times at once (EDIT_ROUNDS=N)
	@EDIT_ROUNDS=$(or $(EDIT_ROUNDS),1000) .venv/bin/pytest tests/client/test_concurrent_edits.py

test-fleet: setup-test ## A rollout to 50 laptops of three users each, and what it costs
	@.venv/bin/pytest tests/fleet

test-agent: setup-test test-bundle ## A collector on the laptop: cut off, killed, restarted, nothing lost
	@.venv/bin/pytest tests/agent

test-acceptance: setup-test test-bundle ## The published collection on throw-away hosts: refusals, kill -9, every verb
	@.venv/bin/pytest tests/acceptance

test-backup: setup-test test-bundle ## A backup under load, reset, restore on the same and another host
	@.venv/bin/pytest tests/backup

.PHONY: soak-backup
soak-backup: setup-test test-bundle ## The same with SIZE=5000 megabytes
	@BACKUP_MEGABYTES=$(or $(SIZE),5000) .venv/bin/pytest tests/backup

test-airgap: setup-test test-bundle ## A host without a route, installed from a bundle alone
	@.venv/bin/pytest tests/airgap

test-upgrade: setup-test test-bundle ## An upgrade under load, and the way back from what does not come up (RUNTIME=docker)
	@.venv/bin/python bundle/build.py prometheus --version 3.13.0
	@.venv/bin/pytest tests/upgrade -k $(or $(RUNTIME),systemd)

.PHONY: soak-upgrade
soak-upgrade: setup-test test-bundle ## The same in both runtimes, with Loki too, whose former version takes minutes to build
	@.venv/bin/python bundle/build.py loki --version 3.7.7
	@$(MAKE) test-upgrade RUNTIME=systemd THOROUGH=1
	@$(MAKE) test-upgrade RUNTIME=docker THOROUGH=1

test-faults: setup-test test-bundle ## 200 senders and a real client through kill -9, outages, full disks, restarts, a network cut
	@.venv/bin/pytest tests/faults

.PHONY: soak-faults
soak-faults: setup-test test-bundle ## The same with 50 kills of each component and an hour without stores (KILLS=, OUTAGE= seconds)
	@FAULT_KILLS=$(or $(KILLS),50) FAULT_OUTAGE=$(or $(OUTAGE),3600) .venv/bin/pytest tests/faults

test-scale: setup-test test-bundle ## Three nodes of everything behind a load balancer, and kill -9 under load
	@.venv/bin/pytest tests/scale

.PHONY: soak-scale
soak-scale: setup-test test-bundle ## The same on nine nodes, with 5 kills of each (KILLS=), and the scenes of test-replay on them
	@SCALE_WHOLE=1 SCALE_NODES=9 SCALE_KILLS=$(or $(KILLS),5) .venv/bin/pytest tests/scale
	@REPLAY_ON=cluster .venv/bin/pytest tests/replay

test-quickstart: setup-test test-bundle ## make quickstart by an ordinary user on a fresh machine
	@.venv/bin/pytest tests/quickstart

.PHONY: soak-fleet bench-capacity bench-fleet bench-month bench-scale bench-secure
soak-fleet: setup-test ## The rollout test with 200 laptops
	@FLEET_HOSTS=200 .venv/bin/pytest tests/fleet

bench-fleet: setup-test ## A rollout against merging settings by hand (HOSTS=20)
	@.venv/bin/python -m benchmarks.fleet $(if $(HOSTS),--hosts $(HOSTS))

bench-capacity: setup-dev test-bundle ## The model of make capacity against real programs
	@.venv/bin/python -m benchmarks.capacity --measure

bench-month: test-bundle ## Time of every panel and rule over a month of 1,000 developers (DEVELOPERS=50 DAYS=5: a minute or two; MIMIR=1)
	@.venv/bin/python -m benchmarks.month $(if $(DEVELOPERS),--developers $(DEVELOPERS)) $(if $(DAYS),--days $(DAYS)) \
	  $(if $(MIMIR),--parts mimir)

bench-scale: setup-test test-bundle ## What a second and a third collector bring (ROUNDS=3)
	@.venv/bin/python -m benchmarks.scale $(if $(ROUNDS),--rounds $(ROUNDS))

bench-secure: setup-dev test-bundle ## What TLS, tokens, identity and privacy cost the collector, 1,000 senders (ROUNDS=3)
	@.venv/bin/python -m benchmarks.secure $(if $(ROUNDS),--rounds $(ROUNDS))

##@ Contribute

.PHONY: build capacity docs setup setup-dev setup-packages setup-test
build: setup ## The collection as a tarball
	@. .venv/bin/activate && ansible-galaxy collection build --force

docs: setup-dev ## Reference pages of roles and modules, in .cache/docs
	@. .venv/bin/activate && mkdir -p .cache/docs && ANSIBLE_COLLECTIONS_PATH=.collections antsibull-docs collection --use-current \
	  --no-indexes --squash-hierarchy --output-format simplified-rst --dest-dir .cache/docs claude_code.observability

setup: ## Python environment and collections (other targets call this)
	@scripts/setup

setup-dev: ## The same with the tools for tests
	@scripts/setup dev

setup-packages: ## The system packages tests need
	@scripts/setup packages

setup-test: ## All of these and a Docker engine
	@scripts/setup test
