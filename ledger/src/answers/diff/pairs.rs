//! Pairs: which thing of one side is compared with which of the other.

use std::collections::{BTreeMap, VecDeque};

/// Which of several with the same key are paired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::answers) enum Which {
    /// The first with the first, and so on.
    InOrder,
    /// Only where each side has just one.
    TheOnly,
}

/// Takes out pairs of the same key; what has no key or no counterpart stays.
pub(in crate::answers) fn take<T, K: Ord>(
    mine: &mut Vec<T>,
    theirs: &mut Vec<T>,
    key: impl Fn(&T) -> Option<K>,
    which: Which,
) -> Vec<(T, T)> {
    let mut counts: BTreeMap<K, usize> = BTreeMap::new();
    for key in mine.iter().filter_map(&key) {
        *counts.entry(key).or_default() += 1;
    }
    let mut places: BTreeMap<K, VecDeque<usize>> = BTreeMap::new();
    for (at, key) in theirs.iter().enumerate().filter_map(|(at, other)| Some((at, key(other)?))) {
        places.entry(key).or_default().push_back(at);
    }
    let mut others: Vec<Option<T>> = std::mem::take(theirs).into_iter().map(Some).collect();
    let (mut pairs, mut left) = (Vec::new(), Vec::new());
    for one in std::mem::take(mine) {
        let key = key(&one);
        let place = key.as_ref().and_then(|key| places.get_mut(key));
        let place = place.filter(|place| {
            let alone = place.len() == 1 && key.as_ref().and_then(|key| counts.get(key)) == Some(&1);
            which == Which::InOrder || alone
        });
        match place.and_then(VecDeque::pop_front).and_then(|at| others.get_mut(at)?.take()) {
            Some(other) => pairs.push((one, other)),
            None => left.push(one),
        }
    }
    *mine = left;
    *theirs = others.into_iter().flatten().collect();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_of_each_key_are_paired_and_the_rest_stays() {
        let key = |text: &&'static str| text.chars().next().filter(|first| *first != 'x');
        let (mut mine, mut theirs) = (vec!["a1", "b1", "a2", "x"], vec!["c9", "a9", "x", "a8", "a7"]);
        assert_eq!(take(&mut mine, &mut theirs, key, Which::TheOnly), []);
        assert_eq!(take(&mut mine, &mut theirs, key, Which::InOrder), [("a1", "a9"), ("a2", "a8")]);
        assert_eq!((mine.as_slice(), theirs.as_slice()), (&["b1", "x"][..], &["c9", "x", "a7"][..]));
        mine.push("a3");
        assert_eq!(take(&mut mine, &mut theirs, key, Which::TheOnly), [("a3", "a7")]);
    }
}
