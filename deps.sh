#!/bin/sh
# deps.sh build|check|bench|profile|fresh -- installs what is missing from Debian or Ubuntu packages, and says so; silent where all is there.
# deps.sh look WHAT -- prints the packages that are missing for it, and changes nothing.
# Each thing is tried for what it is needed for: a header compiles and links, a command runs, a module can be imported.
set -eu
PATH=$PATH:/usr/sbin:/sbin # where servers lie, for people who are not root, too
policy=/usr/sbin/policy-rc.d
ours= # whether $policy is ours to remove
sudo=
tried=$(mktemp -d)
leave() {
	rm -rf "$tried"
	[ -z "$ours" ] || $sudo rm -f $policy
}
trap leave EXIT
trap 'exit 130' INT TERM HUP

# ---- what is there ----

lacks() { # lacks PACKAGE: it goes to the list, once
	case " $missing " in *" $1 "*) ;; *) missing="$missing $1" ;; esac
}
runs() { # runs PACKAGE COMMAND [ARGUMENT]...
	package=$1
	shift
	"$@" >/dev/null 2>&1 </dev/null || lacks "$package"
}
imports() { # imports PACKAGE MODULE, by the interpreter that packages install for
	/usr/bin/python3 -c "import $2" >/dev/null 2>&1 || lacks "$1"
}
reads() { # reads PACKAGE FILE, where the name ends with a star one of them
	for file in $2; do
		[ -r "$file" ] && return
	done
	lacks "$1"
}
compiles() { # compiles FUNCTION HEADER [FLAG]...: a program that uses the function of the header is built
	printf '#include <stdarg.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <setjmp.h>\n#include <%s>\nvoid *f[1];\nint main(void) { return (f[0] = (void *)%s) == NULL; }\n' \
		"$2" "$1" >"$tried/it.c"
	shift 2
	gcc "$tried/it.c" -o "$tried/it" "$@" >/dev/null 2>&1
}
links() { # links PACKAGE NAME HEADER FUNCTION: by the flags that pkg-config has for the name, as the Makefile does
	flags=$(pkg-config --cflags --libs "$2" 2>/dev/null) || { lacks "$1"; return; }
	# shellcheck disable=SC2086 # flags are words
	compiles "$4" "$3" $flags || lacks "$1"
}

