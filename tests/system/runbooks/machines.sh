#!/usr/bin/env bash
#
# A homelab on one machine, for the runbooks: four nodes and more, each with a root of its own over
# this machine's (overlayfs, in memory), a host name, an address and a real sshd; the package of
# hlarchive installed by apt where it is wanted. In name spaces of its own, so that nothing is
# changed here and everything is gone when it ends.
#
#     machines.sh PACKAGE          then, on standard input, a line each:
#
#     new MACHINE [bare]           a machine; bare: the package lies in the home, not installed
#     reset                        all machines are gone
#     run MACHINE USER FOLDER      runs FOLDER/script there; writes FOLDER/output and FOLDER/code
#
# It answers "ready" to each. systemctl is an imitation, since no systemd runs in there: it keeps a
# log in /var/log/systemctl, and "start" of a service does what the unit's ExecStart= says as its
# User=. Everything else is the real thing.
set -euo pipefail

if [[ ${1:-} != --apart ]]; then
    exec unshare --mount --net --pid --fork --kill-child --propagation private \
        bash "$0" --apart "$(realpath "$1")"
fi
package=$2
top=$(mktemp -d /tmp/hlarchive-machines-XXXXXX)
mount -t tmpfs -o mode=755 tmpfs "$top"
ip link set lo up
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
unset "${!HLARCHIVE_@}"

addresses=(127.0.0.1:localhost 127.1.0.1:hub 127.1.0.2:pi4 127.1.0.3:pi5 127.1.0.4:nas 127.1.0.5:new)

# A root over others, with what a running machine has.
picture() {
    local name=$1 lower=$2
    mkdir -p "$top/$name"/{upper,work,root}
    mount -t overlay -o "lowerdir=$lower,upperdir=$top/$name/upper,workdir=$top/$name/work" \
        overlay "$top/$name/root"
    mount -t proc proc "$top/$name/root/proc"
    mount -t tmpfs -o mode=755 tmpfs "$top/$name/root/dev"
    # Devices of its own: nothing of this machine's /dev is reachable from here.
    local device
    for device in null:3 zero:5 full:7 random:8 urandom:9; do
        mknod -m 666 "$top/$name/root/dev/${device%:*}" c 1 "${device#*:}"
    done
    ln -s /proc/self/fd "$top/$name/root/dev/fd"
    ln -s /proc/self/fd/0 "$top/$name/root/dev/stdin"
    mount -t tmpfs -o mode=755 tmpfs "$top/$name/root/run"
    mount -t tmpfs -o mode=1777 tmpfs "$top/$name/root/tmp"
}

# Becomes a machine, in the words of bash -c.
# shellcheck disable=SC2016  # the inner shell expands it
become='hostname "$1" && shift && exec chroot "$@"'

on() {
    unshare --uts bash -c "$become" - "$1" "$top/$1/root" "${@:2}"
}

