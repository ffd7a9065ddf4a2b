//! Agreement with what `tools/onnx_reference.py` recorded.

use std::path::Path;

use lipbound::io::{ReadOptions, Source, read};
use lipbound::network::size;

use crate::forward::{evaluate, reference_input};

#[derive(serde::Deserialize)]
struct Reference {
    model: String,
    outputs: Vec<Vec<f64>>,
}

/// The largest difference, relative to the largest output; what the reader says instead.
fn difference(models: &Path, reference: &Path) -> Result<f64, String> {
    let text = std::fs::read_to_string(reference).expect("a reference");
    let reference: Reference = serde_json::from_str(&text).expect("a reference");
    let source = Source::File(models.join(reference.model));
    let network = read(&source, &ReadOptions::default()).map_err(|error| error.to_string())?;
    let lowered = network.lower().map_err(|error| error.to_string())?;
    let mut worst = 0.0f64;
    for (k, expected) in reference.outputs.iter().enumerate() {
        let found = evaluate(&lowered, &reference_input(k, size(&network.input_shape)));
        assert_eq!(found.len(), expected.len());
        let scale = expected.iter().fold(0.0f64, |m, x| m.max(x.abs())).max(f64::MIN_POSITIVE);
        let error = found.iter().zip(expected).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
        worst = worst.max(error / scale);
    }
    Ok(worst)
}

fn references(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "json"));
    paths.sort();
    paths
}

#[test]
fn own_models_agree_with_onnxruntime() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/onnx");
    for (folder, count) in [(folder.clone(), 2), (folder.join("operators"), 70)] {
        let references = references(&folder);
        assert!(references.len() >= count);
        for path in references {
            let difference =
                difference(&folder, &path).unwrap_or_else(|message| panic!("{message}"));
            assert!(difference < 1e-6, "{}: {difference:e}", path.display());
        }
    }
}

/// Prints the differences for models that are not part of this project:
/// `ONNX_MODELS=FOLDER ONNX_REFERENCES=FOLDER cargo test --release --test onnx -- --ignored --nocapture`
#[test]
#[ignore = "needs models and references from elsewhere"]
fn other_models_agree_with_onnxruntime() {
    let folder = |name: &str| std::path::PathBuf::from(std::env::var(name).expect("a folder"));
    for path in references(&folder("ONNX_REFERENCES")) {
        let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
        match difference(&folder("ONNX_MODELS"), &path) {
            Ok(difference) => println!("{stem}: {difference:.1e}"),
            Err(message) => println!("{stem}: refused: {message}"),
        }
    }
}
