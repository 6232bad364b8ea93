# gkprep: every target installs what it needs first.
#
#   make check      install into .venv and check this machine
#   make test       every test: style, types, layers, unit, loopback sshd, virtual machines
#   make lab        boot three broken machines to try gkprep on;  make lab-shell  make lab-down
#   make lab-k8s    start a Kubernetes 1.20 control plane with played nodes, built the first time;
#                   make lab-k8s-shell  make lab-k8s-down
#   make bench      start-up times, and 200 nodes beside bare paramiko
#   make lock       renew the locked, hashed dependencies

PYTHON ?= python3
BIN := .venv/bin

# Debian's packages behind the tests: sshd, packet filters, shells, and the virtual machines.
TEST_PACKAGES := openssh-server openssh-client sudo busybox nftables iptables iproute2 procps \
	mmdebstrap qemu-system-x86 qemu-utils e2fsprogs shellcheck gawk original-awk

# And those behind the Kubernetes control plane: to build it, and to run it.
KUBE_PACKAGES := dpkg-dev xz-utils iproute2 curl

# Install the packages named, as root; otherwise name the one line that does.
define packages
@missing=; for name in $(1); do \
	dpkg-query -W -f='$${Status}' $$name 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$name"; \
done; \
if [ -z "$$missing" ]; then :; \
elif ! command -v apt-get >/dev/null; then echo "not Debian: the tests may have to skip without$$missing" >&2; \
elif [ "$$(id -u)" = 0 ]; then apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $$missing >/dev/null; \
else echo "not installed:$$missing; what needs them is skipped. This installs them:" >&2; \
	echo "    sudo apt-get install -y --no-install-recommends$$missing" >&2; fi
endef

.PHONY: check test lint bench lab lab-shell lab-down lab-k8s lab-k8s-shell lab-k8s-down lock

check: .venv/run
	@# In .venv nobody has an inventory that would be taken for this machine's.
	@cd .venv && env -u GKPREP_INVENTORY bin/gkprep check --local; \
	code=$$?; case $$code in 0|1|3) ;; *) exit $$code ;; esac

test: .venv/dev test-packages lint
	@# The order of the parts is conftest's: the one that may have to build begins.
	$(BIN)/pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder --cov --durations 20

lint: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/dev test-packages
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.farm

lab: .venv/run test-packages
	$(BIN)/python -m tests.lab up

lab-shell: .venv/run
	$(BIN)/python -m tests.lab shell

lab-down: .venv/run
	$(BIN)/python -m tests.lab down

lab-k8s: .venv/run kube-packages
	$(BIN)/python -m tests.kube up

lab-k8s-shell: .venv/run
	$(BIN)/python -m tests.kube shell

lab-k8s-down: .venv/run
	$(BIN)/python -m tests.kube down

lock: .venv/dev
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile -q pyproject.toml --group build --universal --python-version 3.10 --generate-hashes --no-header --no-annotate --upgrade -o requirements.lock
	$(BIN)/uv pip compile -q pyproject.toml --group build --group dev --no-strip-extras --universal --python-version 3.10 --generate-hashes --no-header --no-annotate --upgrade -o requirements-dev.lock

.venv/run: requirements.lock pyproject.toml | .venv/bin/python
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: requirements-dev.lock .venv/run
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# Debian's python3 comes without venv.
.venv/bin/python:
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends python3-venv >/dev/null; \
	else echo "python3 lacks venv. This installs it:" >&2; echo "    sudo apt-get install -y python3-venv" >&2; exit 1; fi
	$(PYTHON) -m venv .venv

.PHONY: test-packages kube-packages
test-packages:
	$(call packages,$(TEST_PACKAGES) $(KUBE_PACKAGES))

kube-packages:
	$(call packages,$(KUBE_PACKAGES))
