//! JSON text with the places of its parts: objects keep the order and the places of their members.

use std::fmt::Formatter;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::io::error::{ReadError, did_you_mean};
use crate::io::source::Input;

/// A JSON text.
#[derive(Debug, Clone, Copy)]
pub(in crate::io) struct Document<'a> {
    pub file: &'a str,
    pub text: &'a str,
}

/// The members of an object in order, each key once.
#[derive(Debug)]
pub(in crate::io) struct Object<'a> {
    raw: &'a str,
    members: Vec<(String, &'a RawValue, &'a RawValue)>,
}

struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    members.push(entry);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Any)
    }
}

impl<'a> Document<'a> {
    /// The text of a file.
    ///
    /// # Errors
    /// Bytes that are not UTF-8.
    pub fn new(input: &'a Input) -> Result<Document<'a>, ReadError> {
        let bytes = input.bytes.as_slice();
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let place = format!("byte {}", error.valid_up_to());
            let utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
            let reason = if utf16 {
                "the text is UTF-16, expected UTF-8; save it as UTF-8"
            } else {
                "not UTF-8 text; a JSON model is text: the file is damaged, or its extension is wrong"
            };
            ReadError::at(&input.file, place, reason)
        })?;
        Ok(Document { file: &input.file, text })
    }

    /// The whole text as one value.
    ///
    /// # Errors
    /// The first place where the text is not JSON.
    pub fn root(self) -> Result<&'a RawValue, ReadError> {
        let raw: Result<&RawValue, _> = serde_json::from_str(self.text);
        raw.map_err(|error| self.error(self.text, None, &error))
    }

    /// The members of an object.
    ///
    /// # Errors
    /// Something other than an object; a key that appears twice.
    pub fn object(self, raw: &'a RawValue, what: Option<&str>) -> Result<Object<'a>, ReadError> {
        let members: Members<'a> =
            serde_json::from_str(raw.get()).map_err(|error| self.error(raw.get(), what, &error))?;
        let mut object = Object { raw: raw.get(), members: Vec::with_capacity(members.0.len()) };
        for (raw_key, value) in members.0 {
            let key: String = serde_json::from_str(raw_key.get())
                .map_err(|error| self.error(raw_key.get(), what, &error))?;
            if object.get(&key).is_some() {
                let reason = format!("the key \"{key}\" appears twice; remove one of the two");
                return Err(self.fail(raw_key.get(), what, reason));
            }
            object.members.push((key, raw_key, value));
        }
        Ok(object)
    }

    /// A value of a Rust type.
    ///
    /// # Errors
    /// The place and the message of what does not fit.
    pub fn value<T: Deserialize<'a>>(
        self,
        raw: &'a RawValue,
        what: Option<&str>,
    ) -> Result<T, ReadError> {
        serde_json::from_str(raw.get()).map_err(|error| self.error(raw.get(), what, &error))
    }

    /// The error `reason` at the start of `part`, a slice of the text.
    pub fn fail(self, part: &str, what: Option<&str>, reason: impl Into<String>) -> ReadError {
        let (line, column) = self.position(part, 1, 1);
        ReadError::at(self.file, place(what, line, column), reason)
    }

    /// The error of parsing `part`, a slice of the text (or a copy of one with the same places).
    pub fn error(self, part: &str, what: Option<&str>, error: &serde_json::Error) -> ReadError {
        self.error_within(part, what, error, error.to_string())
    }

    /// As [`Document::error`] with another message, which may end with the error's own position.
    pub fn error_within(
        self,
        part: &str,
        what: Option<&str>,
        error: &serde_json::Error,
        message: String,
    ) -> ReadError {
        let position = format!(" at line {} column {}", error.line(), error.column());
        let message = message.strip_suffix(&position).unwrap_or(&message).to_owned();
        let (line, column) = self.position(part, error.line().max(1), error.column().max(1));
        let reason = match error.classify() {
            serde_json::error::Category::Eof => {
                format!("the text ends too early ({message}); the file is truncated")
            }
            serde_json::error::Category::Syntax => match self.not_finite(line, column) {
                Some(found) => format!(
                    "{found} is not a number in JSON, and weights must be finite (the training has diverged, or the file is damaged)"
                ),
                None if message == "number out of range" => {
                    "the number is too large for 64-bit floating point".to_owned()
                }
                None => format!("not valid JSON: {message}"),
            },
            _ => plain(message),
        };
        ReadError::at(self.file, place(what, line, column), reason)
    }

    /// `NaN` or `Infinity`, as Python writes them, at the given place.
    fn not_finite(self, line: usize, column: usize) -> Option<&'static str> {
        let line = self.text.split('\n').nth(line - 1)?.as_bytes();
        let near = line.get(column.saturating_sub(2)..)?;
        ["NaN", "Infinity", "-Infinity"].into_iter().find(|name| {
            near.starts_with(name.as_bytes())
                || near.get(1..).is_some_and(|n| n.starts_with(name.as_bytes()))
        })
    }

    /// The line and column in the text of a line and column in `part`, all from 1, in bytes.
    fn position(self, part: &str, line: usize, column: usize) -> (usize, usize) {
        let offset = (part.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize);
        let before = offset.and_then(|n| self.text.as_bytes().get(..n)).unwrap_or_default();
        let lines = before.iter().filter(|&&b| b == b'\n').count();
        let start = before.iter().rev().take_while(|&&b| b != b'\n').count();
        (lines + line, if line == 1 { start + column } else { column })
    }
}

