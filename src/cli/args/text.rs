//! Flags that search in the text of events.

use std::sync::Arc;

use clap::Args;

use crate::cli::exit::Failure;
use crate::store::pattern::{Pattern, TextQuery};

/// Flags that search in the text of events.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which text")]
pub(in crate::cli) struct TextArgs {
    /// Only with a value that matches: a regular expression, of lower case for any case; may be
    /// repeated: one of them must match
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub(in crate::cli) grep: Vec<String>,
    /// Also with a value that matches this; may be repeated: all of them must match
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub(in crate::cli) and_grep: Vec<String>,
    /// The patterns are plain text
    #[arg(short = 'F', long)]
    pub(in crate::cli) fixed_strings: bool,
    /// Only events that the patterns do not match
    #[arg(long)]
    pub(in crate::cli) invert: bool,
    /// Only with this value: payload.stage=pull, payload.attempt>=3, payload.error~OOM,
    /// payload.url!=x, payload.url (exists), !payload.url (does not)
    #[arg(long = "where", value_name = "CONDITION", allow_hyphen_values = true)]
    pub(in crate::cli) conditions: Vec<String>,
}

impl TextArgs {
    /// Compiles the search; none if no flag asks for one.
    pub(in crate::cli) fn pattern(&self) -> Result<Option<Arc<Pattern>>, Failure> {
        let Self { grep, and_grep, fixed_strings, invert, conditions } = self;
        if (*fixed_strings || *invert) && grep.is_empty() && and_grep.is_empty() {
            let flag = if *invert { "--invert" } else { "-F" };
            return Err(Failure::usage(format!("{flag} needs a pattern: --grep PATTERN")));
        }
        let query = TextQuery {
            any_of: grep.clone(),
            all_of: and_grep.clone(),
            invert: *invert,
            plain: *fixed_strings,
            conditions: conditions.clone(),
        };
        Ok(Pattern::compile(&query)?.map(Arc::new))
    }

    pub(super) fn is_given(&self) -> bool {
        !(self.grep.is_empty() && self.and_grep.is_empty() && self.conditions.is_empty())
    }
}
