#!/bin/sh
# deps.sh build|check|bench|profile -- installs what is missing from Debian or Ubuntu packages, and says so; silent where all is there.
set -eu
PATH=$PATH:/usr/sbin:/sbin # where servers lie, for people who are not root, too
want() { # want COMMAND|pc:NAME|py:MODULE|file:PATH PACKAGE: adds PACKAGE where the first is not there
	case $1 in
	pc:*) pkg-config --exists "${1#pc:}" 2>/dev/null || missing="$missing $2" ;;
	py:*) /usr/bin/python3 -c "import ${1#py:}" 2>/dev/null || missing="$missing $2" ;;
	file:*) [ -e "${1#file:}" ] || missing="$missing $2" ;;
	*) command -v "$1" >/dev/null 2>&1 || missing="$missing $2" ;;
	esac
}
missing=
want gcc gcc; want make make; want pkg-config pkg-config; want openssl openssl
want pc:libevent_core libevent-dev; want pc:openssl libssl-dev; want pc:libcurl libcurl4-openssl-dev
want pc:libnghttp2 libnghttp2-dev; want pc:yaml-0.1 libyaml-dev; want pc:jansson libjansson-dev
want pc:libseccomp libseccomp-dev; want pc:hiredis libhiredis-dev
case ${1:-build} in
check)
	want pc:cmocka libcmocka-dev; want clang clang; want curl curl; want nghttp nghttp2-client; want jq jq
	want redis-server redis-server; want nginx nginx-light; want /usr/bin/python3 python3; want py:pytest python3-pytest; want py:xdist python3-pytest-xdist; want py:httpx python3-httpx
	want py:h2 python3-h2; want py:websockets python3-websockets; want mandoc mandoc; want ss iproute2; want ps procps; want git git
	case $(. /etc/os-release 2>/dev/null && echo "$ID$VERSION_ID") in
	ubuntu22.04) ;; # has no package of Caddy; its tests are skipped there
	*) want caddy caddy ;;
	esac
	want valgrind valgrind; want readelf binutils
	;;
profile)
	want perf linux-perf
	;;
bench)
	want redis-server redis-server; want redis-cli redis-tools; want nginx nginx-light; want haproxy haproxy; want wrk wrk; want h2load nghttp2-client; want /usr/bin/python3 python3
	want ss iproute2; want ps procps; want openssl openssl
	want file:/usr/lib/nginx/modules/ngx_http_lua_module.so libnginx-mod-http-lua
	want file:/usr/share/lua/5.1/cjson/util.lua lua-cjson; want file:/usr/share/lua/5.1/openssl/pkey.lua lua-luaossl
	;;
esac
sudo=
policy=/usr/sbin/policy-rc.d
apt() { # apt: installs $missing, if any
	[ -n "$missing" ] || return 0
	echo "installing:$missing"
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || { echo "not root and no sudo: install these packages yourself:$missing" >&2; exit 1; }
		sudo=sudo
	fi
	command -v apt-get >/dev/null || { echo "no apt-get here: install the equivalents of these packages yourself:$missing" >&2; exit 1; }
	# servers that come as packages must not be started by their installation: the tests start their own
	[ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null; $sudo chmod 755 $policy; trap '$sudo rm -f $policy' EXIT; }
	log=$(mktemp)
	if ! { $sudo apt-get update -q && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing; } >"$log" 2>&1; then
		tail -20 "$log" >&2
		echo "installing failed; the whole log is in $log" >&2
		exit 1
	fi
	rm -f "$log"
	missing=
}
apt
[ "${1:-build}" = check ] || exit 0
# libFuzzer is of the version that clang turned out to have, and a package of its own in some releases only
runtime=libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev
if ! ls "$(clang -print-resource-dir)"/lib/linux/libclang_rt.fuzzer-*.a >/dev/null 2>&1 && apt-cache show "$runtime" >/dev/null 2>&1; then
	missing=" $runtime"
	apt
fi
