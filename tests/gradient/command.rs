//! The command: the file that it writes, its table, its errors.

use std::path::Path;

use ndarray::{ArrayD, IxDyn};

use crate::program::{Folder, failure, lipbound, stdout, text};

/// The arrays of an NPZ file: name, shape, entries.
fn arrays(bytes: &[u8]) -> Vec<(String, ArrayD<f64>)> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("an archive");
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).expect("a file");
        let name = file.name().expect("a name").trim_end_matches(".npy").to_owned();
        let mut data = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut data).expect("contents");
        found.push((name, lipbound::io::npy::parse(&data).expect("an array")));
    }
    found
}

fn shapes(bytes: &[u8]) -> Vec<(String, Vec<usize>)> {
    arrays(bytes).into_iter().map(|(name, array)| (name, array.shape().to_vec())).collect()
}

/// The name and the shape of a tensor.
type Named<'a> = (&'a str, &'a [usize]);

fn npz(tensors: &[Named]) -> Vec<u8> {
    let entry = |i: usize| (i * 7 % 5) as f64 - 1.5;
    let tensors: Vec<(String, ArrayD<f64>)> = tensors
        .iter()
        .map(|(name, shape)| {
            let count = shape.iter().product();
            let values = (0..count).map(entry).collect();
            ((*name).to_owned(), ArrayD::from_shape_vec(IxDyn(shape), values).expect("a shape"))
        })
        .collect();
    lipbound::io::npz::archive(&tensors).expect("an archive")
}

#[test]
fn the_arrays_have_the_names_and_shapes_of_the_file() {
    let folder = Folder::new();
    // Names by number, a state dict in the order of the file, names by position, Keras kernels.
    let cases: [(&[Named], &[&str]); 4] = [
        (&[("W0", &[3, 2]), ("b0", &[1, 3]), ("W1", &[2, 3])], &[]),
        (&[("fc2.weight", &[4, 3]), ("fc2.bias", &[4]), ("fc1.weight", &[2, 4])], &[]),
        (&[("arr_0", &[2, 3]), ("arr_1", &[3]), ("arr_2", &[3, 1])], &["--layout", "in-out"]),
        (&[("d/kernel:0", &[2, 5]), ("d/bias:0", &[5]), ("e/kernel:0", &[5, 1])], &[]),
    ];
    for (tensors, options) in cases {
        std::fs::write(folder.path("m.npz"), npz(tensors)).expect("written");
        let arguments = [&["gradient", "m.npz", "--bound", "k5", "-o", "g.npz"], options].concat();
        stdout(folder.run(&arguments));
        let found = std::fs::read(folder.path("g.npz")).expect("a file");
        let expected: Vec<(String, Vec<usize>)> =
            tensors.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect();
        assert_eq!(shapes(&found), expected);
        // Each weight times its gradient is the bound, so the entries are where they belong.
        let model = arrays(&std::fs::read(folder.path("m.npz")).expect("a file"));
        let products: Vec<f64> = model
            .iter()
            .zip(arrays(&found))
            .filter(|((name, _), _)| !name.contains('b') && name != "arr_1")
            .map(|((_, w), (_, g))| (w * &g).sum())
            .collect();
        assert!((products[0] - products[1]).abs() <= 1e-12 * products[0], "{products:?}");
    }
}

