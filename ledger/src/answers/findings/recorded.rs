//! Rules about the record itself: what producers did not send, and what they sent late.
//!
//! Of the record as it is known: a gap is one whatever moment is asked about. Never says why something is missing: that
//! is not on the record.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    Rule,
    draft::{Draft, Gathered},
};
use crate::{
    answers::{
        AnswerError,
        graph::{Reader, Told},
        print::list,
        text,
    },
    index::Tracked,
};

/// The most late events that are looked at; the newest are.
const MAX_LATE: usize = 2000;

/// Numbers of sources that never arrived.
pub(super) fn gaps(reader: &mut Reader<'_>, gathered: &mut Gathered) -> Result<(), AnswerError> {
    for (source, tracked) in reader.view().index.sources()? {
        let open = open_numbers(reader, &tracked)?;
        let (Some(first), Some(last)) = (open.first(), open.last()) else { continue };
        let numbers: Vec<String> = open.iter().map(u64::to_string).collect();
        let missing = text::count(open.len(), "number");
        let mut evidence = Vec::new();
        for (role, number) in [("before", first - 1), ("after", last + 1)] {
            let holder = reader.view().index.holder(tracked.number, number)?;
            if let Some(index) = holder.filter(|index| *index < reader.moment().size) {
                evidence.extend(reader.told(index)?.map(|told| (role, told)));
            }
        }
        let line = format!("{source}: {missing} never arrived ({})", list(&numbers));
        let about = vec![source];
        let draft =
            Draft { rule: Rule::ProducerGap, severity: None, about, line, service: None, artifact: None, evidence };
        gathered.add(reader, draft);
    }
    Ok(())
}

/// What is open as it is known: the state is the newest, so an earlier one is read from the numbers.
fn open_numbers(reader: &Reader<'_>, tracked: &Tracked) -> Result<Vec<u64>, AnswerError> {
    let moment = reader.moment();
    if !moment.is_known_asked {
        return Ok(tracked.state.open().collect());
    }
    Ok(reader.view().index.open_numbers(tracked.number, moment.size)?.1)
}

/// What one producer sent late. Not by source: a command line tool has a source of its own for each event.
struct Late {
    count: usize,
    /// The latest of all: minutes, and the event.
    worst: (u32, Rc<Told>),
    newest: Rc<Told>,
}

/// Events that arrived long after they happened, by producer.
pub(super) fn late(reader: &mut Reader<'_>, gathered: &mut Gathered) -> Result<(), AnswerError> {
    let all = reader.view().index.late(reader.moment().size, MAX_LATE)?;
    let is_cut = all.len() >= MAX_LATE;
    let mut producers: BTreeMap<String, Late> = BTreeMap::new();
    for (index, minutes) in all {
        let Some(told) = reader.told(index)?.filter(|told| reader.has_happened(told)) else { continue };
        let producer = producer_of(reader, &told);
        let Some(late) = producers.get_mut(&producer) else {
            let late = Late { count: 1, worst: (minutes, told.clone()), newest: told.clone() };
            producers.insert(producer, late);
            continue;
        };
        late.count += 1;
        if minutes > late.worst.0 {
            late.worst = (minutes, told);
        }
    }
    for (producer, late) in producers {
        let of = if is_cut { format!(" of the newest {MAX_LATE} late ones") } else { String::new() };
        let (events, worst) = (text::count(late.count, "event"), late.worst.0);
        let line = format!("{producer}: {events}{of} arrived late, by {worst} min at the most");
        let mut evidence = vec![("latest", late.worst.1.clone())];
        if late.newest.index != late.worst.1.index {
            evidence.push(("newest", late.newest));
        }
        let about = vec![producer];
        let rule = Rule::LateArrival;
        gathered.add(reader, Draft { rule, severity: None, about, line, service: None, artifact: None, evidence });
    }
    Ok(())
}

/// Who signed an event first: a producer's name, or the key where it is nobody's.
fn producer_of(reader: &Reader<'_>, told: &Told) -> String {
    let signer = reader.event_ref(told).signers.into_iter().next();
    signer.map_or_else(String::new, |signer| signer.producer.unwrap_or_else(|| signer.keyid.to_string()))
}
