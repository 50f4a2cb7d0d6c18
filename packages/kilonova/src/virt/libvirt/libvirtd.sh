#!/bin/sh
# Runs one daemon of libvirt on folders of its own: libvirtd.sh FOLDER PROGRAM [ARGUMENT...]
#
# The paths of the system's libvirtd are compiled in, so each installation sees its own folders there, in a mount
# namespace of its own. Called through `unshare --mount --propagation slave`; the daemon takes this process over.
set -eu
folder=$1
shift
for part in etc:/etc/libvirt lib:/var/lib/libvirt cache:/var/cache/libvirt log:/var/log/libvirt run:/run/libvirt; do
  mkdir -p "${part#*:}"
  mount --bind "$folder/${part%%:*}" "${part#*:}"
done
# libvirtd takes what it learned of QEMU for outdated, and learns it anew for seconds, when it starts on a processor that
# describes itself otherwise than the last one did. So it starts on the first one; who called us frees it when it answers.
first=$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')
exec taskset -c "$first" "$@"
