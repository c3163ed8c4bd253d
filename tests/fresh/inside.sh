#!/bin/bash
# inside.sh TREE PACKAGES dev|check root|user -- run by fresh.sh in namespaces of its own, so that what is mounted and
# started here is gone with it.
set -euo pipefail
tree=$1 packages=$2 what=$3 who=$4
mount -t proc proc "$tree/proc"
mount -t sysfs -o ro sysfs "$tree/sys" 2>/dev/null || true # nothing needs it, some programs look
mount -t tmpfs -o mode=755 dev "$tree/dev"
for node in null zero full random urandom tty; do
	: >"$tree/dev/$node"
	mount --bind "/dev/$node" "$tree/dev/$node"
done
mkdir "$tree/dev/shm" "$tree/dev/pts"
mount -t tmpfs -o mode=1777 shm "$tree/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620 pts "$tree/dev/pts"
ln -s pts/ptmx "$tree/dev/ptmx"
for i in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${i%:*}" "$tree/dev/${i#*:}"; done
ln -s /proc/self/fd "$tree/dev/fd"
mount --bind "$packages" "$tree/var/cache/apt/archives"
enter=(env -i "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" LANG=C.UTF-8 "HOME=/root"
	${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} chroot "$tree")
clone=/root/sallyport
if [ "$who" = user ]; then
	"${enter[@]}" sh -c 'apt-get update -q && apt-get install -y -q --no-install-recommends sudo && useradd -m -s /bin/bash visitor &&
		echo "visitor ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/visitor && mv /root/sallyport /home/visitor &&
		chown -R visitor: /home/visitor/sallyport' >"$tree/user.log" 2>&1 || { tail "$tree/user.log"; exit 1; }
	clone=/home/visitor/sallyport
	enter+=(su - visitor -c)
else
	enter+=(sh -c)
fi
case $what in
dev) "${enter[@]}" "cd $clone && sh tests/fresh/dev.sh" ;;
check) "${enter[@]}" "cd $clone && make check" ;;
esac </dev/null
