//! Changes of a JSON document that leave it one.

use serde_json::Value;

use crate::mutate::{self, Source};

/// Changes a value at any depth, or now and then the text.
pub fn json(bytes: &mut Vec<u8>, source: &mut Source<'_>) {
    let parsed = serde_json::from_slice::<Value>(bytes);
    let Some(mut document) = parsed.ok().filter(|_| !source.one_in(4)) else {
        return mutate::bytes(bytes, source);
    };
    change(&mut document, source);
    *bytes = document.to_string().into_bytes();
}

fn change(value: &mut Value, source: &mut Source<'_>) {
    let deeper = !source.one_in(8);
    match value {
        Value::Array(items) if deeper && !items.is_empty() => {
            let (index, other) = (source.below(items.len()), source.below(items.len()));
            match source.below(12) {
                0 => drop(items.remove(index)),
                1 => items.insert(index, items[other].clone()),
                2 => items.swap(index, other),
                _ => change(&mut items[index], source),
            }
        }
        Value::Object(members) if deeper && !members.is_empty() => {
            let keys: Vec<String> = members.keys().cloned().collect();
            let key = &keys[source.below(keys.len())];
            match source.below(12) {
                0 => drop(members.remove(key)),
                1 => {
                    let member = member(source);
                    members.extend(member);
                }
                _ => {
                    if let Some(member) = members.get_mut(key) {
                        change(member, source);
                    }
                }
            }
        }
        _ => *value = another(value, source),
    }
}

/// A key with a value, out of the words of the format.
fn member(source: &mut Source<'_>) -> Option<(String, Value)> {
    let token = source.tokens.get(source.below(source.tokens.len()))?;
    let text = String::from_utf8_lossy(token);
    let text = format!("{{{}}}", text.trim_end_matches(','));
    let object: serde_json::Map<String, Value> = serde_json::from_str(&text).ok()?;
    object.into_iter().next()
}

fn another(value: &Value, source: &mut Source<'_>) -> Value {
    const WORDS: [&str; 14] = [
        "dense",
        "conv1d",
        "conv2d",
        "conv_transpose2d",
        "max_pool2d",
        "avg_pool2d",
        "batch_norm",
        "pad",
        "scale",
        "add",
        "concat",
        "reshape",
        "flatten",
        "prelu",
    ];
    match source.below(8) {
        0 => Value::Null,
        1 => Value::from(vec![source.interesting()]),
        2 => Value::from(WORDS[source.below(WORDS.len())]),
        3 => Value::from(vec![value.clone(); source.below(5)]),
        4 => Value::from([1e308, 5e-324, -1e-300, 0.5][source.below(4)]),
        5 => Value::from(source.below(9)),
        _ => Value::from(source.interesting()),
    }
}
