//! A JSON object under construction: the `data` of an event, member by member.
//!
//! Promises that members stay in the order in which they were set, and that JSON text taken over (metric values,
//! parameters) keeps its digits: nothing is read as a binary float. What members mean is for the vocabulary.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::{RawValue, to_raw_value};

/// A JSON object under construction.
#[derive(Debug, Clone, Default)]
pub struct Object {
    members: Vec<(String, Box<RawValue>)>,
}

impl Object {
    /// An object without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a member more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        // Strings, numbers, lists and objects of this crate always have a JSON form.
        self.members.extend(to_raw_value(&value).ok().map(|text| (name.to_owned(), text)));
        self
    }

    /// With a member more, if there is a value for it.
    #[must_use]
    pub fn with_some(self, name: &str, value: Option<impl Serialize>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With a member more, if the list is not empty.
    #[must_use]
    pub fn with_list<T: Serialize>(self, name: &str, list: &[T]) -> Self {
        if list.is_empty() { self } else { self.with(name, list) }
    }

    /// With a member more, if the object has any.
    #[must_use]
    pub fn with_object(self, name: &str, object: Self) -> Self {
        if object.is_empty() { self } else { self.with(name, object) }
    }

    /// With the members of another object after its own.
    #[must_use]
    pub fn extended(mut self, other: Self) -> Self {
        self.members.extend(other.members);
        self
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The object as compact JSON, unless a text that was taken over has whitespace of its own.
    pub fn to_json(&self) -> String {
        to_raw_value(self).map(|text| text.get().to_owned()).unwrap_or_default()
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.members.len()))?;
        for (name, value) in &self.members {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_numbers_their_digits() {
        let exact: Box<RawValue> = serde_json::from_str("0.10000000000000000000").unwrap();
        let object = Object::new().with("z", 1).with_some("none", None::<u8>).with("a", Object::new().with("n", exact));
        assert_eq!(object.to_json(), r#"{"z":1,"a":{"n":0.10000000000000000000}}"#);
        assert!(Object::new().with_list::<u8>("l", &[]).with_object("o", Object::new()).is_empty());
    }
}
