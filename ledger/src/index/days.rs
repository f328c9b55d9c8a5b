//! What was seen of each service in short, day by day: the key `b`.
//!
//! The step from entry to answer that makes "what ran there before this?" a look at days, however often a service is looked at
//! while nothing changes. Promises that a day leaves out nothing complete that was seen on it; it may still name what entries
//! after the known ones say, and what a correction took away. Never decides what is another state: that is the answers' part.

use std::collections::BTreeSet;

use lineal_schemas::timestamp::Timestamp;

use super::{
    Index, StoreError, key,
    seen::{Glimpse, SetsPrint, Sight, Span, moment_of, ordered},
};

/// How long a day of the index is: 86,400,000 ms, counted from the first moment that there is.
const DAY_MS: u64 = 86_400_000;

/// One state of a service on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OnDay {
    day: [u8; 8],
    span: Span,
}

/// The key under which the day of a complete state has its span; nothing of what was seen in part, or of an end.
pub(super) fn day_key(service: &str, glimpse: &Glimpse) -> Option<Vec<u8>> {
    let day = day_of(ordered(glimpse.at));
    (glimpse.sight == Sight::Whole).then(|| key(b'b', &[service.as_bytes(), b"\0", &day, &glimpse.sets]))
}

fn day_of(moment: [u8; 8]) -> [u8; 8] {
    (u64::from_be_bytes(moment) / DAY_MS).to_be_bytes()
}

impl Index {
    /// The newest complete states of a service other than these, before the moment `before`, as entries below `size` say:
    /// all of one moment.
    pub fn seen_other(
        &self,
        service: &str,
        others_than: &BTreeSet<SetsPrint>,
        before: Timestamp,
        size: u64,
    ) -> Result<Vec<Glimpse>, StoreError> {
        let mut before = before;
        while let Some(day) = self.day_of_other(service, others_than, before)? {
            let mut found: Vec<Glimpse> = Vec::new();
            self.seen_within(service, day.span, Some(before), size, &mut |glimpse| {
                if found.first().is_some_and(|first| first.at != glimpse.at) {
                    return false;
                }
                let is_other = glimpse.sight == Sight::Whole && !others_than.contains(&glimpse.sets);
                found.extend(is_other.then_some(glimpse));
                true
            })?;
            let Some(earlier) = day.begin().filter(|_begin| found.is_empty()) else { return Ok(found) };
            // It is not known yet, or it was later on the day.
            before = earlier;
        }
        Ok(Vec::new())
    }

    /// The last day before a moment, its own included, on which another state than these was seen, and within which span.
    fn day_of_other(
        &self,
        service: &str,
        others_than: &BTreeSet<SetsPrint>,
        before: Timestamp,
    ) -> Result<Option<OnDay>, StoreError> {
        let prefix = key(b'b', &[service.as_bytes(), b"\0"]);
        let Some(last) = before.as_millis().checked_sub(1).map(Timestamp::from_millis) else { return Ok(None) };
        let end = [prefix.as_slice(), &day_of(ordered(last)), &[u8::MAX; 17]].concat();
        let mut found: Option<OnDay> = None;
        self.store.scan_back(&prefix, &end, &mut |key, value| {
            let mut rest = key.get(prefix.len()..).unwrap_or_default();
            let Some((day, sets)) = rest.split_off(..8).and_then(|day| day.try_into().ok()).zip(rest.try_into().ok())
            else {
                return true;
            };
            if found.is_some_and(|found| found.day != day) {
                return false;
            }
            if !others_than.contains::<SetsPrint>(&sets) {
                let span = Span::read(value).unwrap_or(Span::ALWAYS);
                found = Some(OnDay { day, span: found.map_or(span, |found| found.span.and(span)) });
            }
            true
        })?;
        Ok(found)
    }
}

impl OnDay {
    /// When it begins; nothing where there is no day before it.
    fn begin(&self) -> Option<Timestamp> {
        let begin = u64::from_be_bytes(self.day).checked_mul(DAY_MS).filter(|begin| *begin > 0)?;
        moment_of(begin)
    }
}
