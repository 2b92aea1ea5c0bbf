//! The identity of a file from another history, from its path or from its event.
//!
//! A path that ends in `DATE/NODE/FILE.json` names the identity, whatever stands before it: what
//! was ever filed under it stays the same event. Otherwise the event decides: its timestamp gives
//! the day, its node the directory, and the file's name, if it is well formed, is the name; of any
//! other name a UUID at its end is enough, since time and type are in the event. So the same file
//! gives the same identity wherever it lay, and importing it twice is importing it once. A file
//! without any of these is not taken.

use std::path::{Component, Path};

use uuid::Uuid;

use crate::event::{EventHead, EventName, EventPath, EventType, FileName, NodeName};

/// Returns the names of a path that may come from a hostile tar; anything but plain names is
/// refused.
fn names(path: &Path) -> Result<Vec<&str>, String> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => {
                names.push(name.to_str().ok_or("its name is not UTF-8")?);
            }
            Component::CurDir => {}
            Component::ParentDir => return Err("its name leads out of its directory".to_owned()),
            Component::RootDir | Component::Prefix(_) => {
                return Err("its name is an absolute path".to_owned());
            }
        }
    }
    Ok(names)
}

/// Returns the identity of an event with these bytes, found at this relative path.
pub(super) fn identity(path: &Path, bytes: &[u8]) -> Result<EventPath, String> {
    let names = names(path)?;
    let head = EventHead::parse(bytes).map_err(|invalid| format!("not an event: {invalid}"))?;
    if let [.., date, node, name] = names.as_slice()
        && let Ok(path) = format!("{date}/{node}/{name}").parse()
    {
        return Ok(path);
    }
    let name = names.last().ok_or("it has no name")?;
    let node = NodeName::for_writing(&head.node).map_err(|error| {
        format!("its path is not YYYY-MM-DD/NODE/FILE.json, and of itself {error}")
    })?;
    let name = match name.parse::<FileName>() {
        Ok(name) if name.parts().is_some() => name,
        _ => {
            let id = uuid_at_end(name).ok_or(
                "its path is not YYYY-MM-DD/NODE/FILE.json, and its name does not end with a \
                 UUID, so it has no identity",
            )?;
            let kind = EventType::normalize(&head.event_type).map_err(|error| {
                format!("its path is not YYYY-MM-DD/NODE/FILE.json, and of its type {error}")
            })?;
            EventName::format(head.timestamp, &kind, id)
        }
    };
    Ok(EventPath { date: head.timestamp.date(), node, name })
}

fn uuid_at_end(name: &str) -> Option<Uuid> {
    let stem = name.strip_suffix(".json")?;
    [36, 32].into_iter().find_map(|length| {
        let at = stem.len().checked_sub(length)?;
        let (before, id) = stem.split_at_checked(at)?;
        let apart = !before.ends_with(|c: char| c.is_ascii_alphanumeric());
        apart.then(|| Uuid::try_parse(id).ok()).flatten()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ID: &str = "019b76da-acd6-70f2-a430-64b3d3ac94af";

    fn event(node: &str) -> Vec<u8> {
        format!(
            "{{\"timestamp\":\"2026-05-16T10:11:12Z\",\"node\":\"{node}\",\"type\":\"Node-Online\",\
             \"severity\":\"info\",\"source\":\"s\",\"service\":\"all\",\"correlation_id\":\"c\",\
             \"payload\":{{}}}}"
        )
        .into_bytes()
    }

    fn of(path: &str) -> Result<String, String> {
        identity(Path::new(path), &event("pi4")).map(|path| path.to_string())
    }

    #[test]
    fn the_end_of_the_path_is_the_identity_whatever_the_event_says() {
        for before in ["", "./", "opt/homelab/events/"] {
            let path = format!("{before}2026-05-17/nas/odd.json");
            assert_eq!(of(&path).unwrap(), "2026-05-17/nas/odd.json");
        }
    }

    #[test]
    fn elsewhere_the_event_and_the_uuid_in_its_name_say_it() {
        let written = format!("2026-05-16/pi4/20260516T101112.000000Z_node_online_{ID}.json");
        for name in [format!("{ID}.json"), format!("dump/node/{ID}.json"), format!("a-{ID}.json")] {
            assert_eq!(of(&name).unwrap(), written, "{name}");
        }
        // A complete name is kept as it is.
        let own = format!("20260516T1011Z_Some.Type_{}.json", ID.replace('-', ""));
        assert_eq!(of(&format!("x/{own}")).unwrap(), format!("2026-05-16/pi4/{own}"));
    }

    #[test]
    fn what_has_no_identity_is_told_why() {
        for (path, why) in [
            ("event.json", "does not end with a UUID"),
            ("2026-02-30/pi4/event.json", "does not end with a UUID"),
            ("../2026-05-16/pi4/a.json", "leads out"),
            ("2026-05-16/../a.json", "leads out"),
            ("/2026-05-16/pi4/a.json", "absolute"),
            ("", "no name"),
        ] {
            assert!(of(path).unwrap_err().contains(why), "{path}");
        }
        assert!(of(&format!("x{ID}.json")).is_err(), "the UUID stands apart");
        let nowhere = identity(Path::new(&format!("{ID}.json")), &event("../etc"));
        assert!(nowhere.unwrap_err().contains("is not a node name"));
        let reason = identity(Path::new("2026-05-16/pi4/a.json"), b"{}").unwrap_err();
        assert!(reason.starts_with("not an event: "), "{reason}");
    }
}
