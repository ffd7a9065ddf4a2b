//! The JSON format.

use lipbound::io::{Layout, ReadOptions, write};
use lipbound::network::Activation;

use crate::support::{Folder, array, check_messages, json, layers, message, read_file};

const NATIVE: &str = r#"{"format": "lipbound-network/1", "name": "n", "input_shape": [2],
 "layers": [{"type": "dense", "weight": [[1, 2], [3, 4], [5, 6.5]], "bias": [0, -0.0, 1e-300]},
  {"type": "relu"}, {"type": "dense", "weight": [[0.1, 0.2, 0.3]]}]}"#;

fn native(layers: &str) -> String {
    format!(
        "{{\"format\": \"lipbound-network/1\", \"input_shape\": [2],\n \"layers\": [{layers}]}}"
    )
}

#[test]
fn the_native_form_reads_back_exactly() {
    let network = read_file("a.json", NATIVE.as_bytes(), &ReadOptions::default()).expect("valid");
    assert_eq!((network.name.as_str(), network.nodes.len()), ("n", 3));
    assert!(network.notes.is_empty());
    let text = json(&network);
    insta::assert_snapshot!(text, @r#"
    {
      "format": "lipbound-network/1",
      "name": "n",
      "input_shape": [2],
      "layers": [
        {"type": "dense", "bias": [0.0,-0.0,1e-300], "weight": [[1.0,2.0],[3.0,4.0],[5.0,6.5]]},
        {"type": "relu"},
        {"type": "dense", "bias": [0.0], "weight": [[0.1,0.2,0.3]]}
      ]
    }
    "#);
    let again = read_file("b.json", text.as_bytes(), &ReadOptions::default()).expect("valid");
    assert_eq!(json(&again), text);
}

/// One rule for all numbers in text: the nearest 64-bit number is meant, which is said where digits are lost.
#[test]
fn written_numbers_are_the_nearest_ones() {
    let read = |number: &str| {
        let layers = native(&format!(r#"{{"type": "dense", "weight": [[{number}, 0.1]]}}"#));
        let short = format!(r#"{{"weights": [[[{number}, 0.1]]]}}"#);
        [layers, short].map(|text| {
            let network = read_file("a.json", text.as_bytes(), &ReadOptions::default());
            let network = network.expect("valid");
            (layers_of(&network), network.notes.join(" "))
        })
    };
    for (number, nearest) in [
        ("9007199254740993", "9007199254740992.0"),
        ("9007199254740993.0", "9007199254740992.0"),
        ("18446744073709551617", "1.8446744073709552e+19"),
        ("0.10000000000000000001", "0.1"),
        ("1e-400", "0.0"),
    ] {
        for (weight, note) in read(number) {
            assert_eq!(weight, format!("[[{nearest},0.1]]"), "{number}");
            let said =
                format!("1 number has more digits than 64-bit floating point keeps ({number})");
            assert!(note.starts_with(&said), "{note}");
        }
    }
    for number in ["9007199254740992", "-0.30000000000000004", "1.000000000000000056e-01"] {
        assert!(read(number).iter().all(|(_, note)| note.is_empty()), "{number}");
    }
}

fn layers_of(network: &lipbound::network::Network) -> String {
    layers(network)[0]["weight"].to_string()
}

#[test]
fn graphs_have_names_and_inputs() {
    let text = native(
        r#"{"name": "first", "type": "dense", "weight": [[1, 2], [3, 4]]},
           {"type": "relu", "inputs": ["input"]}, {"inputs": [0], "type": "tanh"},
           {"type": "sigmoid", "inputs": ["first"], "name": "last"}"#,
    );
    let network = read_file("a.json", text.as_bytes(), &ReadOptions::default()).expect("valid");
    let inputs: Vec<_> = network.nodes.iter().map(|node| node.inputs.clone()).collect();
    assert_eq!(inputs, [vec![0], vec![0], vec![1], vec![1]]);
    let again = read_file("b.json", json(&network).as_bytes(), &ReadOptions::default());
    assert_eq!(json(&again.expect("valid")), json(&network));
}

#[test]
fn the_short_form_says_what_it_assumes() {
    let text =
        r#"{"weights": [[[1, 2], [3, 4], [5, 6]], [[1, 1, 1]]], "biases": [[1, 2, 3], null]}"#;
    let network = read_file("s.json", text.as_bytes(), &ReadOptions::default()).expect("valid");
    assert_eq!(
        network.assumed,
        [
            "ReLU between the layers: the file does not name the activation (its key \"activation\" or --activation does)"
        ]
    );
    let one = read_file("s.json", br#"{"weights": [[[1, 2]]]}"#, &ReadOptions::default());
    assert!(one.expect("valid").assumed.is_empty(), "nothing is between the layers of one layer");
    assert_eq!((network.name.as_str(), network.input_shape.as_slice()), ("s", [2].as_slice()));
    let kinds: Vec<_> = network.nodes.iter().map(|n| n.layer.kind()).collect();
    assert_eq!(kinds, ["dense", "relu", "dense"]);

    let options = ReadOptions { activation: Some(Activation::Tanh), ..Default::default() };
    let network = read_file("s.json", text.as_bytes(), &options).expect("valid");
    assert_eq!(network.notes, ["activation between layers: tanh (--activation)"]);
    assert!(network.assumed.is_empty());
    assert_eq!(network.nodes[1].layer.kind(), "tanh");

    let text = text.replace('}', r#", "activation": {"type": "leaky_relu", "negative_slope": 0.5}, "output_activation": "Sigmoid"}"#);
    let network = read_file("s.json", text.as_bytes(), &options).expect("valid");
    assert!(network.notes.is_empty() && network.assumed.is_empty());
    let kinds: Vec<_> = network.nodes.iter().map(|n| n.layer.kind()).collect();
    assert_eq!(kinds, ["dense", "leaky_relu", "dense", "sigmoid"]);
}

#[test]
fn the_layout_transposes_matrices() {
    let options = ReadOptions { layout: Layout::InOut, ..Default::default() };
    let short = r#"{"weights": [[[1, 2, 3], [4, 5, 6]]], "activation": "relu"}"#;
    let long = native(r#"{"type": "dense", "weight": [[1, 2, 3], [4, 5, 6]]}"#);
    for text in [short, &long] {
        let network = read_file("s.json", text.as_bytes(), &options).expect("valid");
        assert_eq!(layers(&network)[0]["weight"].to_string(), "[[1.0,4.0],[2.0,5.0],[3.0,6.0]]");
    }
}

#[test]
fn tensors_can_be_files_in_the_folder() {
    let folder = Folder::new();
    folder.write("t/w0.npy", array(&[1, 2], &[1.0, 2.0]));
    folder.write("secret.npy", array(&[1, 2], &[1.0, 2.0]));
    let read = |name: &str| {
        folder.write(
            "m/m.json",
            native(&format!(r#"{{"type": "dense", "weight": {{"npy": "{name}"}}}}"#)),
        );
        folder.read(&["m/m.json"], &ReadOptions::default())
    };
    folder.write("m/t/w0.npy", array(&[1, 2], &[1.0, 2.0]));
    assert_eq!(layers(&read("t/w0.npy").expect("inside"))[0]["weight"].to_string(), "[[1.0,2.0]]");
    let absolute = folder.path().join("secret.npy").display().to_string();
    for name in ["../secret.npy", "t/../../secret.npy", "", ".", absolute.as_str()] {
        let message = read(name).expect_err("outside");
        assert!(message.contains("which is not inside the model's folder"), "{name}: {message}");
    }
    assert_eq!(
        read("none.npy").expect_err("missing"),
        "m/m.json: layer 0 (dense), weight: m/none.npy: no such file; check the path"
    );
    folder.write("m/nan.npy", array(&[1, 2], &[1.0, f64::NAN]));
    assert_eq!(
        read("nan.npy").expect_err("not finite"),
        "m/m.json: layer 0 (dense), weight: m/nan.npy: array: entry [0, 1] is NaN; weights must be finite (the training has diverged, or the file is damaged)"
    );
}

#[test]
fn every_mistake_has_a_message() {
    let dense = r#"{"type": "dense", "weight": [[1, 2], [3, 4]]}"#;
    let cases: Vec<(&str, String)> = vec![
        ("truncated", NATIVE[..150].to_owned()),
        ("not json", "{\"layers\": [}".to_owned()),
        ("trailing text", format!("{NATIVE} x")),
        ("not an object in a json file", "[1, 2]".to_owned()),
        ("other keys", "{\"a\": 1, \"b\": 2}".to_owned()),
        ("wrong version", NATIVE.replace("work/1", "work/2")),
        ("misspelt key", NATIVE.replace("input_shape", "input_shap")),
        ("duplicate key", NATIVE.replace("\"name\": \"n\"", "\"name\": \"n\",\n \"name\": \"n\"")),
        ("duplicate key in a layer", native(r#"{"type": "relu", "type": "relu"}"#)),
        ("no input shape", native(dense).replace("\"input_shape\": [2],", "")),
        ("empty input shape", native(dense).replace("[2],", "[0],")),
        ("negative input shape", native(dense).replace("[2],", "[-2],")),
        ("huge input shape", native(dense).replace("[2],", "[18446744073709551615, 3],")),
        ("no layers", native("")),
        ("layers is no list", native("").replace("[]", "{}")),
        ("layer is no object", native("3")),
        ("no type", native(r#"{"weight": [[1, 2]]}"#)),
        ("type is a number", native(r#"{"type": 1}"#)),
        ("unknown layer", native(r#"{"type": "desne", "weight": [[1, 2]]}"#)),
        ("unknown layer, alias", native(r#"{"type": "LeakyReLU"}"#)),
        ("unknown key in a layer", native(r#"{"type": "dense", "wieght": [[1, 2]]}"#)),
        ("unknown key in an activation", native(r#"{"type": "relu", "slope": 1}"#)),
        ("unknown parameter", native(r#"{"type": "elu", "alhpa": 1}"#)),
        ("parameter out of range", native(r#"{"type": "celu", "alpha": 0}"#)),
        ("missing weight", native(r#"{"type": "dense"}"#)),
        ("missing slopes", native(r#"{"type": "prelu"}"#)),
        ("ragged rows", native("{\"type\": \"dense\",\n  \"weight\": [[1, 2], [3]]}")),
        ("text as weight", native(r#"{"type": "dense", "weight": "abc"}"#)),
        ("text in weight", native(r#"{"name": "fc", "type": "dense", "weight": [[1, "2"]]}"#)),
        ("weight is a vector", native(r#"{"type": "dense", "weight": [1, 2]}"#)),
        ("weight without columns", native(r#"{"type": "dense", "weight": [[], []]}"#)),
        ("bias too short", native(r#"{"type": "dense", "weight": [[1, 2], [3, 4]], "bias": [1]}"#)),
        ("NaN", native(r#"{"type": "dense", "weight": [[1, NaN]]}"#)),
        ("Infinity", native(r#"{"type": "dense", "weight": [[1, -Infinity]]}"#)),
        ("overflow", native(r#"{"type": "dense", "weight": [[1, 1e999]]}"#)),
        (
            "shapes",
            native(&format!(
                "{dense}, {{\"type\": \"relu\"}}, {{\"type\": \"dense\", \"weight\": [[1, 2, 3]]}}"
            )),
        ),
        ("two names", native(r#"{"type": "relu", "name": "a"}, {"type": "relu", "name": "a"}"#)),
        ("reserved name", native(r#"{"type": "relu", "name": "input"}"#)),
        ("later layer", native(r#"{"type": "relu", "inputs": [0]}"#)),
        (
            "unknown input",
            native(r#"{"type": "relu", "name": "first"}, {"type": "relu", "inputs": ["frist"]}"#),
        ),
        ("no inputs", native(r#"{"type": "relu", "inputs": []}"#)),
        ("inputs of a wrong type", native(r#"{"type": "relu", "inputs": [1.5]}"#)),
        ("two inputs", native(r#"{"type": "relu", "inputs": ["input", "input"]}"#)),
        ("npy with another key", native(r#"{"type": "dense", "weight": {"npz": "a"}}"#)),
        ("short, version", r#"{"format": "other/1", "weights": [[[1]]]}"#.to_owned()),
        ("short, unknown key", r#"{"weights": [[[1]]], "activations": "relu"}"#.to_owned()),
        ("short, unknown activation", r#"{"weights": [[[1]]], "activation": "rellu"}"#.to_owned()),
        ("short, number of biases", r#"{"weights": [[[1]], [[1]]], "biases": [[1]]}"#.to_owned()),
        ("short, no weights", r#"{"weights": []}"#.to_owned()),
        ("short, null weight", r#"{"weights": [null]}"#.to_owned()),
        ("short, shapes", r#"{"weights": [[[1, 2]], [[1, 2]]]}"#.to_owned()),
        ("short, transposed", r#"{"weights": [[[1, 2], [3, 4], [5, 6]], [[1], [2]]]}"#.to_owned()),
        ("short, bias", r#"{"weights": [[[1, 2]]], "biases": [[1, 2]]}"#.to_owned()),
        ("short, ragged", r#"{"weights": [[[1, 2], [1]]]}"#.to_owned()),
        ("deep nesting", format!("{{\"weights\": {}", "[".repeat(100_000))),
    ];
    let options = ReadOptions::default();
    let mut messages: Vec<(String, String)> = cases
        .iter()
        .map(|(case, text)| ((*case).to_owned(), message("m.json", text.as_bytes(), &options)))
        .collect();
    let binary: [(&str, &[u8]); 2] =
        [("not UTF-8", b"{\"name\": \"\xff\"}"), ("UTF-16", b"\xff\xfe{\0}\0")];
    for (case, bytes) in binary {
        messages.push((case.to_owned(), message("m.json", bytes, &options)));
    }
    check_messages("json", messages);
}

#[test]
fn files_are_replaced_as_a_whole() {
    let folder = Folder::new();
    let network = read_file("a.json", NATIVE.as_bytes(), &ReadOptions::default()).expect("valid");
    let path = folder.write("out.npz", "old");
    write(&network, &path).expect("dense and relu");
    assert_eq!(layers(&folder.read(&["out.npz"], &ReadOptions::default()).expect("valid")), {
        let mut layers = layers(&network);
        layers[0]["name"] = "W0".into();
        layers[2]["name"] = "W1".into();
        layers
    });
    let path = folder.write("out.safetensors", "old");
    write(&network, &path).expect("dense and relu");
    let read = folder.read(&["out.safetensors"], &ReadOptions::default()).expect("valid");
    assert_eq!(layers(&read)[2]["weight"], layers(&network)[2]["weight"]);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2, "no file is left");

    let error = write(&network, &folder.path().join("out.onnx")).expect_err("not writable");
    assert_eq!(
        folder.hide(&error.to_string()),
        "out.onnx: this extension cannot be written; expected one of: JSON (.json), NPZ (.npz), safetensors (.safetensors)"
    );
    let error = write(&network, &folder.path().join("no/folder.json")).expect_err("no folder");
    assert!(error.to_string().contains("cannot be written"), "{error}");
    let tanh = native(
        r#"{"type": "dense", "weight": [[1, 2]]}, {"type": "tanh"}, {"type": "dense", "weight": [[1]]}"#,
    );
    let network = read_file("a.json", tanh.as_bytes(), &ReadOptions::default()).expect("valid");
    let error = write(&network, &path.with_extension("npz")).expect_err("tanh would be lost");
    assert_eq!(
        folder.hide(&error.to_string()),
        "out.npz: layer 1 (tanh) is neither dense nor relu, which tensors alone would lose: they are read as dense layers with relu between them; write JSON instead"
    );
}

#[test]
fn the_schema_has_every_layer_and_resolves() {
    let schema = lipbound::io::json::schema();
    let text = schema.to_string();
    for name in lipbound::network::layers::names() {
        assert!(
            text.contains(&format!("{{\"const\":\"{name}\""))
                || text.contains(&format!("\"const\":\"{name}\"")),
            "{name}"
        );
    }
    for reference in text.split("\"$ref\":\"#/$defs/").skip(1) {
        let name = reference.split('"').next().unwrap_or_default();
        assert!(schema["$defs"].get(name).is_some(), "{name} is not defined");
    }
    let forms = schema["$defs"]["layer"]["oneOf"].as_array().expect("a list");
    for form in forms {
        for key in ["type", "name", "inputs"] {
            assert!(form["properties"].get(key).is_some(), "{form}");
        }
        assert!(
            form["required"].as_array().is_some_and(|r| r.iter().any(|k| k == "type")),
            "{form}"
        );
    }
}
