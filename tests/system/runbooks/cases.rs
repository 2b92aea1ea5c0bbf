//! How each runbook finds its machines, and what must be true when it is through.

use super::homelab::Homelab;

pub(super) struct Case {
    pub(super) title: &'static str,
    pub(super) machines: &'static [&'static str],
    /// Whether the machines are without hlarchive.
    pub(super) bare: bool,
    pub(super) before: fn(&mut Homelab),
    pub(super) after: fn(&mut Homelab),
}

pub(super) const CASES: &[Case] = &[
    Case {
        title: "1. Three nodes and a hub, from nothing",
        machines: &["hub", "pi4", "pi5", "nas"],
        bare: true,
        before: |_| {},
        after: |lab| {
            let all = lab.history("hub");
            for node in ["hub", "pi4", "pi5", "nas"] {
                let wanted = format!("\"node\":\"{node}\"");
                assert!(all.iter().any(|line| line.contains(&wanted)), "{node}: {all:?}");
            }
            let asked = lab.ok("hub", "admin", "cat /var/log/systemctl");
            assert!(asked.contains("enable --now hlarchive-sync@pi4.timer"), "{asked}");
        },
    },
    Case {
        title: "2. The disk is full",
        machines: &["hub"],
        bare: false,
        before: |lab| {
            lab.ok("hub", "root", "mount -t tmpfs -o size=900k,mode=755 tmpfs /opt/homelab");
            lab.ok("hub", "root", "systemd-tmpfiles --create hlarchive.conf");
            // Archived so long ago that they may expire (retain.grace).
            emit(lab, "hub", "2024-03-{01..02}", &["pi4"], 30);
            let rotate = "runuser -u hlarchive -- \\\n\
                          hlarchive rotate --now $(date -u -d '40 days ago' +%FT03:00:00Z)";
            lab.ok("hub", "root", rotate);
            for days in ["2026-05-{01..02}", "2026-05-{03..04}"] {
                emit(lab, "hub", days, &["pi4"], 30);
                lab.ok("hub", "root", "systemctl start hlarchive.service");
            }
            // Until nothing fits any more.
            let fill = "day=$(date -u -d yesterday +%FT%T.%NZ)\n\
                        while hlarchive emit -q node_online --timestamp \"$day\"; do :; done; :";
            lab.ok("hub", "admin", fill);
            keep(lab, "hub", "| grep -v '\"timestamp\":\"2024'");
        },
        after: |lab| {
            assert_kept(lab, "hub");
            let all = lab.history("hub");
            assert!(!all.iter().any(|line| line.contains("\"timestamp\":\"2024")));
        },
    },
    Case {
        title: "3. The archive's disk is lost",
        machines: &["hub", "pi4", "nas"],
        bare: false,
        before: |lab| {
            introduce(lab);
            let mount = "echo 'tmpfs /opt/homelab/events-archive tmpfs \
                         mode=750,uid=hlarchive,gid=events 0 0' >>/etc/fstab\n\
                         mount /opt/homelab/events-archive";
            lab.ok("hub", "root", mount);
            emit(lab, "pi4", "2026-05-{01..06}", &["pi4"], 20);
            emit(lab, "hub", "2026-05-{01..03}", &["hub"], 20);
            lab.ok("hub", "root", SYNC);
            archive_and_back_up(lab);
            // Since the backup: a day of pi4's that only the lost disk had archived.
            emit(lab, "pi4", "2026-05-{07..08}", &["pi4"], 20);
            lab.ok("hub", "root", SYNC);
            lab.ok("hub", "root", "systemctl start hlarchive.service");
            keep(lab, "hub", "");
            lab.ok("hub", "root", "umount /opt/homelab/events-archive");
        },
        after: |lab| {
            assert_kept(lab, "hub");
            lab.ok("hub", "admin", "mountpoint /opt/homelab/events-archive && hlarchive verify");
        },
    },
    Case {
        title: "4. A segment is damaged",
        machines: &["hub", "nas"],
        bare: false,
        before: |lab| {
            emit(lab, "hub", "2026-05-{15..17}", &["pi4", "nas"], 40);
            archive_and_back_up(lab);
            keep(lab, "hub", "");
            let flip = "cd /opt/homelab/events-archive/2026\n\
                        old=$(od -An -tu1 -j 300 -N 1 2026-05-16.tar.zst)\n\
                        printf \"\\\\x$(printf %x $((old ^ 1)))\" |\n\
                        dd of=2026-05-16.tar.zst bs=1 seek=300 conv=notrunc status=none";
            lab.ok("hub", "root", flip);
        },
        after: |lab| {
            assert_kept(lab, "hub");
            lab.ok("hub", "admin", "hlarchive verify && test ! -e ~/archive-as-found");
        },
    },
    Case {
        title: "5. A node is back after weeks",
        machines: &["hub", "pi4"],
        bare: false,
        before: |lab| {
            emit(lab, "hub", "2026-05-{01..20}", &["hub"], 10);
            lab.ok("hub", "root", "systemctl start hlarchive.service");
            emit(lab, "pi4", "2026-05-{01..20}", &["pi4"], 15);
            introduce(lab);
            // It archived a part of them before its network went.
            lab.ok("pi4", "root", "runuser -u hlarchive -- hlarchive rotate --date 2026-05-01");
        },
        after: |lab| {
            let (hub, pi4) = (lab.history("hub"), lab.history("pi4"));
            assert_eq!(pi4, hub);
            assert_eq!(hub.len(), 20 * (10 + 15) + 20);
            let find = "find /opt/homelab/events -type f ! -name .hlarchive-archive";
            let live = lab.ok("hub", "admin", find);
            assert_eq!(live, "");
        },
    },
    Case {
        title: "6. A lawyer asks for sixteen days",
        machines: &["hub", "new"],
        bare: false,
        before: |lab| {
            emit(lab, "hub", "2026-04-{28..30}", &["pi4", "nas"], 10);
            emit(lab, "hub", "2026-05-{01..18}", &["pi4", "nas"], 10);
            lab.ok("hub", "root", "systemctl start hlarchive.service");
            // Last night, which is still live, and today.
            let night = "hlarchive emit -q node_offline --node pi5 \\\n\
                         --timestamp $(date -u -d yesterday +%FT%TZ)\n\
                         hlarchive emit -q node_online --node pi5";
            lab.ok("hub", "admin", night);
        },
        after: |lab| {
            let list = "hlarchive list --since 2026-05-01 --until 2026-05-16 -o path | sort";
            let wanted = lab.ok("hub", "admin", list);
            assert_eq!(wanted.lines().count(), 16 * 20);
            let given = "cd case-4711/events && find 2026-05-* -name '*.json' | sort";
            assert_eq!(lab.ok("new", "admin", given), wanted);
            let night = "find case-4711/events -name '*_node_offline_*' -o -name '*_node_online_*' |\n\
                         grep -c /pi5/";
            assert_eq!(lab.ok("new", "admin", night).trim(), "2");
            let holds = lab.ok("hub", "admin", "hlarchive hold list");
            assert!(holds.contains("case 4711"), "{holds}");
        },
    },
    Case {
        title: "7. To a new machine",
        machines: &["hub", "new"],
        bare: false,
        before: |lab| {
            emit(lab, "hub", "2026-05-{01..06}", &["pi4", "nas"], 20);
            lab.ok("hub", "root", "systemctl start hlarchive.service");
            emit(lab, "hub", "2026-05-{05..07}", &["pi5"], 20);
            lab.ok(
                "hub",
                "root",
                "printf '\\n[events]\\ntypes = [\"mine\"]\\n' >>/etc/hlarchive/policy.toml",
            );
        },
        after: |lab| {
            let (old, new) = (lab.history("hub"), lab.history("new"));
            assert!(!old.is_empty() && old.iter().all(|line| new.contains(line)));
            let owner = lab.ok("new", "admin", "stat -c %U:%G /opt/homelab/events-archive/2026");
            assert_eq!(owner, "hlarchive:hlarchive\n");
            let policy = lab.ok("new", "admin", "hlarchive policy show -q");
            assert!(policy.contains("mine"), "{policy}");
        },
    },
];