look_compiler() {
	runs make make --version
	runs gcc gcc --version
	compiles printf stdio.h || lacks libc6-dev
	runs pkg-config pkg-config --version
}
look_build() {
	look_compiler
	runs openssl openssl version
	runs curl curl --version # the lines to paste
	links libevent-dev libevent_core event2/event.h event_base_new
	links libssl-dev openssl openssl/ssl.h SSL_new
	links libcurl4-openssl-dev libcurl curl/curl.h curl_easy_init
	links libnghttp2-dev libnghttp2 nghttp2/nghttp2.h nghttp2_version
	links libyaml-dev yaml-0.1 yaml.h yaml_parser_initialize
	links libjansson-dev jansson jansson.h json_object
	links libseccomp-dev libseccomp seccomp.h seccomp_init
	links libutf8proc-dev libutf8proc utf8proc.h utf8proc_version
	links libhiredis-dev hiredis hiredis/hiredis.h redisConnect
}
look_python() {
	runs python3 /usr/bin/python3 --version
	imports python3-pytest pytest
	imports python3-pytest-xdist xdist
	imports python3-httpx httpx
	imports python3-h2 h2.connection
	imports python3-websockets websockets
}
look_clang() {
	runs clang clang --version
	# libFuzzer is of the version that clang turned out to have, and a package of its own in some releases only
	fuzzer=libclang-rt-$(clang -dumpversion 2>/dev/null | cut -d. -f1)-dev
	echo 'int LLVMFuzzerTestOneInput(const char *a, unsigned long n) { return n && a[0] ? 0 : 0; }' >"$tried/it.c"
	if ! clang -fsanitize=fuzzer,address,undefined "$tried/it.c" -o "$tried/it" >/dev/null 2>&1 &&
		apt-cache show "$fuzzer" >/dev/null 2>&1; then
		lacks "$fuzzer"
	fi
}
look_check() {
	look_build
	compiles _cmocka_run_group_tests cmocka.h -lcmocka || lacks libcmocka-dev
	compiles printf stdio.h -fsanitize=address,undefined || lacks gcc
	look_python
	look_clang
	runs nghttp2-client nghttp --version
	runs jq jq --version
	runs redis-server redis-server --version
	runs redis-tools redis-cli --version
	runs nginx-light nginx -v
	runs lighttpd lighttpd -v
	runs mandoc command -v mandoc # has no option that ends with 0
	runs iproute2 ss --version
	runs procps ps --version
	runs git git --version
	runs valgrind valgrind --version
	runs binutils readelf --version
	case $(. /etc/os-release 2>/dev/null && echo "$ID$VERSION_ID") in # make format and its check: releases that have this version
	debian12 | ubuntu22.04 | ubuntu24.04) runs clang-format-14 clang-format-14 --version ;;
	esac
	case $(. /etc/os-release 2>/dev/null && echo "$ID$VERSION_ID") in
	ubuntu22.04) ;; # has no package of Caddy; its tests are skipped there
	*) runs caddy caddy version ;;
	esac
}
look_profile() {
	look_build
	runs linux-perf perf --version
}
look_bench() {
	look_build
	runs python3 /usr/bin/python3 --version
	runs redis-server redis-server --version
	runs redis-tools redis-cli --version
	runs nginx-light nginx -v
	runs haproxy haproxy -v
	runs wrk command -v wrk
	runs nghttp2-client h2load --version
	runs iproute2 ss --version
	runs procps ps --version
	reads libnginx-mod-http-lua /usr/lib/nginx/modules/ngx_http_lua_module.so
	reads lua-cjson /usr/share/lua/5.1/cjson/util.lua
	reads lua-luaossl /usr/share/lua/5.1/openssl/pkey.lua
}
look_fresh() {
	runs mmdebstrap mmdebstrap --version
	runs git git --version
	reads debian-archive-keyring "/usr/share/keyrings/debian-archive-keyring.*"
	runs util-linux unshare --version
	runs mount mount --version
}

# ---- what is not ----

install() { # install PACKAGE...
	echo "installing: $*"
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || { echo "not root and no sudo: install these packages yourself: $*" >&2; exit 1; }
		sudo=sudo
	fi
	command -v apt-get >/dev/null || { echo "no apt-get here: install the equivalents of these packages yourself: $*" >&2; exit 1; }
	# servers that come as packages must not be started by their installation: the tests start their own
	if [ -z "$ours" ] && [ ! -e $policy ]; then
		ours=yes
		printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
		$sudo chmod 755 $policy
	fi
	log=$(mktemp)
	if ! { $sudo apt-get update -q &&
		$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; } >"$log" 2>&1; then
		tail -20 "$log" >&2
		echo "installing failed; the whole log is in $log" >&2
		exit 1
	fi
	rm -f "$log"
}

what=${1:-build}
only=
[ "$what" != look ] || { only=yes; what=${2:-build}; }
case $what in
build | check | bench | profile | fresh) ;;
*) echo "usage: deps.sh [look] build|check|bench|profile|fresh" >&2; exit 2 ;;
esac
before=
while :; do
	missing=
	look_"$what"
	missing=${missing# }
	[ -n "$missing" ] || exit 0
	[ -z "$only" ] || { echo "$missing"; exit 0; }
	if [ "$missing" = "$before" ]; then
		echo "these packages are installed and still do not do what they are for: $missing" >&2
		exit 1
	fi
	before=$missing
	# shellcheck disable=SC2086 # packages are words
	install $missing
done
