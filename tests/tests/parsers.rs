//! What takes texts of others around the record: policies, objects and questions of clusters, notifications, files that people
//! keep, plans. An error or an answer that holds, for whatever bytes: over the corpora of the fuzz targets, and over
//! mutations of them. The same properties run without end under cargo-fuzz. (docs/TESTING.md)
#![cfg(test)]

#[path = "../../schemas/tests/support/mutation.rs"]
mod mutation;
#[path = "parsers/properties.rs"]
pub mod properties;

use properties::ALL;

#[test]
fn every_corpus_is_read_or_refused_and_holds_some_of_both() {
    for (name, property) in ALL {
        mutation::some_are_read(name, property);
    }
}

#[test]
fn mutated_texts_are_refused_or_answered_as_they_must_be() {
    for (name, property) in ALL {
        mutation::hold_under_mutation(name, property, 3_000);
    }
}
