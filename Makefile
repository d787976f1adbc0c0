# The front door. Each target is one line that a person could type; .venv is made on the way.
# ARGS goes to the program that the target runs: make local ARGS='-e platform_source_dir=/home/me/my-app'
.DEFAULT_GOAL := help
.PHONY: help bootstrap local status teardown test test-quick test-k3d mutants bench docs
SHELL := /bin/bash
export PATH := $(CURDIR)/.venv/bin:$(PATH)

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

bootstrap: ## the private environment .venv: Python packages and Ansible collections
	@scripts/bootstrap

local: bootstrap ## from a bare machine to the running application on http://localhost
	ansible-playbook playbooks/local.yml $(ARGS)

status: bootstrap ## a verdict on what runs, with an exit code (OUTPUT=json for machines)
	ansible-playbook playbooks/status.yml $(if $(OUTPUT),-e output=$(OUTPUT)) $(ARGS)

teardown: bootstrap ## remove the cluster, keep its data (ARGS='-e teardown_data=true' removes that too)
	ansible-playbook playbooks/teardown.yml $(ARGS)

test: ## everything: unit, contract, chart, lint, and the whole on a real cluster of its own
	@scripts/bootstrap test
	@scripts/test all

test-quick: ## what tells within a minute or so whether an edit broke something: fast lint, unit and contract tests
	@scripts/bootstrap test
	@scripts/test quick

test-k3d: ## the module k3d_cluster and the platform with the k3d on PATH (part of `make test`)
	@scripts/bootstrap test
	@scripts/test k3d

mutants: ## whether tests see each small change of the plugins in tests/mutants.yml (FILES='plugins/filter/image_ref.py' for some)
	@scripts/bootstrap test
	@nice .venv/bin/python scripts/mutants $(FILES)

bench: ## measures it against kind or k3d, docker build and helm typed by hand; the table goes to tests/output/bench.md too
	@scripts/bootstrap test
	@.venv/bin/python scripts/bench $(PARTS)

docs: ## the documentation as a site, with a page for each role and module (ARGS=--external tries links to the outside too)
	@scripts/bootstrap test
	@.venv/bin/python scripts/docs $(ARGS)
