//! What is given out of the counts of limits.

use latchkey_catalog::count::{CountKey, Grant, HandBack, Tally};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::event::{Event, EventKind};

use crate::Result;
use crate::counts::{CountReset, CountsOf, Lease};
use crate::rows::{Read, Write};

/// The most counts that are set back at once, for each entry of a list.
const MOST_RESET: u32 = 100_000;

/// Gives out permits.
pub fn lease(rows: &mut dyn Write, lease: &Lease, now: Timestamp) -> Result<Grant> {
    let span = lease.limit.window.around(now);
    let mut tally = rows.tally(&lease.key, span.start)?.unwrap_or(Tally::begin(span, 0));
    // Two limits whose windows begin together share a row; it lasts as long as the longer one.
    let grant = Tally { ends: span.end, ..tally }.grant(lease.limit, lease.count, now);
    if grant.permits > 0 {
        tally.used = grant.used;
        tally.ends = tally.ends.max(span.end);
        rows.put_tally(&lease.key, &tally)?;
    }
    Ok(grant)
}

/// Takes permits back.
pub fn give_back(rows: &mut dyn Write, backs: &[(CountKey, HandBack)]) -> Result<()> {
    for (key, back) in backs {
        if let Some(mut tally) = rows.tally(key, back.window.start)? {
            tally.take_back(*back);
            rows.put_tally(key, &tally)?;
        }
    }
    Ok(())
}

/// Counts whose windows are on.
pub fn tallies(
    rows: &mut (impl Read + ?Sized),
    of: CountsOf,
    (limit, now): (u32, Timestamp),
) -> Result<Vec<(CountKey, Tally)>> {
    let mut found = rows.tallies(of, now, limit)?;
    found.retain(|(_, tally)| tally.window.start <= now);
    Ok(found)
}

/// Sets counts back and notes it.
pub fn reset(rows: &mut dyn Write, reset: &CountReset, now: Timestamp) -> Result<u64> {
    let mut count = 0;
    for of in &reset.which {
        for (key, mut tally) in rows.tallies(*of, now, MOST_RESET)? {
            tally.reset();
            rows.put_tally(&key, &tally)?;
            count += 1;
        }
    }
    let mut entry = Event::of_principal(EventKind::LimitReset, now, &reset.actor);
    entry.client = rows.clients_of(reset.application)?.first().map(|(client, _)| client.id);
    entry.subject = reset.subject;
    rows.append(entry)?;
    Ok(count)
}
