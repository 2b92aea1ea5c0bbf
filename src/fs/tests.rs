use super::*;

/// Rotation removes a day's directories while others read it.
#[test]
fn a_directory_that_was_removed_after_it_was_opened_is_empty() {
    let parent = tempfile::tempdir().unwrap();
    let parent_fd = open_root(parent.path()).unwrap();
    make_dir(parent_fd.as_fd(), "day").unwrap();
    let day = open_dir(parent_fd.as_fd(), "day").unwrap();
    std::fs::remove_dir(parent.path().join("day")).unwrap();
    let mut entries = 0;
    assert_eq!(read_dir(day.as_fd(), &mut |_, _| entries += 1), Ok(()));
    assert_eq!(entries, 0);
}

#[test]
fn a_user_is_named_by_number_and_by_nothing_else() {
    let passwd = "root:x:0:0::/root:/bin/sh\n\n#no\nalice:x:1000:0::/:/bin/sh\n:x:7:0::/:\n";
    assert_eq!(name_in(passwd, 0), Some("root"));
    assert_eq!(name_in(passwd, 1000), Some("alice"));
    assert_eq!(name_in(passwd, 7), None);
    assert_eq!(name_in(passwd, 100), None);
}

#[test]
fn a_path_is_settled_through_links_and_beyond_what_exists() {
    let parent = tempfile::tempdir().unwrap();
    let base = parent.path().canonicalize().unwrap();
    std::fs::create_dir_all(base.join("events/2026-05-16")).unwrap();
    std::os::unix::fs::symlink("events", base.join("link")).unwrap();
    for (path, wanted) in [
        ("events", "events"),
        ("link/new", "events/new"),
        ("events/../link/a/b", "events/a/b"),
        ("missing/../events/x", "events/x"),
        ("missing/more/../../link", "events"),
        ("events/2026-05-16/../..", ""),
    ] {
        let wanted = if wanted.is_empty() { base.clone() } else { base.join(wanted) };
        assert_eq!(settled(&base.join(path)), wanted, "{path}");
    }
}

#[test]
fn a_name_that_is_taken_is_never_given_to_another_file() {
    let parent = tempfile::tempdir().unwrap();
    let parent_fd = open_root(parent.path()).unwrap();
    let at = parent_fd.as_fd();
    let file = |name: &str| parent.path().join(name);
    std::fs::write(file("new"), "new").unwrap();
    std::fs::write(file("taken"), "old").unwrap();
    std::os::unix::fs::symlink("nowhere", file("link")).unwrap();
    for name in ["taken", "link"] {
        assert_eq!(rename_new(at, "new", at, name), Err(Errno::EXIST));
    }
    assert_eq!(std::fs::read(file("taken")).unwrap(), b"old");
    assert_eq!(std::fs::read_link(file("link")).unwrap(), Path::new("nowhere"));
    rename_new(at, "new", at, "free").unwrap();
    assert_eq!(std::fs::read(file("free")).unwrap(), b"new");
    assert!(!file("new").exists());
}