#[test]
fn architectures_name_their_tensors() {
    let folder = Folder::new();
    let tensors: &[Named] = &[
        ("stem.weight", &[2, 1, 3]),
        ("bn.weight", &[2]),
        ("bn.bias", &[2]),
        ("bn.running_mean", &[2]),
        ("bn.running_var", &[2]),
        ("act.weight", &[2]),
        ("head.weight", &[3, 8]),
        ("head.bias", &[3]),
    ];
    let mut arrays: Vec<(String, ArrayD<f64>)> = Vec::new();
    for (name, shape) in tensors {
        let value = |i: usize| if name.contains("var") { 1.0 } else { 0.25 * (i + 1) as f64 };
        let values = (0..shape.iter().product()).map(value).collect();
        arrays.push((
            (*name).to_owned(),
            ArrayD::from_shape_vec(IxDyn(shape), values).expect("a shape"),
        ));
    }
    let bytes = lipbound::io::npz::archive(&arrays).expect("an archive");
    std::fs::write(folder.path("m.npz"), bytes).expect("written");
    folder.write(
        "m.arch.json",
        r#"{"input_shape": [1, 6], "layers": [{"type": "conv1d", "name": "stem"},
        {"type": "batch_norm", "name": "bn"}, {"type": "prelu", "name": "act"}, {"type": "flatten"},
        {"type": "dense", "name": "head"}]}"#,
    );
    let run = ["gradient", "m.npz", "--arch", "m.arch.json", "--bound", "k3", "-o", "g.npz"];
    stdout(folder.run(&run));
    let found = shapes(&std::fs::read(folder.path("g.npz")).expect("a file"));
    // No statistics.
    let trained = tensors.iter().filter(|(n, _)| !n.contains("running"));
    let expected: Vec<(String, Vec<usize>)> =
        trained.map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect();
    assert_eq!(found, expected);
    // Slopes that the file of weights does not hold have no array for their step.
    let given = folder.read("m.arch.json").replace(r#""name": "act""#, r#""slopes": [0.5, 0.25]"#);
    folder.write("m.arch.json", &given);
    let rest: Vec<(String, ArrayD<f64>)> =
        arrays.into_iter().filter(|(name, _)| !name.contains("act")).collect();
    let bytes = lipbound::io::npz::archive(&rest).expect("an archive");
    std::fs::write(folder.path("m.npz"), bytes).expect("written");
    let output = folder.run(&run);
    let note = "layer 2: they are not in the file, so they are taken as constants";
    assert!(text(&output.stderr).contains(note), "{}", text(&output.stderr));
    let found = shapes(&std::fs::read(folder.path("g.npz")).expect("a file"));
    assert_eq!(found.len(), expected.len() - 1, "{found:?}");
}

#[test]
fn the_command() {
    let folder = Folder::new();
    let model = "tests/data/networks/x2-l3.json";
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(root.join(model), folder.path("x2.json")).expect("a copy");
    let run = ["gradient", "x2.json", "--bound", "k5", "-o", "g.npz"];
    insta::assert_snapshot!(stdout(folder.run(&run)));
    let first = std::fs::read(folder.path("g.npz")).expect("a file");
    stdout(folder.run(&run));
    assert_eq!(first, std::fs::read(folder.path("g.npz")).expect("a file"), "other bytes");
    // Nothing else is left in the folder.
    assert_eq!(std::fs::read_dir(folder.path("")).expect("a folder").count(), 2);
}

#[test]
fn mistakes_get_one_clear_error() {
    for (arguments, reason) in [
        (
            &["gradient", "x2-l1.json", "--bound", "k_sdp"][..],
            "k_sdp has no gradient; available are k_star, k1, k3, k4, k5",
        ),
        (&["gradient", "x2-l1.json", "--bound", "k_satr"], "did you mean k_star?"),
        (&["gradient", "x2-l1.json"], "--bound <BOUND>"),
        (&["gradient", "x2-l1.json", "--bound", "k5", "-o", "g.json"], "a name that ends in .npz"),
        (
            &["gradient", "x2-l1.json", "--bound", "k5", "-o", "nowhere/g.npz"],
            "nowhere/g.npz: cannot write the file",
        ),
        (&["gradient", "x2-l1.json", "--bound", "k5", "--norm", "l3"], "expected l1, l2 or linf"),
        (
            &["gradient", "x2-l1.json", "--bound", "k5", "--pooling", "explicit"],
            "not those of the file",
        ),
        (
            &["gradient", "x2-l6.json", "--bound", "k4", "--k4-depth-limit", "3"],
            "--k4-depth-limit raises",
        ),
        (&["gradient", "nowhere.json", "--bound", "k5"], "nowhere.json"),
    ] {
        let error = failure(lipbound(arguments));
        assert!(error.contains(reason), "{arguments:?}: {error}");
    }
}
