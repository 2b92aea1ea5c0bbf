//! Flags that make a query, and those that say how its answer is counted.

use clap::{Args, ValueEnum};

use super::{FilterArgs, dates};
use crate::cli::exit::Failure;
use crate::event::Timestamp;
use crate::store::{Query, Scope, Store};
use crate::views::count::Period;

/// Flags that choose events of one half or both, by day and by filters.
#[derive(Debug, Args)]
pub(in crate::cli) struct QueryArgs {
    /// Only live events
    #[arg(long)]
    live_only: bool,
    /// Only archived events
    #[arg(long, conflicts_with = "live_only")]
    archived_only: bool,
    /// Only this day's events: 2026-05-16, today, yesterday; may be repeated
    #[arg(long, value_name = "DATE", help_heading = "Which events")]
    date: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) filter: FilterArgs,
}

impl QueryArgs {
    /// Returns the query that the flags ask for, earliest events first.
    pub(in crate::cli) fn query(&self, now: Timestamp, store: &Store) -> Result<Query, Failure> {
        let (filter, dates) = (self.filter.filter(now, store)?, dates(&self.date, now)?);
        let scope = match (self.live_only, self.archived_only) {
            (true, _) => Scope::Live,
            (_, true) => Scope::Archived,
            _ => Scope::Everything,
        };
        Ok(Query { filter, dates, scope, ..Query::default() })
    }
}

/// A period that is counted by itself.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[cfg_attr(
    feature = "mcp",
    derive(serde::Deserialize, rmcp::schemars::JsonSchema),
    serde(rename_all = "lowercase"),
    schemars(crate = "rmcp::schemars")
)]
pub(in crate::cli) enum Per {
    Hour,
    Day,
    Week,
    Month,
}

impl From<Per> for Period {
    fn from(per: Per) -> Self {
        match per {
            Per::Hour => Self::Hour,
            Per::Day => Self::Day,
            Per::Week => Self::Week,
            Per::Month => Self::Month,
        }
    }
}