# What all machines have: an administrator who may become root and may emit, keys, a policy of ssh.
base() {
    picture base /
    local root=$top/base/root pair
    rm -rf "$root/opt/homelab" "$root/etc/hlarchive"
    for pair in "${addresses[@]}"; do echo "${pair%%:*} ${pair##*:}"; done >"$root/etc/hosts"
    echo 'admin ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/admin"
    cp "$package" "$root/var/cache/hlarchive.deb"
    install -m 0755 /dev/stdin "$root/usr/local/bin/systemctl" <<'EOF'
#!/bin/bash
echo "$*" >>/var/log/systemctl
[[ $1 == start ]] || exit 0
for unit in "${@:2}"; do
    [[ $unit == *.service ]] || continue
    instance=${unit#*@} && instance=${instance%.service}
    file=$(ls /etc/systemd/system/"${unit/@*/@.service}" /usr/lib/systemd/system/"${unit/@*/@.service}" 2>/dev/null | head -n 1)
    user=$(sed -n 's/^User=//p' "$file")
    while read -r line; do
        runuser -u "$user" -- bash -c "${line//%i/$instance}" || exit
    done < <(sed -e ':again' -e '/\\$/{N;s/\\\n//;b again' -e '}' "$file" | sed -n 's/^ExecStart=//p')
done
EOF
    on base bash -euo pipefail <<'EOF'
: >/var/log/systemctl
chmod 666 /var/log/systemctl
# This machine may be in the middle of an installation of its own.
dpkg --configure -a --force-all >/dev/null 2>&1 || true
dpkg --purge hlarchive
getent group events >/dev/null || groupadd --system events
useradd --create-home --shell /bin/bash --groups events admin
mkdir -p /home/admin/.ssh
rm -rf /root/.ssh
rm -f /etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
ssh-keygen -q -t ed25519 -N '' -f /home/admin/.ssh/id_ed25519
cp /home/admin/.ssh/id_ed25519.pub /home/admin/.ssh/authorized_keys
for name in hub pi4 pi5 nas new; do
    echo "$name $(cat /etc/ssh/ssh_host_ed25519_key.pub)"
done >/etc/ssh/ssh_known_hosts
chown -R admin:admin /home/admin
# What root made of backups, root fetches.
cp -r /home/admin/.ssh /root/ && chown -R root:root /root/.ssh
EOF
    umount -R -l "$root"
    picture ready "$top/base/upper:/"
    on ready apt-get install -y -q --no-install-recommends /var/cache/hlarchive.deb
    umount -R -l "$top/ready/root"
}

servers=()

new() {
    local name=$1 pair address lower=$top/ready/upper:$top/base/upper:/
    [[ ${2:-} != bare ]] || lower=$top/base/upper:/
    picture "$name" "$lower"
    for pair in "${addresses[@]}"; do
        [[ ${pair##*:} != "$name" ]] || address=${pair%%:*}
    done
    on "$name" install -m 0644 -o admin /var/cache/hlarchive.deb \
        /home/admin/hlarchive_0.1.0-1_amd64.deb
    mkdir "$top/$name/root/run/sshd"
    # Not by a function, so that $! is sshd itself.
    unshare --uts bash -c "$become" - "$name" "$top/$name/root" /usr/sbin/sshd -D -f /dev/null -o "ListenAddress=$address" -o UsePAM=yes \
        -E /var/log/sshd -o HostKey=/etc/ssh/ssh_host_ed25519_key -o PidFile=none \
        -o MaxStartups=100 -o 'Subsystem=sftp internal-sftp' &
    servers+=($!)
    # It is there when it answers, whatever it says.
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        ! on "$name" ssh-keyscan -T 1 "$name" >/dev/null 2>&1 || return 0
        sleep 0.05
    done
    return 1
}

reset() {
    local server name
    for server in "${servers[@]}"; do
        kill "$server"
        wait "$server" || true
    done
    servers=()
    for name in hub pi4 pi5 nas new; do
        ! mountpoint -q "$top/$name/root" || umount -R -l "$top/$name/root"
        # Out of the way; the memory goes with the name space.
        [[ ! -d $top/$name ]] || mv "$top/$name" "$top/gone-$SECONDS-$RANDOM-$name"
    done
}

run() {
    local name=$1 user=$2 folder=$3 code=0 home
    home=$([[ $user == root ]] && echo /root || echo "/home/$user")
    cp "$folder/script" "$top/$name/root/run/script"
    on "$name" runuser -u "$user" -- env -i "PATH=$PATH" "HOME=$home" "USER=$user" LC_ALL=C.UTF-8 \
        TERM=dumb bash -c 'cd && exec bash /run/script' \
        >"$folder/output" 2>&1 </dev/null || code=$?
    echo "$code" >"$folder/code"
}

base >&2
echo ready
while read -r word first second third; do
    case $word in
        new) new "$first" "$second" >&2 ;;
        reset) reset ;;
        run) run "$first" "$second" "$third" ;;
    esac
    echo ready
done
reset
umount -R -l "$top"
rmdir "$top"
