#!/usr/bin/env bash
# packages.sh run|test …: install the Debian packages that running or testing Hotline needs and that are missing, saying which.
set -euo pipefail

run=(postgresql-15 espeak-ng espeak-ng-data)
test=(sip-tester baresip chromium sox fonts-noto-cjk iproute2 sipsak kamailio)

wanted=()
for set in "$@"; do
	declare -n list=$set
	wanted+=("${list[@]}")
done

missing=()
for name in "${wanted[@]}"; do
	dpkg-query --show --showformat='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "installing missing Debian packages: ${missing[*]}"
sudo=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || { echo "run as root: apt-get install --no-install-recommends ${missing[*]}" >&2; exit 1; }
	sudo=(sudo)
fi
# Debian's package would start a cluster of its own; Hotline runs its own, below its data folder.
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
	"${sudo[@]}" mkdir -p /etc/postgresql-common
	echo 'create_main_cluster = false' | "${sudo[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
fi
# Kamailio is started by tests, on ports of theirs: the package's own service stays down.
if [[ " ${missing[*]} " == *" kamailio "* && -d /run/systemd/system ]]; then
	"${sudo[@]}" systemctl mask kamailio.service >/dev/null
fi
"${sudo[@]}" apt-get -qq -o APT::Update::Error-Mode=any update
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends -o Dpkg::Options::=--force-confold install "${missing[@]}" >/dev/null
