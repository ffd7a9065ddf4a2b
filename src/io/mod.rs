//! Reading and writing models: one file for each format, and one line in [`REGISTRY`].

pub mod arch;
mod digits;
mod dtype;
mod error;
mod replace;
mod source;

pub mod json;
pub mod keras;
pub mod nnet;
pub mod npy;
pub mod npz;
pub mod numbers;
pub mod onnx;
pub mod pytorch;
pub mod safetensors;
pub mod state_dict;

use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

pub use error::{ReadError, WriteError};
pub use replace::{abandon_unfinished, replace};
pub use source::{Input, Source, Stream, sources};

use crate::network::{Activation, Network};
use state_dict::TensorOrder;

/// One line of the table of formats.
pub struct Format {
    /// The name in messages.
    pub name: &'static str,
    /// The usual extensions, without the dot.
    pub extensions: &'static [&'static str],
    /// Whether a file that begins with these bytes has this format. The path is for what the
    /// contents leave open; extensions are looked at later, where no format knows the contents.
    pub sniff: fn(&[u8], &Path) -> bool,
    /// Reads a network.
    pub read: fn(&Input, &ReadOptions) -> Result<Network, ReadError>,
    /// Reads a network from a file in pieces, where the format allows it.
    pub stream: Option<StreamFn>,
    /// Writes a network, where the format can be written; the error is the reason.
    pub write: Option<WriteFn>,
}

/// Reads a network in pieces.
pub type StreamFn = fn(&mut Stream<'_>, &ReadOptions) -> Result<Network, ReadError>;

/// Writes a network; the error is the reason why it cannot be written.
pub type WriteFn = fn(&Network, &mut dyn Write) -> Result<(), String>;

/// All formats, in the order in which their contents are tried.
#[rustfmt::skip] // one line for each format
pub const REGISTRY: &[Format] = &[
    json::FORMAT,
    npy::FORMAT,
    npz::FORMAT,
    safetensors::FORMAT,
    pytorch::FORMAT,
    nnet::FORMAT,
    onnx::FORMAT,
    keras::FORMAT,
];

/// The number of bytes that [`Format::sniff`] sees.
const HEAD: usize = 4096;

/// How a model is to be read, where the file leaves it open.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// The activation between dense layers, for files that hold only weights: whoever names it says that the
    /// file is a plain chain of such layers. If absent, ReLU is [assumed](Network::assumed).
    pub activation: Option<Activation>,
    /// How matrices are stored.
    pub layout: Layout,
    /// A file in the JSON format without weights that says what the tensors belong to.
    pub arch: Option<PathBuf>,
    /// The bytes that the tensors may take; `None` for any number.
    pub memory_limit: Option<usize>,
    /// Whether the normalisation in an `.nnet` file becomes part of the network.
    pub nnet_normalise: bool,
}

/// How weight matrices are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// Outputs x inputs, as in PyTorch.
    #[default]
    OutIn,
    /// Inputs x outputs, as in Keras.
    InOut,
}

/// Reads the network of a source.
///
/// # Errors
/// What is wrong with the file; never a part of the network.
pub fn read(source: &Source, options: &ReadOptions) -> Result<Network, ReadError> {
    let (name, display) = (source.name(), source.display());
    match source {
        Source::File(path) => read_file(path, options),
        Source::Stdin => read_input(&source::load_stdin()?, Path::new("-"), options),
        Source::Arrays(paths) => {
            npy::read_arrays(display, name, paths, TensorOrder::Given, options)
        }
        Source::Folder(path) => {
            let paths = source::arrays_of(path)?;
            npy::read_arrays(display, name, &paths, TensorOrder::Names, options)
        }
    }
}

/// Reads a file in pieces where its format allows it, and as a whole otherwise.
fn read_file(path: &Path, options: &ReadOptions) -> Result<Network, ReadError> {
    if let Some(mut stream) = source::open(path)? {
        let unreadable = |error: std::io::Error| {
            ReadError::new(&stream.file, format!("cannot be read: {error}"))
        };
        let mut head = Vec::new();
        stream.reader.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(unreadable)?;
        stream.reader.rewind().map_err(unreadable)?;
        if let Some(read) = format_of(&head, path).and_then(|format| format.stream) {
            return read(&mut stream, options);
        }
        if options.memory_limit.is_some_and(|limit| stream.length > limit as u64) {
            let reason = format!(
                "the file has {} bytes, above the limit of {} bytes for the memory; raise --memory-limit",
                stream.length,
                options.memory_limit.unwrap_or_default()
            );
            return Err(ReadError::new(stream.file, reason));
        }
    }
    read_input(&source::load(path)?, path, options)
}

/// The format of a file: by its first bytes, else by its extension.
fn format_of(head: &[u8], path: &Path) -> Option<&'static Format> {
    let by_content = REGISTRY.iter().find(|format| (format.sniff)(head, path));
    by_content.or_else(|| by_extension(path))
}

/// Reads the network in the contents of a file.
///
/// # Errors
/// As [`read`].
pub fn read_input(input: &Input, path: &Path, options: &ReadOptions) -> Result<Network, ReadError> {
    let head = &input.bytes[..input.bytes.len().min(HEAD)];
    match format_of(head, path) {
        Some(format) => (format.read)(input, options),
        None => Err(ReadError::new(
            &input.file,
            format!("the format is not known; expected one of: {}", format_list(|_| true)),
        )),
    }
}

fn by_extension(path: &Path) -> Option<&'static Format> {
    let known = |format: &&Format| format.extensions.iter().any(|e| source::has_extension(path, e));
    REGISTRY.iter().find(known)
}

fn format_list(shown: fn(&Format) -> bool) -> String {
    let show = |format: &Format| {
        let extensions: Vec<String> = format.extensions.iter().map(|e| format!(".{e}")).collect();
        format!("{} ({})", format.name, extensions.join(", "))
    };
    REGISTRY.iter().filter(|f| shown(f)).map(show).collect::<Vec<_>>().join(", ")
}

/// Writes a network in the format of the path's extension. A regular file is replaced as a whole or
/// not at all.
///
/// # Errors
/// An unknown extension, a network that the format cannot hold, a file that cannot be written.
pub fn write(network: &Network, path: &Path) -> Result<(), WriteError> {
    let fail = |reason: String| WriteError::new(path.display().to_string(), reason);
    let writable = |format: &'static Format| format.write;
    let writer = by_extension(path).and_then(writable).ok_or_else(|| {
        let list = format_list(|format| format.write.is_some());
        fail(format!("this extension cannot be written; expected one of: {list}"))
    })?;
    let mut bytes = Vec::new();
    writer(network, &mut bytes).map_err(fail)?;
    replace(path, &bytes).map_err(|error| fail(format!("cannot be written: {error}")))
}
