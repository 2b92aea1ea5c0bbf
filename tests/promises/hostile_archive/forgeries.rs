//! Segments that an attacker might plant.

use hlarchive::Date;

use crate::forge::{
    assemble, compress, event_of, header, honest, index, link, member, seek_table, with_tar,
};

/// The name of an attacker's segment in a failure, and its bytes for a day.
pub(super) type Forged = (&'static str, Box<dyn Fn(Date) -> Vec<u8>>);

fn forged(what: &'static str, bytes: impl Fn(Date) -> Vec<u8> + 'static) -> Forged {
    (what, Box::new(bytes))
}

fn tar_with(what: &'static str, tar: impl Fn(Date) -> Vec<u8> + 'static) -> Forged {
    forged(what, move |day| with_tar(day, &tar(day)))
}

/// Members that try to get out, or to be something else than a file.
pub(super) fn members() -> Vec<Forged> {
    let name = |day: Date| format!("{day}/pi4/x.json");
    let pax = |record: &str| member("PaxHeader", b'x', record.as_bytes());
    vec![
        tar_with("a way up", |_| member("../../outside/x.json", b'0', b"{}")),
        tar_with("a way up inside", |day| {
            member(&format!("{day}/../../outside/x.json"), b'0', b"{}")
        }),
        tar_with("a node that is a way up", |day| member(&format!("{day}/../x.json"), b'0', b"{}")),
        tar_with("an absolute name", |_| member("/tmp/hlarchive-escaped/x.json", b'0', b"{}")),
        tar_with("a level too much", |day| member(&format!("{day}/pi4/a/x.json"), b'0', b"{}")),
        tar_with("a level too few", |day| member(&format!("{day}/x.json"), b'0', b"{}")),
        tar_with("a hidden name", |day| member(&format!("{day}/pi4/.x.json"), b'0', b"{}")),
        tar_with("a line break", |day| member(&format!("{day}/pi4/a\nb.json"), b'0', b"{}")),
        tar_with("another day", |_| member("2026-05-10/pi4/x.json", b'0', b"{}")),
        tar_with("no day", |_| member("2026-02-30/pi4/x.json", b'0', b"{}")),
        tar_with("a link, then a file through it", move |day| {
            let mut tar = link(&format!("{day}/pi4"), b'2', "../../outside");
            tar.extend(member(&name(day), b'0', b"{}"));
            tar
        }),
        tar_with("a hard link", move |day| link(&name(day), b'1', "../../outside/kept")),
        tar_with("a directory", move |day| member(&format!("{day}/pi4/"), b'5', b"")),
        tar_with("a device", move |day| member(&name(day), b'3', b"")),
        tar_with("a FIFO", move |day| member(&name(day), b'6', b"")),
        tar_with("a sparse file", move |day| member(&name(day), b'S', b"{}")),
        tar_with("a GNU long name", move |day| {
            let mut tar = member("././@LongLink", b'L', b"../../outside/x.json\0");
            tar.extend(member(&name(day), b'0', b"{}"));
            tar
        }),
        tar_with("a global PAX header", move |day| {
            let mut tar = member("PaxHeader", b'g', b"24 path=../outside/x.j\n\n");
            tar.extend(member(&name(day), b'0', b"{}"));
            tar
        }),
        tar_with("a PAX path that contradicts", move |day| {
            let mut tar = pax("36 path=../../../outside/a/xxx.json\n");
            tar.extend(member(&name(day), b'0', b"{}"));
            tar
        }),
        tar_with("a PAX size that contradicts", move |day| {
            let mut tar = pax("24 size=99999999999999\n\n");
            tar.extend(member(&name(day), b'0', b"{}"));
            tar
        }),
        tar_with("a PAX link", move |day| {
            let mut tar = pax("25 linkpath=../outside/x\n");
            tar.extend(link(&name(day), b'2', "x"));
            tar
        }),
        tar_with("the same member twice", |day| {
            let (path, bytes) = event_of(day, 1);
            member(&path.to_string(), b'0', &bytes).repeat(2)
        }),
        tar_with("members out of order", |day| {
            let both = [event_of(day, 1), event_of(day, 2)];
            let order = if both[0] < both[1] { [1, 0] } else { [0, 1] };
            order.iter().flat_map(|n| member(&both[*n].0.to_string(), b'0', &both[*n].1)).collect()
        }),
        tar_with("a size beyond its end", move |day| header(&name(day), b'0', 0o7_777_777)),
        tar_with("a size beyond everything", move |day| header(&name(day), b'0', 0o77_777_777_777)),
        tar_with("a size in another base", move |day| {
            let mut bytes = header(&name(day), b'0', 0);
            bytes[124..136].copy_from_slice(b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff");
            bytes
        }),
        tar_with("a second archive after its end", |day| {
            let (path, bytes) = event_of(day, 1);
            let mut tar = vec![0; 1024];
            tar.extend(member(&path.to_string(), b'0', &bytes));
            tar
        }),
        tar_with("half a header", |_| vec![b'x'; 100]),
    ]
}

/// Files that promise more than they have, or have more than they say.
pub(super) fn containers() -> Vec<Forged> {
    let sealed = |change: fn(&mut Vec<u8>)| {
        move |day: Date| {
            let (path, bytes) = event_of(day, 1);
            let tar = member(&path.to_string(), b'0', &bytes);
            assemble(&[(compress(&tar), tar.len() as u32)], &index(day, 1, change))
        }
    };
    vec![
        forged("nothing", |_| Vec::new()),
        forged("one byte", |_| vec![0]),
        forged("a text", |_| b"this is no segment\n".repeat(100)),
        forged("random bytes", |_| {
            (0..5000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
        }),
        forged("a seek table alone", |_| seek_table(&[])),
        forged("a seek table of a terabyte", |_| seek_table(&[(u32::MAX, u32::MAX); 256])),
        forged("a seek table that points outside", |_| seek_table(&[(5000, 5000), (1 << 31, 0)])),
        forged("a seek table of four billion frames", |_| {
            let mut table = seek_table(&[(1, 1)]);
            let at = table.len() - 9;
            table[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            table
        }),
        forged("a million frames of nothing", |_| seek_table(&vec![(0, 0); 1 << 20])),
        forged("a bomb", |day| {
            assemble(&[(compress(&vec![0; 80 << 20]), 80 << 20)], &index(day, 1, |_| {}))
        }),
        forged("a bomb said to be small", |day| {
            assemble(&[(compress(&vec![0; 80 << 20]), 4096)], &index(day, 1, |_| {}))
        }),
        forged("many large frames", |day| {
            let frame = (compress(&vec![0; 64 << 20]), 64 << 20);
            assemble(&vec![frame; 17], &index(day, 17, |_| {}))
        }),
        forged("a frame without its size", |day| {
            let mut out = zstd::stream::encode_all(&[0_u8; 4096][..], 1).unwrap();
            out.extend(seek_table(&[(out.len() as u32, 4096)]));
            let _ = day;
            out
        }),
        forged("a frame that says it holds an exabyte", |day| {
            let mut frame = b"\x28\xb5\x2f\xfd\xe4".to_vec();
            frame.extend_from_slice(&(1_u64 << 60).to_le_bytes());
            frame.extend_from_slice(b"\x01\x00\x00\0\0\0\0");
            assemble(&[(frame, 4096)], &index(day, 1, |_| {}))
        }),
        forged("an index of all zeros", |day| {
            let tar = member(&format!("{day}/pi4/x.json"), b'0', b"{}");
            assemble(&[(compress(&tar), tar.len() as u32)], &[0; 300])
        }),
        forged("an index of another day", |day| {
            let (path, bytes) = event_of(day, 1);
            let tar = member(&path.to_string(), b'0', &bytes);
            assemble(&[(compress(&tar), tar.len() as u32)], &index(day.plus_days(-7), 1, |_| {}))
        }),
        forged("an index of absurd numbers", sealed(|out| out[16..88].fill(0xff))),
        forged("an index of four billion frames", sealed(|out| out[8..12].fill(0xff))),
        forged("sections outside the index", sealed(|out| out[104..176].fill(0xff))),
        forged(
            "four billion values",
            sealed(|out| {
                out[104 + 8..104 + 12].fill(0xff);
            }),
        ),
        forged(
            "blocks that overlap",
            sealed(|out| {
                // A megabyte of offsets that all point to one block of sixteen values.
                let (start, blocks) = (out.len(), 250_000_usize);
                let block = out.len() + blocks * 4 - start;
                out.extend(std::iter::repeat_n((block as u32).to_le_bytes(), blocks).flatten());
                out.extend([0, 1, b'v', 1, 0, 1].repeat(16));
                let end = out.len();
                for (place, value) in [start, end - start, blocks * 16].iter().enumerate() {
                    out[104 + place * 4..108 + place * 4]
                        .copy_from_slice(&(*value as u32).to_le_bytes());
                }
                for field in 1..6 {
                    out[104 + field * 12..108 + field * 12]
                        .copy_from_slice(&(end as u32).to_le_bytes());
                }
            }),
        ),
        forged("garbage behind its end", |day| [honest(day, 4), b"and more".to_vec()].concat()),
        forged("two segments in one file", |day| honest(day, 4).repeat(2)),
        forged("a segment of another day", |day| honest(day.plus_days(400), 4)),
    ]
}
