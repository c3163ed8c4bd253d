#!/bin/sh
# dev.sh -- in a clone on a machine that has nothing: `make` says what to run; `make dev` comes to its lines; each of them, and
# those of the README, is pasted and gets the answer that stands above it. Ends with what was wrong, or with 0.
set -eu
said=$(mktemp -d)
fail() {
	echo "fresh-check: $1"
	[ ! -e "$said/dev" ] || tail -20 "$said/dev"
	exit 1
}

if make >"$said/make" 2>&1 || [ "$(wc -l <"$said/make")" != 1 ] || ! grep -q 'run ./deps.sh build' "$said/make"; then
	cat "$said/make"
	fail "make without dependencies did not say in one line what to run"
fi

start() { # start COMMAND: in a session of its own, until it says that it is ready
	setsid sh -c "$1" >"$said/dev" 2>&1 </dev/null &
	dev=$!
	for _ in $(seq 6000); do
		grep -q 'Ctrl-C ends it' "$said/dev" && return
		kill -0 $dev 2>/dev/null || return
		sleep 0.2
	done
	fail "it did not become ready in twenty minutes"
}
began=$(date +%s)
start "make dev"
if grep -q 'is taken by another program' "$said/dev"; then # then it names the command that helps
	instead=$(sed -n 's/.*: \(make dev DEV="[^"]*"\), .*/\1/p' "$said/dev")
	echo "fresh-check: port 8443 is taken here: $instead"
	start "$instead"
fi
grep -q 'Ctrl-C ends it' "$said/dev" || fail "make dev ended"
echo "fresh-check: make dev was ready after $(($(date +%s) - began)) s"
port=$(sed -n 's/^Sallyport is ready: https:..127.0.0.1:\([0-9]*\).*/\1/p' "$said/dev")

# the port and the state directory are others where 8443 was taken
grep -E '^    (#|  curl)' README.md | sed 's/^    //' >"$said/readme"
[ "$port" = 8443 ] || sed -i "s/:8443/:$port/g; s/:8444/:$((port + 1))/; s,sallyport/dev,sallyport/dev-$port,g; s/token mint/& --port $port/" "$said/readme"

paste() { # paste FILE: every line of it, with the status that is said above it
	status='' pasted=0
	while read -r line; do
		case $line in
		'#'*) status=$(echo "$line" | grep -oE '\b(200|401|403|429|503)\b' | head -1) ;;
		curl*)
			sh -c "$line" >"$said/answer" 2>&1 </dev/null || { cat "$said/answer"; fail "failed: $line"; }
			grep -qE "HTTP/[0-9.]+ $status" "$said/answer" || { cat "$said/answer"; fail "not $status: $line"; }
			echo "  $status  $line"
			pasted=$((pasted + 1))
			;;
		esac
	done <"$1"
	[ $pasted -ge 6 ] || fail "only $pasted lines to paste"
}
paste "$said/dev"
paste "$said/readme"
kill -TERM -$dev
wait $dev || true # ended by our signal
rm -rf "$said"
