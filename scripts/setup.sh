#!/bin/sh
# Installs what podwire's own targets need and the machine lacks: Debian packages that tests use as
# independent witnesses, and the npm packages of package-lock.json, Node 26 among them. Does
# nothing, quickly, when all is there. Arguments name further Debian packages.
set -eu
cd "$(dirname "$0")/.."

lacking=''
for package in bind9-dnsutils busybox-static ca-certificates conntrack containerd dnsperf etcd-client etcd-server ethtool gcc iproute2 ipset iptables iputils-ping ipvsadm knot libatomic1 libc6-dev musl-tools netbase nftables python3 runc systemd unbound util-linux "$@"; do
  dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
    lacking="$lacking $package"
done
if [ -n "$lacking" ]; then
  if [ "$(id -u)" -ne 0 ]; then
    echo "setup: these Debian packages are missing and installing them needs root:$lacking" >&2
    exit 1
  fi
  echo "setup: installing Debian packages:$lacking"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # shellcheck disable=SC2086 # the list is meant to be split
  apt-get install -y -qq --no-install-recommends $lacking >/dev/null
  # Tests start these for themselves; nothing is to serve on the machine because of them.
  for service in containerd etcd-server knot unbound; do
    case "$lacking " in
      *" $service "*) systemctl disable --now "${service%-server}" >/dev/null 2>&1 || true ;;
    esac
  done
fi

# npm writes this file last, so it is older than the lock file whenever an install is due.
if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then
  echo 'setup: installing npm packages'
  npm ci --no-audit --no-fund --loglevel=error
  touch node_modules/.package-lock.json
fi
