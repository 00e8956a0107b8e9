#!/usr/bin/env bash
# demo.sh: the product over Asterisk 22, both on loopback ports, both ended together (make run-asterisk).
#
# Asterisk is fetched into a cache, its configuration is rendered by bin/hotline from the demo's trunk, everything of it is below
# data/asterisk. Numbers 4000 and 4001 are then dialled at Asterisk: bin/hotline call --to sip:4000@127.0.0.1:5070
#
#   HOTLINE_DEMO_SIP, HOTLINE_DEMO_ARI   Asterisk's addresses (127.0.0.1:5070, 127.0.0.1:8099)
#   HOTLINE_DEMO_RTP                     its RTP ports (14000-15999)
# and every key of Hotline's own, such as HOTLINE_DATA_DIR.
set -euo pipefail
cd "$(dirname "$0")/../.."

sip=${HOTLINE_DEMO_SIP:-127.0.0.1:5070} ari=${HOTLINE_DEMO_ARI:-127.0.0.1:8099} rtp=${HOTLINE_DEMO_RTP:-14000-15999}
unset HOTLINE_DEMO_SIP HOTLINE_DEMO_ARI HOTLINE_DEMO_RTP

root=$(deploy/asterisk/fetch.sh 22)
mkdir -p "${HOTLINE_DATA_DIR:-data}/asterisk"
run=$(realpath "${HOTLINE_DATA_DIR:-data}/asterisk")
[ ${#run} -le 85 ] || { echo "demo.sh: the path $run is too long for Asterisk's control socket; set HOTLINE_DATA_DIR to a shorter one" >&2; exit 1; }
mkdir -p "$run"/{etc,lib/keys,data/sounds,data/moh/hotline,spool/recording,log,run}
for name in documentation rest-api; do ln -sfn "$root/usr/share/asterisk/$name" "$run/data/$name"; done
ln -sfn "$root/usr/share/asterisk/sounds/en_US_f_Allison" "$run/data/sounds/en"
ln -sfn "$root/usr/share/asterisk/moh/reno_project-system.wav" "$run/data/moh/music.wav"
modules=$(echo "$root"/usr/lib/*/asterisk/modules)

[ -s "$run/password" ] || (umask 077 && head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$run/password")
export HOTLINE_ASTERISK="demo=http://$ari" HOTLINE_ASTERISK_PASSWORD_FILE="$run/password"
bin/hotline asterisk config --demo --out "$run/etc" --base "$run" --modules "$modules" --ari "$ari" --sip "$sip" --rtp "$rtp" >"$run/log/config"
rm -rf "$run/data/sounds/hotline"
cp -r "$run/etc/sounds/hotline" "$run/data/sounds/hotline"

# In a session of its own: Ctrl-C is for Hotline, which ends its calls first.
setsid deploy/asterisk/run.sh "$root" "$run" -f -n >"$run/log/console" 2>&1 &
asterisk=$!
hotline=
finish() {
	trap '' INT TERM
	[ -z "$hotline" ] || kill -TERM "$hotline" 2>/dev/null || true
	[ -z "$hotline" ] || wait "$hotline" 2>/dev/null || true
	kill -TERM "$asterisk" 2>/dev/null || true
	wait "$asterisk" 2>/dev/null || true
	rm -f "$run/run/asterisk.ctl"
}
trap finish EXIT
trap : INT
trap '[ -z "$hotline" ] || kill -TERM "$hotline"' TERM

until deploy/asterisk/run.sh "$root" "$run" -rx 'core waitfullybooted' >/dev/null 2>&1; do
	kill -0 "$asterisk" 2>/dev/null || { echo "demo.sh: Asterisk does not start; the end of $run/log/console:" >&2; tail -n 5 "$run/log/console" >&2; exit 1; }
	sleep 0.1
done
echo "Asterisk 22 at $sip (SIP) and $ari (ARI), its log is $run/log/full; call it by: bin/hotline call --to sip:4000@$sip"
bin/hotline serve --demo &
hotline=$!
while kill -0 "$hotline" 2>/dev/null && kill -0 "$asterisk" 2>/dev/null; do
	wait -n "$hotline" "$asterisk" || true
done
if kill -0 "$hotline" 2>/dev/null; then
	echo "demo.sh: Asterisk has ended; the end of $run/log/console:" >&2
	tail -n 5 "$run/log/console" >&2
	exit 1
fi
status=0
wait "$hotline" || status=$?
hotline=
exit "$status"
