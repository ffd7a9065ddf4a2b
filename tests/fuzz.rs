//! Damaged files of every format: a reader returns a network or one clear error, without a panic, without
//! much time and without much memory.
//!
//! `LIPBOUND_FUZZ_SECONDS` is the time for each test, `LIPBOUND_FUZZ_SEED` what the changes follow from.
#![allow(clippy::expect_used, clippy::print_stdout)] // tests fail by panicking, and say what they did
#![allow(unsafe_code)] // an allocator that counts cannot be written without

#[path = "fuzz/allocator.rs"]
mod allocator;
#[path = "fuzz/corpus.rs"]
mod corpus;
#[path = "fuzz/execute.rs"]
mod execute;
#[path = "fuzz/json.rs"]
mod json;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[allow(dead_code)] // the tests of single formats use the rest
#[path = "io/pickles.rs"]
mod pickles;
#[path = "fuzz/structured.rs"]
mod structured;
#[allow(dead_code)] // the tests of single formats use the rest
#[path = "io/support.rs"]
mod support;
#[path = "fuzz/target.rs"]
mod target;

use std::path::Path;

use execute::{CONSTANT, ONNX, Reader, execute};
use lipbound::io::ReadOptions;
use structured::{npy, pickle, protobuf, safetensors, zipped};
use target::{Target, run};

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

fn reader(file: &'static str) -> Reader {
    let options = ReadOptions { nnet_normalise: true, ..ReadOptions::default() };
    // A file without an extension can be of any format.
    let constant = if file.contains('.') && !file.ends_with(".onnx") { CONSTANT } else { ONNX };
    Reader { file, options, constant }
}

#[test]
fn json_models() {
    let (corpus, tokens) = (corpus::json(), &corpus::JSON_TOKENS);
    run(&Target { reader: reader("m.json"), corpus, tokens, mutation: json::json });
}

#[test]
fn architectures() {
    let folder = support::Folder::new();
    let arch = folder.path().join("arch.json");
    let mut reader = reader("m.npz");
    reader.options.arch = Some(arch.clone());
    let model = corpus::named_tensors();
    let (corpus, tokens) = (vec![corpus::ARCH.as_bytes().to_vec()], &corpus::JSON_TOKENS);
    let target = Target { reader, corpus, tokens, mutation: json::json };
    // The architecture is what changes, the model stays.
    target::run_with(&target, |bytes| {
        std::fs::write(&arch, bytes).expect("a writable temporary folder");
        execute(&target.reader, &model, true)
    });
}

#[test]
fn npy_arrays() {
    let (corpus, tokens) = (corpus::arrays(), &corpus::NPY_TOKENS);
    run(&Target { reader: reader("m.npy"), corpus, tokens, mutation: npy });
}

#[test]
fn npz_archives() {
    let (corpus, tokens) = (corpus::archives(), &corpus::NAME_TOKENS);
    let mutation: structured::Mutation = |bytes, source| zipped(bytes, source, npy);
    run(&Target { reader: reader("m.npz"), corpus, tokens, mutation });
}

#[test]
fn safetensors_files() {
    let (corpus, tokens) = (corpus::safetensors(), &corpus::NAME_TOKENS);
    run(&Target { reader: reader("m.safetensors"), corpus, tokens, mutation: safetensors });
}

#[test]
fn pytorch_files() {
    let (corpus, tokens) = (corpus::pytorch(), &corpus::PICKLE_TOKENS);
    let mutation: structured::Mutation = |bytes, source| zipped(bytes, source, pickle);
    run(&Target { reader: reader("m.pt"), corpus, tokens, mutation });
}

#[test]
fn old_pytorch_files() {
    let (corpus, tokens) = (corpus::old_pytorch(), &corpus::PICKLE_TOKENS);
    run(&Target { reader: reader("m.pth"), corpus, tokens, mutation: pickle });
}

#[test]
fn nnet_files() {
    let (corpus, tokens) = (corpus::nnet(), &corpus::NNET_TOKENS);
    run(&Target { reader: reader("m.nnet"), corpus, tokens, mutation: mutate::bytes });
}

#[test]
fn onnx_models() {
    let (corpus, tokens) = (corpus::onnx(), &corpus::ONNX_TOKENS);
    run(&Target { reader: reader("m.onnx"), corpus, tokens, mutation: protobuf });
}

#[test]
fn keras_files() {
    let (corpus, tokens) = (corpus::keras(), &corpus::JSON_TOKENS);
    run(&Target { reader: reader("m.keras"), corpus, tokens, mutation: mutate::bytes });
}

/// Files of all formats under a name that says nothing.
#[test]
fn unknown_names() {
    let corpora = [
        corpus::json(),
        corpus::archives(),
        corpus::pytorch(),
        corpus::old_pytorch(),
        corpus::safetensors(),
        corpus::arrays(),
        corpus::onnx(),
    ];
    let (corpus, tokens) = (corpora.concat(), &corpus::JSON_TOKENS);
    run(&Target { reader: reader("m"), corpus, tokens, mutation: mutate::bytes });
}

/// Files that once were too much for a reader.
#[test]
fn old_findings_stay_mended() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/regressions");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("a file");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let outcome = execute(&reader(name.leak()), &bytes, true);
        assert!(outcome.is_ok(), "{}: {:?}", path.display(), outcome.err());
        count += 1;
    }
    assert!(count > 0, "no files");
}
