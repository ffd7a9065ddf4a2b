//! One input through a reader, and what must hold of it.

use std::cell::RefCell;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lipbound::bounds::{Cost, Options, Problem, REGISTRY};
use lipbound::io::{Input, ReadOptions, read_input};
use lipbound::network::Network;
use lipbound::numeric::Norm;

use crate::allocator;

/// A reader may hold this many bytes for each byte of the file (of its unpacked contents, see [`measure`])
/// ...
const MULTIPLE: usize = 64;

/// ... and this many in any case.
pub const CONSTANT: usize = 1 << 18;

/// Operators of ONNX can repeat a value up to 2^22 components, of 8 bytes each, in a few copies.
pub const ONNX: usize = 1 << 27;

/// No small file takes longer to read than this; in practice they take microseconds.
const SLOW: Duration = Duration::from_secs(5);

thread_local! {
    static CURRENT: RefCell<(String, Vec<u8>)> = const { RefCell::new((String::new(), Vec::new())) };
}

/// How a reader is called.
pub struct Reader {
    /// The name of the file, whose extension decides where the contents do not.
    pub file: &'static str,
    pub options: ReadOptions,
    /// What the reader may hold in any case.
    pub constant: usize,
}

/// What became of an input.
pub struct Outcome {
    /// The message without its numbers and names, or nothing if the file was read.
    pub kind: Option<String>,
    pub peak: usize,
    pub measure: usize,
}

/// Reads an input.
///
/// # Errors
/// What must not be: a panic, too much memory or time, a message that does not name the file.
pub fn execute(reader: &Reader, bytes: &[u8], compute: bool) -> Result<Outcome, String> {
    CURRENT.with_borrow_mut(|current| *current = (reader.file.to_owned(), bytes.to_vec()));
    let measure = measure(bytes);
    let file = format!("folder/{}", reader.file);
    let input = Input { file, name: "m".to_owned(), folder: None, bytes: bytes.to_vec() };
    let begin = Instant::now();
    allocator::start();
    let read = || read_input(&input, Path::new(reader.file), &reader.options);
    let result = catch_unwind(AssertUnwindSafe(read));
    let (peak, time) = (allocator::peak(), begin.elapsed());
    let result = result.map_err(|_| "the reader panicked".to_owned())?;
    let limit = measure.saturating_mul(MULTIPLE).saturating_add(reader.constant);
    if peak > limit {
        return Err(format!("the reader held {peak} bytes, more than {limit} (for {measure})"));
    }
    if time > SLOW {
        return Err(format!("the reader took {time:?}"));
    }
    let kind = match result {
        Err(error) => {
            let arch = reader.options.arch.as_ref().map(|path| path.display().to_string());
            let files = [Some(input.file), arch];
            Some(kind_of_message(&error.to_string(), files.iter().flatten())?)
        }
        Ok(network) => {
            use_network(&network, compute)?;
            None
        }
    };
    Ok(Outcome { kind, peak, measure })
}

/// The bytes of the file, or for a zip archive those that its entries hold unpacked, as far as they can:
/// deflate expands by a factor of 1032 at most.
fn measure(bytes: &[u8]) -> usize {
    let Ok(mut archive) = zip::ZipArchive::new(Cursor::new(bytes)) else { return bytes.len() };
    let entries = 0..archive.len();
    let unpacked = entries.filter_map(|i| {
        let entry = archive.by_index_raw(i).ok()?;
        Some(entry.size().min(entry.compressed_size().saturating_add(16).saturating_mul(1032)))
    });
    bytes.len().saturating_add(unpacked.sum::<u64>() as usize)
}

/// Checks a message, and leaves of it what does not depend on numbers and names.
fn kind_of_message<'a>(
    message: &str,
    mut files: impl Iterator<Item = &'a String>,
) -> Result<String, String> {
    let rest = files.find_map(|file| message.strip_prefix(file.as_str()));
    match rest.and_then(|rest| rest.strip_prefix(": ")) {
        None => Err(format!("the message does not begin with the file's name: {message}")),
        Some(reason) if reason.trim().is_empty() => Err("the message is empty".to_owned()),
        Some(reason) => {
            let letters = |c: char| c.is_ascii_alphabetic() || c == ' ';
            let words = reason.split(|c| !letters(c)).filter(|w| w.len() > 12);
            Ok(words.take(4).collect::<Vec<_>>().join("|"))
        }
    }
}

/// Checks the shapes of a network that was read, and bounds a tiny one.
fn use_network(network: &Network, compute: bool) -> Result<(), String> {
    let shapes = network.shapes().map_err(|e| format!("the network has no shapes: {e}"))?;
    let size = |s: &Vec<usize>| s.iter().fold(1, |n: usize, &length| n.saturating_mul(length));
    let tiny = shapes.iter().map(size).fold(0, usize::saturating_add) <= 40;
    if !(compute && tiny && network.nodes.len() <= 8) {
        return Ok(());
    }
    let bound = catch_unwind(AssertUnwindSafe(|| bound(network)));
    bound.unwrap_or_else(|_| Err("a bound panicked".to_owned()))
}

fn bound(network: &Network) -> Result<(), String> {
    // What cannot be bounded is refused with a reason.
    let Ok(lowered) = network.lower() else { return Ok(()) };
    let options = Options { samples: 10, node_limit: 20, ..Options::default() };
    let problem = Problem::new(lowered, options);
    for norm in Norm::ALL {
        for bound in REGISTRY {
            if bound.cost(&problem, norm) != Cost::Cheap {
                continue;
            }
            let Ok(found) = bound.compute(&problem, norm) else { continue };
            if found.upper.is_nan() || found.upper < 0.0 {
                return Err(format!("{} in {norm} is {}", bound.id(), found.upper));
            }
            if found.lower.is_some_and(|lower| lower.is_nan() || lower > found.upper) {
                return Err(format!(
                    "{} in {norm}: {:?} > {}",
                    bound.id(),
                    found.lower,
                    found.upper
                ));
            }
        }
    }
    Ok(())
}

/// Writes an input to the temporary folder; it can be moved to `tests/fuzz/regressions/`.
pub fn save(file: &str, bytes: &[u8]) -> PathBuf {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let path = std::env::temp_dir().join(format!("lipbound-fuzz-{hash:016x}-{file}"));
    std::fs::write(&path, bytes).expect("a writable temporary folder");
    path
}

/// Writes the input that this thread works on, before the program may end.
#[allow(clippy::print_stderr)] // there may be no other occasion
pub fn save_current() {
    let saved = CURRENT.try_with(|current| {
        let current = current.try_borrow().ok()?;
        Some(save(&current.0, &current.1))
    });
    if let Ok(Some(path)) = saved {
        eprintln!("a reader asked for very much memory; its input: {}", path.display());
    }
}
