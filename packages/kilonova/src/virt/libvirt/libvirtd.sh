#!/bin/sh
# Runs one daemon of libvirt on folders of its own: libvirtd.sh FOLDER INSTANCES PROGRAM [ARGUMENT...]
#
# The paths of the system's libvirtd are compiled in, so each installation sees its own folders there, in a mount
# namespace of its own. Called through `unshare --mount --propagation slave`; the daemon takes this process over.
set -eu
folder=$1
instances=$2
shift 2
for part in etc:/etc/libvirt lib:/var/lib/libvirt cache:/var/cache/libvirt log:/var/log/libvirt run:/run/libvirt; do
  mkdir -p "${part#*:}"
  mount --bind "$folder/${part%%:*}" "${part#*:}"
done
# Each guest's QEMU runs as a user that owns nothing but the guest's files, and must be able to walk to them. Where a folder
# on the way lets nobody through (somebody's home), only the way itself is seen here instead of it.
closed=
walk=$instances
while [ "$walk" != / ]; do
  [ $((0$(stat -c %a "$walk") & 1)) = 1 ] || closed=$walk
  walk=$(dirname "$walk")
done
if [ -n "$closed" ]; then
  cd "$instances"
  mount -t tmpfs -o mode=711,size=64k way "$closed"
  mkdir -p -m 711 "$instances"
  # Not by its name: that is the new one by now.
  mount --no-canonicalize --bind . "$instances"
  cd /
fi
# libvirtd takes what it learned of QEMU for outdated, and learns it anew for seconds, when it starts on a processor that
# describes itself otherwise than the last one did. So it starts on the first one; who called us frees it when it answers.
first=$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')
exec taskset -c "$first" "$@"
