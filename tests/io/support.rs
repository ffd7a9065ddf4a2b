//! Small files of all formats.

use std::io::Write;
use std::path::{Path, PathBuf};

use lipbound::io::{ReadOptions, read, sources};
use lipbound::network::Network;

/// Reads models in a folder; messages do not show the folder.
pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        std::fs::write(&path, bytes).expect("writable");
        path
    }

    pub fn read(&self, names: &[&str], options: &ReadOptions) -> Result<Network, String> {
        let paths: Vec<PathBuf> = names.iter().map(|name| self.path().join(name)).collect();
        let result = sources(&paths).and_then(|found| read(&found[0], options));
        result.map_err(|error| self.hide(&error.to_string()))
    }

    pub fn hide(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.path().display()), "")
            .replace(&self.path().display().to_string(), "FOLDER")
    }
}

/// Reads one file of the given contents.
pub fn read_file(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Network, String> {
    let folder = Folder::new();
    folder.write(name, bytes);
    folder.read(&[name], options)
}

/// The message of a file that is wrong.
pub fn message(name: &str, bytes: &[u8], options: &ReadOptions) -> String {
    match read_file(name, bytes, options) {
        Err(message) => message,
        Ok(network) => panic!("{name} was read: {}", json(&network)),
    }
}

/// Compares the messages of all cases with those in `tests/data`.
pub fn check_messages(snapshot: &str, messages: Vec<(String, String)>) {
    let text: Vec<String> =
        messages.into_iter().map(|(case, text)| format!("[{case}]\n{}", short(&text))).collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../data");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(snapshot, text.join("\n\n")));
}

/// The message without the list of all layer types and activations.
fn short(message: &str) -> String {
    const LIST: &str = "expected one of: ";
    match message.split_once(LIST) {
        Some((start, list)) if list.contains("softplus") => format!("{start}{LIST}..."),
        _ => message.to_owned(),
    }
}

/// The network in the JSON format.
pub fn json(network: &Network) -> String {
    let folder = Folder::new();
    let path = folder.path().join("out.json");
    lipbound::io::write(network, &path).expect("every network is written as JSON");
    std::fs::read_to_string(path).expect("text")
}

/// The layers as the JSON format has them.
pub fn layers(network: &Network) -> serde_json::Value {
    let value: serde_json::Value = serde_json::from_str(&json(network)).expect("JSON");
    value["layers"].clone()
}

/// An NPY file.
pub fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    npy_header(
        &format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"),
        data,
    )
}

/// An NPY file with that header.
pub fn npy_header(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16 + 1).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.push(b'\n');
    bytes.extend(data);
    bytes
}

/// The bytes of `f64` numbers.
pub fn f64s(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// An NPY file of `f64`.
pub fn array(shape: &[usize], numbers: &[f64]) -> Vec<u8> {
    let lengths: Vec<String> = shape.iter().map(|n| format!("{n},")).collect();
    npy("<f8", false, &format!("({})", lengths.join(" ")), &f64s(numbers))
}

/// A zip archive.
pub fn zip(files: &[(&str, Vec<u8>)], deflate: bool) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let method =
        if deflate { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in files {
        archive.start_file(*name, options).expect("a new file");
        archive.write_all(bytes).expect("memory");
    }
    archive.finish().expect("memory").into_inner()
}
