//! How a payload's objects and words are declared: the required members first, then the optional ones.
//!
//! Promises what the JSON Schemas promise: an object is a JSON object (serde alone would also take an array), unknown
//! members are refused, an optional member is absent or has a value (never null). Never reads anything itself.

use serde::{Deserialize, Deserializer, de};

use super::violation::{EMPTY_LIST, TWICE_IN_LIST};

/// Reads an optional member that is there: null is not a way to leave it out.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a list of at least one.
pub(super) fn non_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let list = Vec::deserialize(deserializer)?;
    if list.is_empty() { Err(de::Error::custom(EMPTY_LIST)) } else { Ok(list) }
}

/// Reads a list of at least one in which nothing stands twice.
pub(super) fn distinct<'de, D: Deserializer<'de>, T: Deserialize<'de> + Ord>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let list: Vec<T> = non_empty(deserializer)?;
    let set: std::collections::BTreeSet<&T> = list.iter().collect();
    if set.len() == list.len() { Ok(list) } else { Err(de::Error::custom(TWICE_IN_LIST)) }
}

/// A JSON object with its own members only. `[check: path]` names a rule over the whole object.
macro_rules! object {
    (
        $(#[$meta:meta])*
        pub struct $name:ident $([check: $check:path])? {
            required { $($(#[$required_meta:meta])* $required:ident: $required_type:ty,)* }
            optional { $($(#[$optional_meta:meta])* $optional:ident: $optional_type:ty,)* }
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            $($(#[$required_meta])* pub $required: $required_type,)*
            $(
                $(#[$optional_meta])*
                #[serde(
                    default,
                    deserialize_with = "super::object::given",
                    skip_serializing_if = "Option::is_none"
                )]
                pub $optional: Option<$optional_type>,
            )*
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Members;

                impl<'de> serde::de::Visitor<'de> for Members {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, members: A) -> Result<$name, A::Error> {
                        let object = $name::deserialize(serde::de::value::MapAccessDeserializer::new(members))?;
                        $($check(&object).map_err(serde::de::Error::custom)?;)?
                        Ok(object)
                    }
                }

                deserializer.deserialize_map(Members)
            }
        }
    };
}

/// The payload of an event: an object with the members that every event but a genesis may have.
macro_rules! event {
    (
        $(#[$meta:meta])*
        pub struct $name:ident $([check: $check:path])? {
            required { $($required:tt)* }
            optional { $($optional:tt)* }
        }
    ) => {
        $crate::vocabulary::object::object! {
            $(#[$meta])*
            pub struct $name $([check: $check])? {
                required { $($required)* }
                optional {
                    $($optional)*
                    /// The run of the tool that says this: attempts that were never sent show as missing numbers.
                    origin: $crate::vocabulary::artifact::Origin,
                    /// Who or what caused it, as a pseudonym.
                    actor: $crate::vocabulary::names::Handle,
                    /// Bytes beside the record that belong to this event.
                    attachments: Vec<$crate::vocabulary::artifact::Attachment>,
                    /// Whatever the producer wants to add; Lineal never reads it.
                    annotations: $crate::vocabulary::values::JsonObject,
                }
            }
        }

        impl $crate::vocabulary::lineage::Common for $name {
            fn origin(&self) -> Option<&$crate::vocabulary::artifact::Origin> {
                self.origin.as_ref()
            }

            fn actor(&self) -> Option<&$crate::vocabulary::names::Handle> {
                self.actor.as_ref()
            }

            fn attachments(&self) -> &[$crate::vocabulary::artifact::Attachment] {
                self.attachments.as_deref().unwrap_or_default()
            }

            fn annotations(&self) -> Option<&$crate::vocabulary::values::JsonObject> {
                self.annotations.as_ref()
            }
        }
    };
}

/// A closed list of words, each written as its JSON string.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$word_meta:meta])* $word:ident = $text:literal,)* }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$word_meta])* $word,)* }

        impl $name {
            /// Every one of them, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$word,)*];

            /// The word as events write it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::vocabulary::names::TextError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$word),)*
                    _ => Err($crate::vocabulary::names::TextError::new(
                        concat!("one of", $(" `", $text, "`"),*),
                        text,
                    )),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// A text with a form of its own.
macro_rules! text {
    ($(#[$meta:meta])* pub struct $name:ident; $rule:literal, $accepts:expr) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// What is accepted, in words.
            pub const RULE: &'static str = $rule;

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::vocabulary::names::TextError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                let accepts: fn(&str) -> bool = $accepts;
                if accepts(&text) {
                    Ok(Self(text))
                } else {
                    Err($crate::vocabulary::names::TextError::new(Self::RULE, &text))
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::vocabulary::names::TextError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::try_from(text.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                Self::try_from(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

/// A whole number within limits.
macro_rules! number {
    ($(#[$meta:meta])* pub struct $name:ident; $least:literal..=$most:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The number.
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl TryFrom<u64> for $name {
            type Error = $crate::vocabulary::names::TextError;

            fn try_from(number: u64) -> Result<Self, Self::Error> {
                if ($least..=$most).contains(&number) {
                    return Ok(Self(number));
                }
                let rule = concat!("a whole number from ", $least, " to ", $most);
                Err($crate::vocabulary::names::TextError::new(rule, &number.to_string()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u64(self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let number = <u64 as serde::Deserialize>::deserialize(deserializer)?;
                Self::try_from(number).map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use {event, number, object, text, words};