/// The message in the words of JSON.
fn plain(message: String) -> String {
    const WORDS: [(&str, &str); 8] = [
        ("invalid type: map", "found an object"),
        ("invalid type: sequence", "found a list"),
        ("invalid type: string", "found the text"),
        ("invalid type: ", "found the "),
        ("invalid value: ", "found the "),
        ("floating point `", "number `"),
        ("expected usize", "expected a whole number, not negative"),
        ("a sequence", "a list"),
    ];
    WORDS.iter().fold(message, |text, (from, to)| text.replace(from, to))
}

fn place(what: Option<&str>, line: usize, column: usize) -> String {
    match what {
        Some(what) => format!("{what}, line {line}, column {column}"),
        None => format!("line {line}, column {column}"),
    }
}

impl<'a> Object<'a> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.members.iter().find(|(k, _, _)| k == key).map(|(_, _, value)| *value)
    }

    /// The keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(key, _, _)| key.as_str())
    }

    /// Checks that every key is one of `known`.
    ///
    /// # Errors
    /// The first key that is not.
    pub fn only(
        &self,
        document: Document<'a>,
        what: Option<&str>,
        known: &[&str],
    ) -> Result<(), ReadError> {
        match self.members.iter().find(|(key, _, _)| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some((key, raw, _)) => {
                let hint = did_you_mean(key, known.iter().copied());
                let reason =
                    format!("unknown key \"{key}\"{hint}; expected one of: {}", known.join(", "));
                Err(document.fail(raw.get(), what, reason))
            }
        }
    }

    /// The object without some of its keys; everything that stays is where it was.
    ///
    /// # Errors
    /// None for objects that were read from text.
    pub fn without(&self, dropped: &[&str]) -> serde_json::Result<Box<RawValue>> {
        let start = self.raw.as_ptr() as usize;
        let range = |raw: &RawValue| {
            let from = (raw.get().as_ptr() as usize).saturating_sub(start);
            from..from + raw.get().len()
        };
        let source = self.raw.as_bytes();
        let mut bytes: Vec<u8> =
            source.iter().map(|&b| if b == b'\n' { b'\n' } else { b' ' }).collect();
        let mut end = None;
        for (key, raw_key, value) in &self.members {
            if dropped.contains(&key.as_str()) {
                continue;
            }
            let entry = range(raw_key).start..range(value).end;
            // A comma and perhaps a dropped member lie between two members, so this byte is free.
            if let Some(comma) = end.and_then(|end: usize| bytes.get_mut(end)) {
                *comma = b',';
            }
            if let (Some(to), Some(from)) =
                (bytes.get_mut(entry.clone()), source.get(entry.clone()))
            {
                to.copy_from_slice(from);
            }
            end = Some(entry.end);
        }
        if let [first, .., last] = bytes.as_mut_slice() {
            (*first, *last) = (b'{', b'}');
        }
        serde_json::from_slice(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{Document, RawValue};

    #[test]
    fn what_stays_keeps_its_place() {
        let text =
            "{\"name\" : \"a\u{e4}\",\n \"type\":1 , \"inputs\": [1,\n2], \"w\": 3,\"name2\":0}";
        let document = Document { file: "f", text };
        let raw: &RawValue = document.root().expect("valid");
        let object = document.object(raw, None).expect("an object");
        let rest = object.without(&["name", "inputs"]).expect("valid");
        let value: serde_json::Value = serde_json::from_str(rest.get()).expect("valid");
        assert_eq!(value, serde_json::json!({"type": 1, "w": 3, "name2": 0}));
        assert_eq!(rest.get().find("\"w\""), text.find("\"w\""));
        let none = object.without(&["name", "inputs", "type", "w", "name2"]).expect("valid");
        assert_eq!(none.get().len(), text.len());
    }
}
