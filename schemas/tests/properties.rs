//! Every parser gives an error or a round trip, for whatever bytes: over the corpora of the fuzz targets, over mutations
//! of them, and over noise. The same properties run without end under cargo-fuzz. (docs/TESTING.md)
#![cfg(test)]

use proptest::prelude::*;

#[path = "support/mutation.rs"]
mod mutation;
#[path = "support/properties.rs"]
pub mod properties;

use properties::ALL;

#[test]
fn every_corpus_is_read_or_refused_and_holds_some_of_both() {
    for (name, property) in ALL {
        mutation::some_are_read(name, property);
    }
}

#[test]
fn mutated_texts_are_refused_or_come_back_as_they_went() {
    for (name, property) in ALL {
        mutation::hold_under_mutation(name, property, 3_000);
    }
}

proptest! {
    #[test]
    fn noise_is_refused_or_comes_back_as_it_went(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, property) in ALL {
            property(&bytes);
        }
    }

    #[test]
    fn text_like_noise_is_refused_or_comes_back_as_it_went(text in "[\\[\\]{}\",:0-9a-f\\\\u .eE+/=\n\u{2014}-]{0,120}") {
        for (_, property) in ALL {
            property(text.as_bytes());
        }
    }
}
