//! hlarchive beside what a user would pick instead, on the same made-up history in the
//! same run.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::print_stdout, clippy::panic)]

mod generate;

use hlarchive::archive::By;
use hlarchive::{Context, Store};

use generate::Shape;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["archive", root, days, per_day] => {
            let shape = shape(days, per_day);
            generate::archive(&Store::new(*root, None), &context(), shape);
        }
        ["tree", root, days, per_day] => {
            generate::tree(std::path::Path::new(root), shape(days, per_day));
        }
        _ => panic!("archive|tree ROOT DAYS PER_DAY"),
    }
}

fn shape(days: &str, per_day: &str) -> Shape {
    Shape { days: days.parse().unwrap(), per_day: per_day.parse().unwrap(), nodes: 4 }
}

fn context() -> Context {
    let by = By { user: "bench".into(), host: "bench".into(), command: "bench".into() };
    Context::new("2036-01-01T00:00:00Z".parse().unwrap(), by, [7; 32])
}
