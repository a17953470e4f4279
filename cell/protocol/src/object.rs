//! One JSON object read in one pass: the fields that the protocol knows, each as the raw JSON of its value.
//!
//! Nothing here recurses, so no nesting of the input can exhaust the stack; values are looked at when a command asks.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::parse_error::Fault;
use crate::value::Value;

macro_rules! fields {
    ($($field:ident $name:literal),* $(,)?) => {
        /// The names of all fields that some frame of a client has.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Field { $($field),* }

        const FIELDS_COUNT: usize = [$($name),*].len();

        impl Field {
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$field => $name),* }
            }

            fn by_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$field),)* _ => None }
            }
        }
    };
}

fields! {
    T "t", Id "id", A "a", U "u",
    V "v", Dev "dev", Tok "tok", Resume "resume", Ep "ep", Useq "useq",
    To "to", User "user", Conv "conv", Mid "mid", Body "body", After "after",
    Before "before", Around "around", Since "since", Limit "limit", Cursor "cursor", Upto "upto",
}

/// An object's known fields. Fields that the frame at hand does not have are never asked for, hence ignored.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    values: [Option<&'a RawValue>; FIELDS_COUNT],
    /// A bit for each field that came more than once.
    twice: u32,
}

const _: () = assert!(FIELDS_COUNT <= u32::BITS as usize, "one bit for each field");

impl<'a> Object<'a> {
    /// Reads text that must be one JSON object and nothing after it.
    pub(crate) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The value of a field, whatever it is.
    pub(crate) fn get(&self, field: Field) -> Result<Option<Value<'a>>, Fault> {
        if self.twice & (1 << field as u32) != 0 {
            return Err(Fault::malformed(format!("`{}` appears twice", field.name())));
        }
        Ok(self.values[field as usize].map(|raw| Value::new(field, raw.get())))
    }

    /// The value of a field that may be absent; `null` is absent.
    pub(crate) fn optional(&self, field: Field) -> Result<Option<Value<'a>>, Fault> {
        Ok(self.get(field)?.filter(|value| value.raw() != "null"))
    }

    /// The value of a field that must be there. Without it the object has the wrong type.
    pub(crate) fn required(&self, field: Field) -> Result<Value<'a>, Fault> {
        self.get(field)?.ok_or_else(|| Fault::malformed(format!("`{}` is missing", field.name())))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object<'de>, M::Error> {
        let mut object = Object { values: [None; FIELDS_COUNT], twice: 0 };
        while let Some(field) = map.next_key_seed(FieldSeed)? {
            let Some(field) = field else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if object.values[field as usize].replace(map.next_value()?).is_some() {
                object.twice |= 1 << field as u32;
            }
        }
        Ok(object)
    }
}

/// Reads a key without keeping its text: `None` for one that no frame has.
struct FieldSeed;

impl<'de> DeserializeSeed<'de> for FieldSeed {
    type Value = Option<Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Field>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldSeed {
    type Value = Option<Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<Field>, E> {
        Ok(Field::by_name(name))
    }
}
