# Every target sets up what it needs; `make` alone lists them.
ARCH := $(subst aarch64,arm64,$(subst x86_64,x64,$(shell uname -m)))
export PATH := $(CURDIR)/node_modules/node-linux-$(ARCH)/bin:$(CURDIR)/node_modules/.bin:$(PATH)
NODE := node --no-warnings

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' $(MAKEFILE_LIST))

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## install what is missing: Debian packages (needs root) and npm packages
	@./scripts/setup.sh

build: setup ## leave dist/podwire and dist/cni/<type>
	@$(NODE) scripts/build.ts

test: build ## format, lint, types, unit and integration tests
	@$(NODE) scripts/test.ts

peers: setup ## build the programs we compare with (needs Go 1.26); PEERS names some of them
	@$(NODE) test/peers/build.ts $(PEERS)

test-peers: build ## compare with the reference plugins, cnitool and CoreDNS; follow a real API server
	@./scripts/setup.sh etcd-server
	@$(NODE) test/peers/build.ts cni-plugins cnitool coredns etcd kubernetes
	@$(NODE) scripts/test.ts peers

test-vm: build ## run test/vm on a Debian kernel in QEMU (needs root); VM_TESTS names some of it
	@$(NODE) test/vm/harness/setup.ts
	@$(NODE) scripts/test.ts vm $(VM_TESTS)

bench-start: build ## how long a plugin takes to start, beside the reference plugin
	@$(NODE) test/peers/build.ts cni-plugins
	@$(NODE) test/bench/start.ts

bench-cni: build ## what ADD and DEL of a pod cost, beside the reference plugins (needs root)
	@$(NODE) test/peers/build.ts cni-plugins
	@$(NODE) test/bench/cni.ts

bench-dns: setup ## what a DNS answer costs, beside knotd, unbound, CoreDNS and Node's dgram (needs root)
	@./scripts/setup.sh etcd-server
	@$(NODE) test/peers/build.ts coredns etcd kubernetes
	@$(NODE) test/bench/dns.ts

fuzz-dns: setup ## a million broken DNS messages, and the CPU each takes
	@$(NODE) test/fuzz/dns.ts

bench-netlink: setup ## netlink beside ip, nft and the npm package (needs root)
	@$(NODE) test/bench/netlink.ts

fuzz-netlink: setup ## a million wrong answers of the kernel; ROUNDS and SEED choose (needs root)
	@$(NODE) test/fuzz/netlink.ts

bench-proxy: setup ## Services in the kernel beside kube-proxy (needs root); BENCH=--ours without it, --smallest for a look
	@./scripts/setup.sh etcd-server
	@$(NODE) test/peers/build.ts kubernetes
	@$(NODE) test/bench/proxy.ts $(BENCH)

bench-overlay: build ## packets between nodes beside vxlan by ip, and 500 nodes that join (needs root)
	@./scripts/setup.sh iperf3
	@$(NODE) test/bench/overlay.ts

bench-agent: build ## the agent beside kube-proxy and CoreDNS by one API server (needs root)
	@./scripts/setup.sh etcd-server
	@$(NODE) test/peers/build.ts etcd kubernetes coredns
	@$(NODE) test/bench/agent.ts

churn: build ## 100 changes a second through a real API server, MINUTES=30 of them (needs root)
	@./scripts/setup.sh etcd-server
	@$(NODE) test/peers/build.ts etcd kubernetes
	@$(NODE) test/bench/churn.ts

bench-ipaddr: setup ## addresses beside ip-num, ipaddr.js and ip-address
	@$(NODE) test/bench/ipaddr.ts

lab: build ## build a node and two pods out of namespaces, and check them (needs root)
	@dist/podwire lab up

lab-down: build ## take the lab down; nothing of it is left
	@dist/podwire lab down

format: setup ## rewrite the source in the house format
	@biome check --write .

clean: ## remove everything that was built
	@rm -rf dist build .cache
