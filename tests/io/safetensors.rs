//! safetensors.

use lipbound::io::ReadOptions;

use crate::support::{check_messages, f64s, layers, message, read_file};

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn one(dtype: &str, shape: &str, offsets: &str, data: &[u8]) -> Vec<u8> {
    file(
        &format!(
            r#"{{"0.weight":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#
        ),
        data,
    )
}

#[test]
fn number_types_are_exact() {
    let weight = |bytes: &[u8]| {
        let network = read_file("m.safetensors", bytes, &ReadOptions::default()).expect("valid");
        layers(&network)[0]["weight"].to_string()
    };
    let f32s: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(weight(&one("F32", "[1,2]", "[0,8]", &f32s)), "[[1.5,-2.0]]");
    assert_eq!(weight(&one("F64", "[1,2]", "[0,16]", &f64s(&[1.5, -2.0]))), "[[1.5,-2.0]]");
    assert_eq!(weight(&one("BF16", "[1,2]", "[0,4]", &[0xc0, 0x3f, 0x00, 0xc0])), "[[1.5,-2.0]]");
    assert_eq!(weight(&one("F16", "[1,2]", "[0,4]", &[0x00, 0x3e, 0x00, 0xc0])), "[[1.5,-2.0]]");
    assert_eq!(weight(&one("I8", "[1,2]", "[0,2]", &[3, 0xfe])), "[[3.0,-2.0]]");
}

/// Tensors of ones with these names and shapes.
fn ones(tensors: &[(&str, usize, usize)]) -> Vec<u8> {
    let mut entries = vec![r#""__metadata__":{"format":"pt"}"#.to_owned()];
    let mut start = 0;
    for (name, rows, columns) in tensors {
        let end = start + 8 * rows * columns;
        entries.push(format!(
            r#""{name}":{{"dtype":"F64","shape":[{rows},{columns}],"data_offsets":[{start},{end}]}}"#
        ));
        start = end;
    }
    file(&format!("{{{}}}", entries.join(",")), &f64s(&vec![1.0; start / 8]))
}

#[test]
fn layers_are_ordered_by_number_or_by_shape() {
    let read = |tensors: &[(&str, usize, usize)]| {
        read_file("m.safetensors", &ones(tensors), &ReadOptions::default())
    };
    let names = |tensors: &[(&str, usize, usize)]| {
        let network = read(tensors).expect("valid");
        let names: Vec<String> = network.nodes.iter().step_by(2).map(|n| n.name.clone()).collect();
        (names.join(" "), network.notes.join(" "))
    };
    let numbered = names(&[("n.10.weight", 2, 2), ("n.2.weight", 2, 2), ("n.0.weight", 2, 2)]);
    assert_eq!(numbered.0, "n.0 n.2 n.10");
    let shaped = names(&[("fc.weight", 3, 4), ("head.weight", 2, 3), ("stem.weight", 4, 5)]);
    assert_eq!(shaped.0, "stem fc head");
    assert_eq!(shaped.1, "order of the layers, from their shapes: stem, fc, head");
}

#[test]
fn wrong_safetensors_files() {
    let data = f64s(&[1.0, 2.0]);
    let good = one("F64", "[1,2]", "[0,16]", &data);
    let two = |second: &str| {
        file(
            &format!(
                r#"{{"0.weight":{{"dtype":"F64","shape":[1,2],"data_offsets":[0,16]}},"1.weight":{{"dtype":"F64","shape":[1,1],"data_offsets":{second}}}}}"#
            ),
            &f64s(&[1.0, 2.0, 3.0]),
        )
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("too short", good[..5].to_vec()),
        ("cut in the header", good[..30].to_vec()),
        ("header of exabytes", [&u64::MAX.to_le_bytes()[..], b"{}"].concat()),
        ("truncated", good[..good.len() - 1].to_vec()),
        ("rest", [good.clone(), vec![0]].concat()),
        ("header is no json", file("{\"a\": ", &[])),
        ("header is no object", file("[1]", &[])),
        ("no tensors", file("{}", &[])),
        ("duplicate", file(r#"{"a":1,"a":1}"#, &[])),
        (
            "unknown key",
            file(r#"{"a":{"dtype":"F64","shape":[],"data_offsets":[0,8],"x":1}}"#, &data),
        ),
        ("missing key", file(r#"{"a":{"dtype":"F64","shape":[]}}"#, &data)),
        ("number type", one("F8_E4M3", "[1,2]", "[0,2]", &[0; 2])),
        ("bool", one("BOOL", "[1,2]", "[0,2]", &[0; 2])),
        ("terabytes", one("F64", "[1000000,1000000]", "[0,8000000000000]", &data)),
        ("shape overflows", one("F64", "[4294967296,4294967296]", "[0,16]", &data)),
        ("shape and bytes", one("F64", "[1,3]", "[0,16]", &data)),
        ("offsets reversed", one("F64", "[1,2]", "[16,0]", &data)),
        ("negative offset", one("F64", "[1,2]", "[-1,16]", &data)),
        ("overlap", two("[8,16]")),
        ("gap", two("[16,24]").into_iter().chain([0; 8]).collect()),
        ("NaN", one("F64", "[1,2]", "[0,16]", &f64s(&[1.0, f64::NAN]))),
        ("unknown order", ones(&[("a.weight", 2, 2), ("b.weight", 2, 2)])),
        ("does not chain", ones(&[("l1.weight", 2, 2), ("l2.weight", 3, 3)])),
    ];
    let options = ReadOptions::default();
    let messages = cases
        .iter()
        .map(|(case, bytes)| ((*case).to_owned(), message("m.safetensors", bytes, &options)))
        .collect();
    check_messages("safetensors", messages);
}
