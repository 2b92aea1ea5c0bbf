//! `hlarchive list --follow`, `--after` and `--cursor-file`: the library searches and
//! remembers; this module wakes it and prints its events.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::store::follow::{FollowOptions, Follower, Look, Watch};

use super::printer::Printer;
use crate::cli::exit::{Exit, Failure, lacking};
use crate::cli::session::Session;
use crate::cli::signals::Stop;
use crate::system::now;

/// The poll interval without a file watch, or soon after an event.
const INTERVAL: Duration = Duration::from_millis(250);

/// The poll interval with a file watch.
const PATIENCE: Duration = Duration::from_secs(30);

/// Prints the events so far and, if it `goes_on`, new ones.
pub(super) fn follow(
    session: &mut Session,
    options: FollowOptions,
    printer: &mut Printer,
    goes_on: bool,
) -> Result<Exit, Failure> {
    let stop = Stop::listen();
    let mut follower = Follower::begin(&session.store, options)?;
    let mut alarm = Alarm { watch: None, given_up: !goes_on };
    loop {
        let is_watched = alarm.arm(session);
        let look: Look = follower.look(now(), &mut |arrivals| {
            for arrival in &arrivals {
                printer.print_arrival(session, arrival)?;
            }
            printer.flush(session)?;
            Ok::<_, Failure>(if stop.asked() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        session.notices(follower.notices());
        if stop.asked() {
            return Ok(Exit::Stopped);
        }
        if look.ended || !(goes_on || look.again) {
            break;
        }
        if !look.again {
            let patience = if is_watched && !look.restless { PATIENCE } else { INTERVAL };
            if !stop.wait(alarm.watch.as_ref(), patience)? {
                return Err(Failure::ClosedPipe);
            }
        }
        if stop.asked() {
            return Ok(Exit::Stopped);
        }
    }
    printer.end(session)?;
    session.notices(follower.end());
    session.end_notices();
    if follower.notices().any_cost() {
        return Ok(lacking(follower.notices()));
    }
    session.warn_of_nowhere()?;
    Ok(Exit::Done)
}

/// The file watch, as long as it works.
struct Alarm {
    watch: Option<Watch>,
    given_up: bool,
}

impl Alarm {
    /// Watches all directories; returns whether every new event will wake us.
    fn arm(&mut self, session: &Session) -> bool {
        if self.given_up {
            return false;
        }
        let armed = match &self.watch {
            Some(watch) => watch.arm(&session.store),
            None => Watch::new().and_then(|watch| {
                let armed = watch.arm(&session.store);
                self.watch = Some(watch);
                armed
            }),
        };
        armed.unwrap_or_else(|error| {
            self.given_up = true;
            self.watch = None;
            if session.global.verbose {
                session.remark(&format!(
                    "hlarchive: {error}; so new events are polled for every {} ms",
                    INTERVAL.as_millis()
                ));
            }
            false
        })
    }
}
