#!/usr/bin/env bash
# fetch.sh [22|16] [--path]: unpack Debian's Asterisk, with all its libraries, into a cache folder, and print the folder.
#
# Nothing is installed on the system and no root is needed: packages are downloaded by apt (signatures are checked as always), unpacked,
# and run by run.sh through their own loader. 22 is what Hotline is tested with; 16 serves only to compare descriptions of its ARI.
# What was downloaded is kept, so that a broken attempt goes on where it stopped. --path prints the folder and fetches nothing.
#
#   HOTLINE_ASTERISK_CACHE  where to (default: ${XDG_CACHE_HOME:-~/.cache}/hotline)
#   HOTLINE_DEBIAN_MIRROR   a Debian mirror (default: the one that apt uses already)
set -euo pipefail

die() { printf 'fetch.sh: %s\n' "$*" >&2; exit 1; }

version=${1:-22}
case $version in
22) suite=forky packages=(asterisk asterisk-core-sounds-en-wav asterisk-moh-opsound-wav) ;;
16) suite=bullseye packages=(asterisk asterisk-core-sounds-en-wav) ;;
*) die "there is no recipe for Asterisk $version; say 22 or 16" ;;
esac

cache=${HOTLINE_ASTERISK_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/hotline}
folder=$cache/asterisk-$version
recipe="1 $suite ${packages[*]}"
complete() { [ -x "$folder/root/usr/sbin/asterisk" ] && [ "$(cat "$folder/recipe" 2>/dev/null)" = "$recipe" ]; }

[ "${2:-}" != --path ] || { echo "$folder/root"; exit 0; }
complete && { echo "$folder/root"; exit 0; }

for tool in apt-get apt-cache dpkg-deb flock; do
	command -v "$tool" >/dev/null || die "$tool is missing: this works on Debian and its kin. Elsewhere install Asterisk 20 or 22 as usual and load what 'hotline asterisk config' writes."
done
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || die "$keyring is missing, without which packages cannot be checked: apt-get install debian-archive-keyring"
mkdir -p "$folder" || die "cannot write to $folder; set HOTLINE_ASTERISK_CACHE"

exec 9>"$folder/lock"
flock -n 9 || { echo "fetch.sh: another fetch is under way, waiting for it" >&2; flock 9; }
complete && { echo "$folder/root"; exit 0; }

mirror=${HOTLINE_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
	awk '$1 == "Debian" && $2 !~ /security/ && !n++ {print $2}')}
[ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
	awk '$1 !~ /security/ && $2 == "main" && !n++ {print $1}')
[ -n "$mirror" ] || die "apt knows no Debian mirror; set HOTLINE_DEBIAN_MIRROR"

apt=$folder/apt
mkdir -p "$apt"/state/lists/partial "$apt"/cache/archives/partial "$apt"/etc/preferences.d "$apt"/etc/apt.conf.d
: >"$apt/status"
echo "deb [signed-by=$keyring] $mirror $suite main" >"$apt/etc/sources.list"
# A mirror's snapshot may be past its date of validity; its signature is checked all the same.
cat >"$apt/apt.conf" <<END
Dir "$apt";
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc "$apt/etc";
Dir::Etc::sourcelist "$apt/etc/sources.list";
Dir::Etc::sourceparts "-";
APT::Install-Recommends "false";
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::Retries "3";
Debug::NoLocking "true";
DPkg::Post-Invoke {};
APT::Update::Post-Invoke {};
END
export APT_CONFIG=$apt/apt.conf

echo "fetch.sh: Asterisk $version from Debian $suite into $folder (about 110 MB to load)" >&2
apt-get -qq update >&2 || die "no package lists from $mirror: is the network there? What was loaded so far is kept; run this again."
apt-get -qq -y --download-only install "${packages[@]}" >&2 || die "the packages did not come from $mirror: run this again, it goes on where it stopped."

rm -rf "$folder/root.new"
mkdir "$folder/root.new"
for package in "$apt"/cache/archives/*.deb; do
	dpkg-deb -x "$package" "$folder/root.new" || { rm -f "$package"; die "$package was broken and is deleted: run this again."; }
done
[ -x "$folder/root.new/usr/sbin/asterisk" ] || die "the packages hold no usr/sbin/asterisk: this recipe does not fit $suite any more"
rm -rf "$folder/root"
mv "$folder/root.new" "$folder/root"
echo "$recipe" >"$folder/recipe"
rm -rf "$apt/cache/archives"
echo "$folder/root"
