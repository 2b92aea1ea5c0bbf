//! The location of remote copies: the policy's `[remote]`, and the settings of the AWS tools.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::policy::{Policy, RemoteRules};
use crate::remote::{Bucket, BucketConfig, Cache};
use crate::{Error, Result, system};

/// The largest settings file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Returns the policy's `[remote]`, or an error that says how to write one.
pub(crate) fn rules(policy: &Policy) -> Result<&RemoteRules> {
    policy.remote.as_ref().ok_or_else(|| {
        Error::Usage(format!(
            "{}: it has no [remote] that says where copies are; write below that line for example \
             url = \"s3://bucket/prefix\"",
            policy.origin()
        ))
    })
}

/// Returns the name of this machine's copies.
pub(crate) fn host(rules: &RemoteRules) -> String {
    rules.host.clone().unwrap_or_else(system::host_name)
}

/// Opens the bucket that the policy names.
pub(crate) fn open(rules: &RemoteRules) -> Result<Bucket> {
    let place = BucketConfig {
        url: rules.url.clone(),
        settings: settings(),
        patience: rules.timeout.seconds(),
    };
    let cache = cache_directory().filter(|_| rules.cache > 0);
    Bucket::open(&place, cache.map(|directory| Cache::new(directory, rules.cache)))
}

/// Opens the bucket of an address that was typed.
pub(crate) fn open_at(url: &str, policy: &Policy) -> Result<Bucket> {
    const PATIENCE: u64 = 30;
    let patience = policy.remote.as_ref().map_or(PATIENCE, |rules| rules.timeout.seconds());
    Bucket::open(&BucketConfig { url: url.to_owned(), settings: settings(), patience }, None)
}

/// Opens the bucket for a query that needs it; `origin` is the policy that should name it.
pub(crate) fn open_for(rules: Option<&RemoteRules>, origin: &str) -> Result<Bucket> {
    match rules {
        Some(rules) => open(rules),
        None => Err(Error::Usage(format!(
            "some of the archive lies elsewhere, but {origin} has no [remote] url that says where"
        ))),
    }
}

/// Returns the directory for fetched frames: as systemd says, or the customary one.
fn cache_directory() -> Option<PathBuf> {
    let set = system::variable_os;
    if let Some(directory) = set("HLARCHIVE_CACHE").or_else(|| set("CACHE_DIRECTORY")) {
        return Some(directory.into());
    }
    let home = || set("HOME").map(|home| Path::new(&home).join(".cache"));
    let base = set("XDG_CACHE_HOME").map(PathBuf::from).or_else(home)?;
    Some(base.join("hlarchive"))
}

/// Returns endpoint, region and credentials, from the files of the AWS tools and from the
/// environment, which takes precedence.
fn settings() -> Vec<(String, String)> {
    let set = system::variable_os;
    let profile = system::variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
    let file = |variable: &str, name: &str| {
        let home = || set("HOME").map(|home| Path::new(&home).join(".aws").join(name));
        set(variable).map(PathBuf::from).or_else(home)
    };
    let mut settings = BTreeMap::new();
    if let Some(path) = file("AWS_CONFIG_FILE", "config") {
        let section =
            if profile == "default" { profile.clone() } else { format!("profile {profile}") };
        settings.extend(section_of(&path, &section));
    }
    if let Some(path) = file("AWS_SHARED_CREDENTIALS_FILE", "credentials") {
        settings.extend(section_of(&path, &profile));
    }
    let set = system::variables_of("AWS_");
    settings.extend(set.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)));
    settings.into_iter().collect()
}

/// Returns the settings of a section of such a file, with names as in the environment. A missing
/// file sets nothing.
fn section_of(path: &Path, wanted: &str) -> Vec<(String, String)> {
    let is_small = std::fs::metadata(path).is_ok_and(|found| found.len() <= MAX_BYTES);
    let text =
        if is_small { std::fs::read_to_string(path).unwrap_or_default() } else { String::new() };
    let mut here = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            here = section.trim() == wanted;
        } else if let Some((key, value)) = line.split_once('=')
            && here
            && !line.starts_with(['#', ';'])
        {
            let key = key.trim().to_ascii_lowercase();
            let key = if key.starts_with("aws_") { key } else { format!("aws_{key}") };
            found.push((key, value.trim().to_owned()));
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_read_as_the_aws_tools_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        let text = "[default]\nregion = eu\n\n[profile nas]\n# aws_secret_access_key = no\n\
                    endpoint_url=http://nas:3900\naws_access_key_id = key = with\n[other]\nregion=x\n";
        std::fs::write(&path, text).unwrap();
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(section_of(&path, "default"), [pair("aws_region", "eu")]);
        assert_eq!(
            section_of(&path, "profile nas"),
            [pair("aws_endpoint_url", "http://nas:3900"), pair("aws_access_key_id", "key = with")]
        );
        assert_eq!(section_of(&path.join("none"), "default"), []);
    }
}
