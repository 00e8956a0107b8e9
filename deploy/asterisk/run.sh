#!/usr/bin/env bash
# run.sh ROOT RUN [ARGUMENT …]: run the Asterisk that fetch.sh unpacked to ROOT, in the foreground, as any user.
#
# RUN/etc holds its configuration; RUN/etc/asterisk.conf must name folders below RUN and ROOT's modules, as 'hotline asterisk config'
# writes it. Its own loader and libraries are used, whatever the system has. Its console: run.sh ROOT RUN -rx 'core show channels'.
set -euo pipefail

[ $# -ge 2 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
root=$(realpath "$1") run=$(realpath "$2")
shift 2
[ $# -gt 0 ] || set -- -f

loader=
for try in "$root"/usr/lib64/ld-linux-*.so.2 "$root"/lib64/ld-linux-*.so.2 "$root"/usr/lib/*/ld-linux-*.so.? "$root"/lib/*/ld-*.so; do
	[ -f "$try" ] && [ -x "$try" ] && { loader=$try; break; }
done
[ -n "$loader" ] || { echo "run.sh: no loader below $root: fetch it again (deploy/asterisk/fetch.sh)" >&2; exit 1; }

libraries=
for folder in "$root"/usr/lib/*-linux-gnu* "$root"/lib/*-linux-gnu* "$root/usr/lib"; do
	[ -d "$folder" ] && libraries=$libraries${libraries:+:}$folder
done
exec "$loader" --library-path "$libraries" "$root/usr/sbin/asterisk" -C "$run/etc/asterisk.conf" "$@"
