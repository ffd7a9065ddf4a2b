//! Reads the models in the folder that `LIPBOUND_SHARED` names, if it is set.

use std::path::{Path, PathBuf};

use lipbound::io::{ReadOptions, read, sources};

fn files(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, extensions, found);
        } else if path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)) {
            found.push(path);
        }
    }
    found.sort();
}

#[test]
fn all_dense_models_load() {
    let Some(shared) = std::env::var_os("LIPBOUND_SHARED") else { return };
    let mut paths = Vec::new();
    let extensions = ["json", "npz", "safetensors", "nnet", "pth", "pt"];
    files(&Path::new(&shared).join("models"), &extensions, &mut paths);
    files(&Path::new(&shared).join("reference/networks"), &extensions, &mut paths);
    assert!(!paths.is_empty(), "no models under {}", Path::new(&shared).display());
    for path in paths {
        let display = path.display().to_string();
        let source = &sources(std::slice::from_ref(&path)).expect("exists")[0];
        let result = read(source, &ReadOptions::default());
        match &result {
            Ok(network) => {
                eprintln!(
                    "{display}: {} nodes, {} parameters, {:?}",
                    network.nodes.len(),
                    network.parameters(),
                    network.notes
                );
                network.lower().expect("can be bounded");
            }
            Err(error) => eprintln!("{error}"),
        }
        let convolutional = ["mnist_cnn", "mnist_conv"].iter().any(|part| display.contains(part));
        assert_eq!(result.is_err(), convolutional, "{display}");
    }
}
