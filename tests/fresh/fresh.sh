#!/bin/bash
# fresh.sh [12-dev|12-check|13-dev|13-check]... -- the README's two commands on machines that have nothing: for each form a
# minimal tree of that Debian (minbase, git, make, ca-certificates) is unpacked, the repository (what is committed) is cloned
# into it, and the command is run there. dev: `make` must say what to run, then `make dev` must come to its first good
# answers, once as root and once as a user with sudo. check: `make check`.
# Trees and packages are kept in $FRESH_CACHE (default ~/.cache/sallyport-fresh); FRESH_MIRROR is where they come from.
# Where this machine lets nobody make such trees it ends with 1, under FRESH_MAY_SKIP=1 with 0; it says why.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${FRESH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sallyport-fresh}
mirror=${FRESH_MIRROR:-http://deb.debian.org/debian}
forms=("$@")
[ $# -gt 0 ] || forms=(12-dev 12-check 13-dev 13-check)
unset WERROR MAKEFLAGS MFLAGS MAKELEVEL # of the make that called us

cannot() {
	echo "make fresh-check: not run: $1"
	[ -n "${FRESH_MAY_SKIP:-}" ] || exit 1
	exit 0
}

for form in "${forms[@]}"; do
	[[ $form =~ ^1[23]-(dev|check)$ ]] || { echo "fresh.sh: no form $form; there are 12-dev 12-check 13-dev 13-check" >&2; exit 2; }
done
if [ "$(id -u)" != 0 ]; then
	sudo -n true 2>/dev/null || cannot "only root may make a tree of its own, and sudo asks for a password here"
	exec sudo -E "$0" "$@"
fi
"$root/deps.sh" fresh || cannot "mmdebstrap is missing and could not be installed"
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
work=$(mktemp -d /var/tmp/sallyport-fresh.XXXXXX)
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM HUP
chmod 755 "$work"
alone=(unshare --mount --pid --fork --kill-child --propagation private)
mkdir "$work/probe"
"${alone[@]}" sh -c "mount -t proc proc '$work/probe' && mount --bind /dev/null /dev/null && chroot / true" 2>/dev/null ||
	cannot "mounting or chroot is not permitted on this machine"

base() { # base RELEASE: the tree as it comes, made anew each week
	local tar=$cache/debian-$1.tar name
	[ "$1" = 12 ] && name=bookworm || name=trixie
	[ -z "$(find "$cache" -maxdepth 1 -type f -name "debian-$1.tar" -mtime -7)" ] || return 0
	echo "fresh-check: making a minimal tree of Debian $1"
	rm -rf --one-file-system "$tar" "$tar.new"
	mmdebstrap --quiet --format=tar --variant=minbase --include=git,make,ca-certificates "$name" "$tar.new" "$mirror" >"$tar.log" 2>&1 || {
		tail -5 "$tar.log"
		cannot "a minimal Debian $1 cannot be made from $mirror"
	}
	mv "$tar.new" "$tar"
}

unpack() { # unpack RELEASE
	tree=$(mktemp -d "$work/tree.XXX")
	chmod 755 "$tree"
	tar -C "$tree" -xf "$cache/debian-$1.tar" --exclude='./dev/*'
	cp -L /etc/resolv.conf "$tree/etc/resolv.conf"
	printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s\n' "$(hostname)" >"$tree/etc/hosts"
	GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' \
		git clone -q --no-hardlinks "$root" "$tree/root/sallyport"
	mkdir -p "$cache/debian-$1-packages"
}

run() { # run FORM WHO: one command in one new tree
	local began=$SECONDS result=passed
	unpack "${1%-*}"
	echo "fresh-check: $1 as $2"
	"${alone[@]}" "$here/inside.sh" "$tree" "$cache/debian-${1%-*}-packages" "${1#*-}" "$2" || { result=failed; failed=$((failed + 1)); }
	[ $result = failed ] || passed=$((passed + 1))
	table+=$(printf '%-10s %-6s %-7s %5s s' "$1" "$2" "$result" $((SECONDS - began)))$'\n'
	rm -rf --one-file-system "$tree"
}

git -C "$root" diff --quiet HEAD 2>/dev/null || echo "fresh-check: what is not committed is not tried"
table="" passed=0 failed=0
for form in "${forms[@]}"; do
	base "${form%-*}"
	case $form in
	*-dev) run "$form" root; run "$form" user ;;
	*) run "$form" root ;;
	esac
done
printf '\nform       as     result  seconds\n%s' "$table"
echo "fresh-check: $passed passed, $failed failed"
[ $failed = 0 ]
