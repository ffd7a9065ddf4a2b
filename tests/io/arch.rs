//! Architecture files.

use lipbound::io::{Layout, ReadOptions};

use crate::support::{Folder, array, check_messages, layers, zip};

fn tensors() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("fc1.weight.npy", array(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        ("fc1.bias.npy", array(&[3], &[1.0, 2.0, 3.0])),
        ("act.weight.npy", array(&[1], &[0.25])),
        ("fc2.weight.npy", array(&[1, 3], &[7.0, 8.0, 9.0])),
    ]
}

const GOOD: &str = r#"{"format": "lipbound-network/1", "input_shape": [1, 2], "layers": [
 {"type": "flatten"}, {"type": "dense", "name": "fc1"}, {"type": "prelu", "name": "act"},
 {"type": "dense", "name": "fc2"}, {"type": "tanh"}]}"#;

fn read(
    arch: &str,
    files: &[(&str, Vec<u8>)],
    layout: Layout,
) -> Result<serde_json::Value, String> {
    let folder = Folder::new();
    folder.write("m.npz", zip(files, false));
    let arch = Some(folder.write("arch.json", arch));
    let options = ReadOptions { arch, layout, ..Default::default() };
    let network = folder.read(&["m.npz"], &options)?;
    assert_eq!(network.name, "m");
    assert_eq!(folder.hide(&network.notes.join(" ")), "architecture: arch.json");
    Ok(layers(&network))
}

#[test]
fn layers_take_tensors_by_name_or_in_order() {
    let named = read(GOOD, &tensors(), Layout::OutIn).expect("valid");
    assert_eq!(named[1]["bias"].to_string(), "[1.0,2.0,3.0]");
    assert_eq!(named[2]["slopes"].to_string(), "[0.25]");
    assert_eq!(named[3]["weight"].to_string(), "[[7.0,8.0,9.0]]");
    let unnamed = [("fc1", "a"), ("act", "b"), ("fc2", "c")]
        .iter()
        .fold(GOOD.to_owned(), |text, (name, other)| text.replace(name, other));
    let ordered = read(&unnamed, &tensors(), Layout::OutIn).expect("valid");
    assert_eq!(ordered[3]["weight"], named[3]["weight"]);
    // A name in the file comes before the order.
    let swapped =
        r#"{"input_shape": [2], "layers": [{"type": "dense", "name": "W1"}, {"type": "dense"}]}"#;
    let files = [("W0.npy", array(&[1, 3], &[1.0; 3])), ("W1.npy", array(&[3, 2], &[2.0; 6]))];
    let found = read(&swapped.replace("W1", "1"), &files, Layout::OutIn).expect("valid");
    assert_eq!(found[1]["weight"].to_string(), "[[1.0,1.0,1.0]]");
    let files = [("W0.npy", array(&[2, 3], &[1.0; 6])), ("W1.npy", array(&[3, 1], &[2.0; 3]))];
    let plain = r#"{"input_shape": [2], "layers": [{"type": "dense"}, {"type": "dense"}]}"#;
    let found = read(plain, &files, Layout::InOut).expect("valid");
    assert_eq!(found[1]["weight"].to_string(), "[[2.0,2.0,2.0]]");
}

/// The order in a file is that in which a program made the layers; where it decides, the layers need names.
#[test]
fn layers_without_names_take_what_fits_in_one_way_only() {
    let square = |x: f64| array(&[2, 2], &[x; 4]);
    let plain = r#"{"input_shape": [2], "layers": [{"type": "dense"}, {"type": "dense"}]}"#;
    let first = |files: &[(&str, Vec<u8>)]| {
        read(plain, files, Layout::OutIn).map(|layers| layers[0]["weight"].to_string())
    };
    let error = first(&[("b.weight.npy", square(1.0)), ("a.weight.npy", square(2.0))]);
    let message = error.expect_err("b or a");
    assert!(message.contains("the tensors of b fit this layer, and so do those of a"), "{message}");
    let numbered = first(&[("f1.weight.npy", square(1.0)), ("f2.weight.npy", square(2.0))]);
    assert_eq!(numbered.as_deref(), Ok("[[1.0,1.0],[1.0,1.0]]"));
    let against = first(&[("f2.weight.npy", square(1.0)), ("f1.weight.npy", square(2.0))]);
    assert!(against.is_err());
    let named = plain.replacen("\"dense\"", "\"dense\", \"name\": \"a\"", 1);
    let files = [("b.weight.npy", square(1.0)), ("a.weight.npy", square(2.0))];
    let layers = read(&named, &files, Layout::OutIn).expect("a, then b");
    assert_eq!(layers[0]["weight"].to_string(), "[[2.0,2.0],[2.0,2.0]]");
}

#[test]
fn wrong_architectures() {
    let cases = [
        ("too many layers", GOOD.replace("{\"type\": \"tanh\"}", "{\"type\": \"dense\"}")),
        ("too few layers", GOOD.replace(" {\"type\": \"dense\", \"name\": \"fc2\"},", "")),
        (
            "wrong layer",
            GOOD.replace(
                "{\"type\": \"prelu\", \"name\": \"act\"}",
                "{\"type\": \"dense\", \"name\": \"act\"}",
            ),
        ),
        (
            "bias not used",
            GOOD.replace("\"dense\", \"name\": \"fc1\"", "\"prelu\", \"name\": \"fc1\""),
        ),
        ("shapes", GOOD.replace("[1, 2]", "[1, 5]")),
        ("unknown layer", GOOD.replace("flatten", "flaten")),
        ("not json", "{".to_owned()),
    ];
    let messages = cases
        .iter()
        .map(|(case, arch)| {
            let message = read(arch, &tensors(), Layout::OutIn).expect_err(case);
            ((*case).to_owned(), message)
        })
        .collect();
    check_messages("arch", messages);
}
