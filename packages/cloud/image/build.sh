#!/usr/bin/env bash
# Builds the demo image from Debian packages alone: build.sh OUT_DIR makes OUT_DIR/demo.qcow2, unless it is there already.
#
# The guest is a Debian cloud kernel, busybox and dropbear with the scripts in root/ and initramfs/: small enough for
# 192 MiB, and quick to boot without KVM. Neither root nor loop devices are needed. Packages that only the guest needs are
# downloaded into OUT_DIR/.packages and taken apart, never installed.
# Layout: MBR; a FAT partition with syslinux, kernel and initramfs; an ext4 root, last, so that it can grow.
# Exit codes: 0 built or there already, 2 wrong use, 12 a package cannot be had, 14 the disk is full, 1 anything else.
set -euo pipefail
umask 022
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PATH=$PATH:/usr/sbin:/sbin
[ $# = 1 ] || { echo 'usage: build.sh OUT_DIR' >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)

BOOT_MB=20
ROOT_MB=24
KERNEL_OPTIONS='console=tty0 console=ttyS0,115200 quiet panic=10 mitigations=off nokaslr no_timer_check audit=0
  random.trust_cpu=on cryptomgr.notests 8250.nr_uarts=4 i8042.noaux
  swiotlb=2048 memhp_default_state=online_movable'
# Drivers the guest may need, and the two that reach the root in nearly every guest.
ROOT_DRIVERS='virtio_pci virtio_blk'
OTHER_ROOT_DRIVERS='virtio_scsi sd_mod ata_piix'
DRIVERS="$ROOT_DRIVERS $OTHER_ROOT_DRIVERS virtio_net virtio_balloon virtio_console virtio_rng virtio_mem sr_mod button evdev
  isofs vfat nls_cp437 nls_iso8859_1 nls_ascii nls_utf8"

version=$(cd "$here" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
is_built() { [ -s "$out/demo.qcow2" ] && [ "$(cat "$out/demo.version" 2>/dev/null)" = "$version" ]; }
is_built && exit 0

exec 9>"$out/.lock"
flock 9
is_built && exit 0

work=$(mktemp -d "$out/.build.XXXXXX")
ended() {
  local code=$?
  [ "$code" = 0 ] || [ "$(df --output=avail -k "$out" | tail -n 1)" -gt 1024 ] || { echo 'demo image: the disk is full' >&2; code=14; }
  rm -rf "$work"
  exit "$code"
}
trap ended EXIT
trap 'exit 130' INT TERM HUP
say() { echo "demo image: $*"; }

# unpack PACKAGE DIR: the newest package of that name that this machine's package lists know.
unpack() {
  local file
  mkdir -p "$out/.packages/partial" "$2"
  for attempt in 1 2; do
    file=$(cd "$work" && apt-get -q "${apt_options[@]}" --print-uris download "$1" 2>/dev/null | awk '{print $2}')
    if [ -n "$file" ]; then
      [ -s "$out/.packages/$file" ] || {
        (cd "$out/.packages/partial" && apt-get -q "${apt_options[@]}" download "$1") && mv "$out/.packages/partial/$file" "$out/.packages/"
      }
      [ -s "$out/.packages/$file" ] && dpkg-deb -x "$out/.packages/$file" "$2" && return
    fi
    # Lists that are missing, or so old that the file is gone from the mirror.
    [ "$attempt" = 2 ] || { [ "$(id -u)" = 0 ] && apt-get -q -o DPkg::Lock::Timeout=600 update || sudo -n apt-get -q update || :; } >"$work/update.log" 2>&1
  done
  say "the Debian package $1 cannot be downloaded" >&2
  exit 12
}
apt_options=(-o Acquire::Retries=3)
[ "$(id -u)" != 0 ] || apt_options+=(-o APT::Sandbox::User=root)

# with_libraries DIR FILE...: copies this machine's programs, and the libraries they load, to the same places in DIR.
with_libraries() {
  local dir=$1 file library
  shift
  for file in "$@"; do
    install -D -m 755 "$file" "$dir$file"
    ldd "$file" | grep -o '/[^ ]*' | while read -r library; do install -D -m 755 "$library" "$dir$library"; done
  done
}

# applets DIR: busybox under all its names. One setuid binary: it gives the right up again in all applets but su and the like.
applets() {
  local name
  mkdir -p "$1"/{bin,sbin}
  install -m 4755 "$busybox" "$1/bin/busybox"
  for name in $("$busybox" --list); do
    case $name in
      busybox | dpkg | dpkg-deb | rpm) ;;
      init | getty | acpid | modprobe | mdev | udhcpc | ip) [ -e "$1/sbin/$name" ] || ln -s ../bin/busybox "$1/sbin/$name" ;;
      *) [ -e "$1/bin/$name" ] || ln -s busybox "$1/bin/$name" ;;
    esac
  done
}

say 'downloading the kernel'
metapackage=linux-image-cloud-amd64
kernel_package() { apt-cache depends --important $metapackage 2>/dev/null | awk '$1 == "Depends:" {print $2; exit}'; }
[ -n "$(kernel_package)" ] || { [ "$(id -u)" != 0 ] || apt-get -q -o DPkg::Lock::Timeout=600 update >"$work/update.log" 2>&1 || :; }
[ -n "$(kernel_package)" ] || { say "the package lists know no $metapackage" >&2; exit 12; }
unpack "$(kernel_package)" "$work/kernel"
unpack busybox-static "$work/busybox"
busybox=$work/busybox/bin/busybox
release=$(ls "$work/kernel/lib/modules")

