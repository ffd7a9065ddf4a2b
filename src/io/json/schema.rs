//! The JSON Schema of the format, generated from the types of the layers.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::{KEYS, VERSION};
use crate::network::Activation;
use crate::network::layers;

/// The JSON Schema (2020-12) of the files that are read.
pub fn schema() -> Value {
    let mut generator = SchemaGenerator::default();
    let mut layer_schemas = Vec::new();
    for entry in layers::REGISTRY {
        let schema = (entry.schema)(&mut generator).to_value();
        layer_schemas.push((entry.name, schema));
    }
    let activation = generator.subschema_for::<Activation>().to_value();
    let mut definitions: Map<String, Value> = generator.take_definitions(true);
    let mut alternatives: Vec<Value> = Vec::new();
    for (name, schema) in &layer_schemas {
        alternatives.push(complete(name, schema, &definitions));
    }
    // What was written out with its type is not a definition of its own; several types may share one.
    for key in layer_schemas.iter().filter_map(|(_, schema)| referenced(schema)) {
        definitions.remove(&key);
    }
    for form in forms_of(&activation, &definitions) {
        alternatives.push(with_place(form));
    }
    definitions.insert("numbers".to_owned(), numbers());
    if definitions.contains_key("TensorSource") {
        definitions.insert("TensorSource".to_owned(), tensor());
    }
    definitions.insert("layer".to_owned(), json!({ "oneOf": alternatives }));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A network that lipbound reads",
        "anyOf": [native(), short()],
        "$defs": definitions,
    })
}

fn native() -> Value {
    let [format, name, input_shape, layers] = KEYS;
    json!({
        "description": "Layers, each applied to the result of the one before it unless it says otherwise.",
        "type": "object",
        "properties": {
            format: { "const": VERSION },
            name: { "type": "string" },
            input_shape: {
                "description": "The shape of the input, without a batch dimension.",
                "type": "array",
                "items": { "type": "integer", "minimum": 1 },
            },
            layers: { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/layer" } },
        },
        "required": [input_shape, layers],
        "additionalProperties": false,
    })
}

fn short() -> Value {
    let activation = json!({ "anyOf": [
        { "description": "An activation's name.", "type": "string" },
        { "$ref": "#/$defs/Activation" },
        { "type": "null" },
    ]});
    let list = |item: Value| json!({ "type": "array", "minItems": 1, "items": item });
    json!({
        "description": "Dense layers with an activation between them.",
        "type": "object",
        "properties": {
            "format": { "const": VERSION },
            "name": { "type": "string" },
            "weights": list(json!({ "$ref": "#/$defs/TensorSource" })),
            "biases": list(json!({ "anyOf": [{ "$ref": "#/$defs/TensorSource" }, { "type": "null" }] })),
            "activation": activation,
            "output_activation": activation,
        },
        "required": ["weights"],
        "additionalProperties": false,
    })
}

/// Numbers as nested lists.
fn numbers() -> Value {
    json!({ "anyOf": [
        { "type": "number" },
        { "type": "array", "items": { "$ref": "#/$defs/numbers" } },
    ]})
}

fn tensor() -> Value {
    json!({
        "description": "Numbers, as nested lists of equal lengths, or a reference to a file.",
        "anyOf": [{ "$ref": "#/$defs/numbers" }, { "$ref": "#/$defs/TensorFile" }],
    })
}

/// The schema of a layer type with its `type`, and with what all layers have.
fn complete(name: &str, schema: &Value, definitions: &Map<String, Value>) -> Value {
    let key = referenced(schema);
    let schema = key.and_then(|key| definitions.get(&key)).unwrap_or(schema);
    let mut schema = with_place(schema.clone());
    let kind = json!({ "const": name });
    insert(&mut schema, "properties", "type", kind);
    if let Some(object) = schema.as_object_mut() {
        let required = object.entry("required").or_insert_with(|| json!([]));
        if let Some(list) = required.as_array_mut() {
            list.push(json!("type"));
        }
    }
    schema
}

/// The definition that a schema refers to.
fn referenced(schema: &Value) -> Option<String> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/").map(str::to_owned)
}

/// The alternatives of the schema of the activations.
fn forms_of(activation: &Value, definitions: &Map<String, Value>) -> Vec<Value> {
    let key = referenced(activation);
    let schema = key.and_then(|key| definitions.get(&key)).unwrap_or(activation);
    match schema.get("oneOf").and_then(Value::as_array) {
        Some(forms) => forms.clone(),
        None => vec![schema.clone()],
    }
}

/// A layer's schema with the name and the inputs that all layers can have.
fn with_place(mut schema: Value) -> Value {
    insert(
        &mut schema,
        "properties",
        "name",
        json!({ "description": "What other layers call this one.", "type": "string" }),
    );
    let inputs = json!({
        "description": "Earlier layers by name or number, or \"input\"; the layer before this one if absent.",
        "type": "array",
        "minItems": 1,
        "items": { "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 0 }] },
    });
    insert(&mut schema, "properties", "inputs", inputs);
    schema
}

fn insert(schema: &mut Value, group: &str, key: &str, value: Value) {
    if let Some(object) = schema.as_object_mut() {
        let properties = object.entry(group).or_insert_with(|| json!({}));
        if let Some(properties) = properties.as_object_mut() {
            properties.insert(key.to_owned(), value);
        }
    }
}
