//! How many requests an answer costs: by what it finds, not by what there is.

use std::fs;

use crate::common::NOW;
use crate::garage::shared;
use crate::proxy::Proxy;
use crate::site::Site;

/// As many archived and evicted days, ten of which have an event of one chain.
fn days(prefix: &str, count: u32) -> Option<(Site, Proxy)> {
    let garage = shared()?;
    let proxy = Proxy::before(&garage.address);
    let mut site = Site::new(garage, prefix, "nas");
    let first = chrono::NaiveDate::from_ymd_opt(2025, 5, 1).unwrap();
    for day in 0..count {
        let date = first + chrono::Days::new(u64::from(day));
        let in_chain = day % (count / 10) == 0 && day / (count / 10) < 10;
        for number in 0..2 {
            let chain =
                if in_chain && number == 0 { "chain".to_owned() } else { format!("r{day}") };
            let name = format!(
                "{}T01{number:02}00Z_node_online_0196d8a2-{day:04}-7000-8000-00000000000{number}",
                date.format("%Y%m%d")
            );
            let text = format!(
                "{{\"timestamp\":\"{date}T01:{number:02}:00Z\",\"node\":\"nas\",\"type\":\
                 \"node_online\",\"severity\":\"info\",\"source\":\"x\",\"service\":\"all\",\
                 \"correlation_id\":\"{chain}\",\"payload\":{{}}}}\n"
            );
            site.lab.write(&format!("{date}/nas/{name}.json"), text);
        }
    }
    site.evicts();
    site.ok(["rotate", "--now", NOW]);
    site.ok(["prune", "--now", NOW]);
    assert_eq!(site.segments().len(), 0);
    site.endpoint.clone_from(&proxy.address);
    Some((site, proxy))
}

fn trace(site: &Site, proxy: &Proxy) -> Vec<(String, String)> {
    let told = site.json(["trace", "chain", "-o", "json"]);
    assert_eq!(told["events"], 10, "{told}");
    proxy.take()
}

#[test]
fn a_chain_costs_as_many_requests_among_365_days_as_among_30() {
    let Some((month, month_proxy)) = days("counting-30", 30) else { return };
    let Some((year, year_proxy)) = days("counting-365", 365) else { return };
    let (few, many) = (trace(&month, &month_proxy), trace(&year, &year_proxy));
    assert_eq!(few.len(), many.len(), "{many:?}");
    assert!(many.len() <= 10, "{many:?}");
    let is_frame = |(method, path): &(String, String)| method == "GET" && !path.contains('?');
    assert!(many.iter().all(is_frame), "{many:?}");
    // The second time all of it is at hand.
    assert_eq!(trace(&year, &year_proxy), []);
}

#[test]
fn what_is_kept_of_it_stays_within_its_bound() {
    let Some((mut site, proxy)) = days("counting-cache", 40) else { return };
    let size = || -> u64 {
        let files = fs::read_dir(site.cache()).map(|files| files.flatten().collect::<Vec<_>>());
        files.unwrap_or_default().iter().map(|file| file.metadata().unwrap().len()).sum()
    };
    site.ok(["list", "--since", "2025-01-01", "-o", "ndjson"]);
    assert!(size() > 8192, "{}", size());
    fs::remove_dir_all(site.cache()).unwrap();
    let (rules, bound) = ("cache = \"4KiB\"\n".to_owned(), 4096);
    site.rules = rules;
    site.evicts();
    for _ in 0..3 {
        let listed = site.ok(["list", "--since", "2025-01-01", "-o", "ndjson"]);
        assert_eq!(listed.lines().count(), 80);
        let files = fs::read_dir(site.cache()).unwrap().flatten();
        let size: u64 = files.map(|file| file.metadata().unwrap().len()).sum();
        assert!(size > 0 && size <= bound, "{size}");
    }
    drop(proxy);
}