say 'making the initramfs'
depmod -b "$work/kernel" "$release"
# closure DRIVER...: the module files to load, in order, relative to the modules' folder.
closure() {
  local driver
  for driver in "$@"; do modprobe -d "$work/kernel" -S "$release" -D "$driver"; done |
    awk '$1 == "insmod" && !seen[$2]++ {print $2}' | sed "s|^.*/$release/||"
}
early=$work/initramfs
mkdir -p "$early"/{dev,proc,sys,newroot,lib/modules}
cp "$here/initramfs/init" "$early/init"
applets "$early"
closure $ROOT_DRIVERS >"$work/virtio.paths"
closure $ROOT_DRIVERS $OTHER_ROOT_DRIVERS | grep -vxFf "$work/virtio.paths" >"$work/others.paths"
for list in virtio others; do
  while read -r path; do
    cp "$work/kernel/lib/modules/$release/$path" "$early/lib/modules/"
    echo "${path##*/}" >>"$early/lib/modules/$list.list"
  done <"$work/$list.paths"
done
(cd "$early" && find . -print0 | LC_ALL=C sort -z | cpio -0 -o -H newc -R 0:0 --quiet) | lz4 -l -9 -q >"$work/initrd"

say 'making the root file system'
root=$work/root
mkdir -p "$root"/{bin,sbin,dev,proc,sys,run,tmp,root,media,mnt,etc/dropbear,home/demo/.ssh,var/lib,var/log}
cp -a "$here/root/." "$root/"
chmod -R u=rwX,go=rX "$root"
applets "$root"
closure $DRIVERS | while read -r path; do
  install -D -m 644 "$work/kernel/lib/modules/$release/$path" "$root/lib/modules/$release/$path"
done
cp "$work/kernel/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$root/lib/modules/$release/"
depmod -b "$root" "$release"
with_libraries "$root" /usr/sbin/dropbear /usr/bin/dropbearkey /usr/sbin/resize2fs
password=$(openssl passwd -6 -salt kilonovademo kilonova)
printf '%s\n' root:x:0:0:root:/root:/bin/sh "demo:x:1000:1000:demo:/home/demo:/bin/sh" >"$root/etc/passwd"
printf '%s\n' root::19000:0:99999:7::: "demo:$password:19000:0:99999:7:::" >"$root/etc/shadow"
printf '%s\n' root:x:0: tty:x:5: demo:x:1000: >"$root/etc/group"
echo /bin/sh >"$root/etc/shells"
: >"$root/etc/securetty"
echo demo >"$root/etc/hostname"
echo '127.0.0.1 localhost' >"$root/etc/hosts"
ln -s /proc/mounts "$root/etc/mtab"
chmod 640 "$root/etc/shadow"
chmod 700 "$root/root" "$root/home/demo" "$root/home/demo/.ssh"
chmod 1777 "$root/tmp"

say 'making the disk'
disk=$work/disk
truncate -s $((1 + BOOT_MB + ROOT_MB))M "$disk"
sfdisk -q "$disk" <<LAYOUT
label: dos
start=2048, size=$((BOOT_MB * 2048)), type=e, bootable
start=$((2048 + BOOT_MB * 2048)), size=$((ROOT_MB * 2048)), type=83
LAYOUT
dd if=/usr/lib/syslinux/mbr/mbr.bin of="$disk" bs=440 count=1 conv=notrunc status=none
export MTOOLS_SKIP_CHECK=1
boot="$disk@@1M"
mformat -i "$boot" -T $((BOOT_MB * 2048)) -h 255 -s 63 -H 2048 ::
syslinux --install --offset $((1024 * 1024)) "$disk"
printf '%s\n' 'serial 0 115200' 'default demo' 'prompt 0' 'label demo' '  kernel /vmlinuz' \
  "  append initrd=/initrd $(echo $KERNEL_OPTIONS)" >"$work/syslinux.cfg"
cp "$work/kernel/boot/vmlinuz-$release" "$work/vmlinuz"
mcopy -i "$boot" "$work/syslinux.cfg" "$work/vmlinuz" "$work/initrd" ::
# Owners are set here rather than by chown, which would need root; room is kept for growing to half a terabyte.
truncate -s ${ROOT_MB}M "$work/root.ext4"
mke2fs -q -t ext4 -b 4096 -m 0 -I 256 -E "root_owner=0:0,resize=134217728" -d "$root" -F "$work/root.ext4"
(cd "$root" && find . -mindepth 1 | sed 's|^\.||') | while read -r path; do
  owner=0
  case $path in /home/demo | /home/demo/*) owner=1000 ;; esac
  printf 'sif %s uid %s\nsif %s gid %s\n' "$path" $owner "$path" $owner
done >"$work/owners"
debugfs -w -f "$work/owners" "$work/root.ext4" >/dev/null 2>"$work/debugfs.log"
dd if="$work/root.ext4" of="$disk" bs=1M seek=$((1 + BOOT_MB)) conv=notrunc,sparse status=none

say 'compressing it'
qemu-img convert -c -O qcow2 "$disk" "$work/demo.qcow2"
rm -f "$out/demo.version"
mv -f "$work/demo.qcow2" "$out/demo.qcow2"
echo "$version" >"$out/demo.version"
say "built: $(($(stat -c %s "$out/demo.qcow2") / 1048576)) MiB, kernel $release"
