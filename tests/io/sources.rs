//! Which files make up a model.

use std::path::PathBuf;

use lipbound::io::{ReadOptions, Source, sources};

use crate::support::{Folder, array};

#[test]
fn consecutive_arrays_are_one_model() {
    let folder = Folder::new();
    for name in ["W0.npy", "b0.npy", "c.npy", "m.json", "d/x"] {
        folder.write(name, "x");
    }
    let path = |name: &str| folder.path().join(name);
    let list: Vec<PathBuf> = ["W0.npy", "b0.npy", "m.json", "c.npy", "d"].map(path).to_vec();
    let found = sources(&list).expect("all exist");
    assert_eq!(
        found,
        [
            Source::Arrays(vec![path("W0.npy"), path("b0.npy")]),
            Source::File(path("m.json")),
            Source::Arrays(vec![path("c.npy")]),
            Source::Folder(path("d")),
        ]
    );
    let names: Vec<String> = found.iter().map(Source::name).collect();
    assert_eq!(names, ["W0", "m", "c", "d"]);
    assert_eq!(sources(&["-".into()]), Ok(vec![Source::Stdin]));
}

#[test]
fn wrong_arguments_have_a_message() {
    let folder = Folder::new();
    let error = |paths: &[&str]| {
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        sources(&paths).expect_err("wrong").to_string()
    };
    assert_eq!(error(&[]), "models: no file was given; name at least one model file");
    assert_eq!(error(&["-", "-"]), "-: the standard input can only be read once");
    // A missing model is an error of its own, so that the others are not lost.
    assert_eq!(sources(&["no/such.npz".into(), "other.npz".into()]).map(|s| s.len()).ok(), Some(2));
    let read = |name: &str| folder.read(&[name], &ReadOptions::default()).expect_err("wrong");
    assert!(read("no-such.npz").ends_with("no-such.npz: no such file; check the path"));
    folder.write("empty.json", "");
    assert_eq!(read("empty.json"), "empty.json: the file is empty, expected a model");
    folder.write("model.xyz", "hello");
    let message = read("model.xyz");
    let start = "model.xyz: the format is not known; expected one of: JSON (.json), NPY (.npy), ";
    assert!(message.starts_with(start), "{message}");
    folder.write("folder/README", "x");
    assert_eq!(
        read("folder"),
        "folder: the folder has no .npy files; expected one for each tensor, for example W0.npy and b0.npy"
    );
    for name in ["model.h5", "model.keras"] {
        folder.write(name, "x");
        assert!(
            read(name).starts_with(&format!("{name}: Keras and HDF5 files are not read; export"))
        );
    }
}

#[test]
fn a_folder_is_read_in_natural_order() {
    let folder = Folder::new();
    for i in 0..12 {
        let weight = array(&[i + 2, i + 1], &vec![i as f64; (i + 1) * (i + 2)]);
        folder.write(&format!("net/layer{i}.npy"), weight);
    }
    folder.write("net/notes.txt", "not an array");
    let network = folder.read(&["net"], &ReadOptions::default()).expect("chains in natural order");
    assert_eq!((network.name.as_str(), network.nodes.len()), ("net", 23));
}

#[test]
fn contents_count_more_than_extensions() {
    let folder = Folder::new();
    folder.write("weights.bin", array(&[1, 2], &[1.0, 2.0]));
    let network = folder.read(&["weights.bin"], &ReadOptions::default()).expect("an NPY file");
    assert_eq!(network.input_shape, [2]);
    folder
        .write("model.json", crate::support::zip(&[("W0.npy", array(&[1, 2], &[1.0, 2.0]))], true));
    assert!(folder.read(&["model.json"], &ReadOptions::default()).is_ok());
}