/// Events of these days (a brace expansion) and nodes, by the administrator; and some of last
/// month, or else the clock would look as if it had jumped.
fn emit(lab: &mut Homelab, machine: &str, days: &str, nodes: &[&str], per_day: u32) {
    let script = format!(
        "for day in {days}; do for node in {nodes}; do for ((n = 0; n < {per_day}; n++)); do\n\
         printf '{{\"type\":\"node_online\",\"node\":\"%s\",\"timestamp\":\"%sT%02d:%02d:00Z\",\
         \"payload\":{{\"noise\":\"%s\"}}}}\\n' \
         $node $day $((n / 60)) $((n % 60)) \"$(head -c 300 /dev/urandom | base64 -w0)\"\n\
         done; done; done | hlarchive emit --batch >/dev/null\n\
         for ((n = 30; n < 40; n++)); do hlarchive emit -q node_online --node lately \\\n\
         --timestamp $(date -u -d \"$n days ago\" +%FT%TZ); done",
        nodes = nodes.join(" ")
    );
    lab.ok(machine, "admin", &script);
}

const SYNC: &str = "runuser -u hlarchive -- hlarchive sync -q pi4:/opt/homelab/events";

/// What the first runbook has set up: the hub's user may read what pi4 has.
fn introduce(lab: &mut Homelab) {
    let user = "useradd --system --create-home --groups events --shell /bin/sh events-sync\n\
                install -D -m 0644 /root/.ssh/authorized_keys \
                /home/events-sync/.ssh/authorized_keys";
    lab.ok("pi4", "root", user);
    let key = "install -m 0600 -o hlarchive /root/.ssh/id_ed25519 /etc/hlarchive/sync.key\n\
               printf 'Match localuser hlarchive\\n User events-sync\\n IdentityFile %s\\n' \
               /etc/hlarchive/sync.key >/etc/ssh/ssh_config.d/hlarchive.conf";
    lab.ok("hub", "root", key);
}

/// What a machine has now, and must have in the end.
fn keep(lab: &mut Homelab, machine: &str, filter: &str) {
    let all = "hlarchive list -q --since 2000-01-01 -o ndjson";
    let script = format!("{all} {filter} | sed 's/,\"_segment\".*/}}/' | sort >/var/tmp/kept\n");
    lab.ok(machine, "root", &script);
}

#[track_caller]
fn assert_kept(lab: &mut Homelab, machine: &str) {
    let kept = lab.ok(machine, "root", "cat /var/tmp/kept");
    let now = lab.history(machine);
    let lost: Vec<&str> =
        kept.lines().filter(|line| !now.iter().any(|other| other == line)).collect();
    assert!(!kept.is_empty() && lost.is_empty(), "{} of {} lost", lost.len(), kept.lines().count());
}

/// The night's service, and then the backup of the hub's archive on the nas, with its head.
fn archive_and_back_up(lab: &mut Homelab) {
    lab.ok("hub", "root", "systemctl start hlarchive.service");
    let backup = "ssh nas mkdir -p /backup\n\
                  rsync -a /opt/homelab/events-archive/ nas:/backup/events-archive/\n\
                  hlarchive manifest head | ssh nas 'cat >>/backup/heads; chmod -R a+rX /backup'";
    lab.ok("hub", "root", backup);
}
