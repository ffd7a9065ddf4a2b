//! Which files make up a model.

use std::fs::{self, File};
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use super::error::ReadError;

/// Where one model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// One file.
    File(PathBuf),
    /// NPY files, one for each tensor, in order.
    Arrays(Vec<PathBuf>),
    /// A folder of NPY files, one for each tensor.
    Folder(PathBuf),
    /// The standard input.
    Stdin,
}

/// The contents of a single file with what a reader needs to know about it.
#[derive(Debug, Clone)]
pub struct Input {
    /// The file as messages name it.
    pub file: String,
    /// The model's name unless the file gives one.
    pub name: String,
    /// Where files that this one refers to are; `None` for the standard input.
    pub folder: Option<PathBuf>,
    /// The contents.
    pub bytes: Vec<u8>,
}

/// A file that is read in pieces, so that its arrays need not be in memory twice.
pub struct Stream<'a> {
    /// The file as messages name it.
    pub file: String,
    /// The model's name unless the file gives one.
    pub name: String,
    /// The number of bytes.
    pub length: u64,
    /// The contents, from the beginning.
    pub reader: Box<dyn Contents + 'a>,
}

/// What can be read at any place.
pub trait Contents: Read + Seek {}

impl<T: Read + Seek> Contents for T {}

impl Input {
    /// The contents as a stream.
    pub(super) fn stream(&self) -> Stream<'_> {
        let reader = Box::new(Cursor::new(self.bytes.as_slice()));
        let (file, name) = (self.file.clone(), self.name.clone());
        Stream { file, name, length: self.bytes.len() as u64, reader }
    }
}

impl Source {
    /// The name of the model: the file's without folder and extension.
    pub fn name(&self) -> String {
        let (path, is_file) = match self {
            Source::Stdin => return "stdin".to_owned(),
            Source::File(path) => (Some(path), true),
            Source::Folder(path) => (Some(path), false),
            Source::Arrays(paths) => (paths.first(), true),
        };
        let path = path.map(PathBuf::as_path).unwrap_or(Path::new(""));
        let name = if is_file { path.file_stem() } else { path.file_name() };
        name.map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
    }

    /// The files as messages name them.
    pub fn display(&self) -> String {
        match self {
            Source::Stdin => "standard input".to_owned(),
            Source::File(path) | Source::Folder(path) => path.display().to_string(),
            Source::Arrays(paths) => match paths.as_slice() {
                [] => "no files".to_owned(),
                [only] => only.display().to_string(),
                [first, .., last] => {
                    format!("{} .. {} ({} files)", first.display(), last.display(), paths.len())
                }
            },
        }
    }
}

/// Groups command-line arguments into models: consecutive `.npy` files are one model, a folder is
/// one, `-` is the standard input, and every other path is one.
///
/// # Errors
/// The standard input twice; no path at all. (A path that does not exist is an error of its own model,
/// when it is read.)
pub fn sources(paths: &[PathBuf]) -> Result<Vec<Source>, ReadError> {
    let mut sources: Vec<Source> = Vec::new();
    for path in paths {
        let next = if path.as_os_str() == "-" {
            if sources.contains(&Source::Stdin) {
                return Err(ReadError::new("-", "the standard input can only be read once"));
            }
            Source::Stdin
        } else {
            match (path.is_dir(), has_extension(path, "npy")) {
                (true, _) => Source::Folder(path.clone()),
                (false, true) => Source::Arrays(vec![path.clone()]),
                (false, false) => Source::File(path.clone()),
            }
        };
        match (sources.last_mut(), next) {
            (Some(Source::Arrays(group)), Source::Arrays(mut more)) => group.append(&mut more),
            (_, next) => sources.push(next),
        }
    }
    if sources.is_empty() {
        return Err(ReadError::new("models", "no file was given; name at least one model file"));
    }
    Ok(sources)
}

/// Whether the extension is `extension`, in whatever case.
pub(super) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// Reads a file as a whole.
///
/// # Errors
/// A missing, unreadable or empty file; a folder.
pub fn load(path: &Path) -> Result<Input, ReadError> {
    let file = path.display().to_string();
    let metadata = fs::metadata(path).map_err(|error| cannot_read(path, &error))?;
    if metadata.is_dir() {
        return Err(ReadError::new(file, "is a folder, expected a file"));
    }
    let bytes = fs::read(path).map_err(|error| cannot_read(path, &error))?;
    let name = Source::File(path.to_owned()).name();
    let folder = Some(path.parent().map(Path::to_owned).unwrap_or_default());
    not_empty(Input { file, name, folder, bytes })
}

/// Opens a regular file that is not empty; `None` for what is none (a pipe), which can only be read as a
/// whole.
///
/// # Errors
/// As [`load`].
pub(super) fn open(path: &Path) -> Result<Option<Stream<'static>>, ReadError> {
    let reader = File::open(path).map_err(|error| cannot_read(path, &error))?;
    let metadata = reader.metadata().map_err(|error| cannot_read(path, &error))?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(None);
    }
    let file = path.display().to_string();
    let name = Source::File(path.to_owned()).name();
    let reader = Box::new(BufReader::new(reader));
    Ok(Some(Stream { file, name, length: metadata.len(), reader }))
}

/// Reads the standard input as a whole.
///
/// # Errors
/// Input that cannot be read or is empty.
pub fn load_stdin() -> Result<Input, ReadError> {
    let mut bytes = Vec::new();
    let file = Source::Stdin.display();
    let result = std::io::stdin().lock().read_to_end(&mut bytes);
    result.map_err(|error| ReadError::new(file.clone(), format!("cannot be read: {error}")))?;
    not_empty(Input { file, name: Source::Stdin.name(), folder: None, bytes })
}

fn not_empty(input: Input) -> Result<Input, ReadError> {
    if input.bytes.is_empty() {
        return Err(ReadError::new(input.file, "the file is empty, expected a model"));
    }
    Ok(input)
}

fn cannot_read(path: &Path, error: &std::io::Error) -> ReadError {
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "no such file; check the path".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission to read the file is denied".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    ReadError::new(path.display().to_string(), reason)
}

/// The NPY files of a folder in natural order (`W2` before `W10`).
///
/// # Errors
/// A folder that cannot be read or has no NPY files.
pub(super) fn arrays_of(folder: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let entries = fs::read_dir(folder).map_err(|error| cannot_read(folder, &error))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| cannot_read(folder, &error))?.path();
        if has_extension(&path, "npy") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        let reason = "the folder has no .npy files; expected one for each tensor, for example W0.npy and b0.npy";
        return Err(ReadError::new(folder.display().to_string(), reason));
    }
    paths.sort_by_cached_key(|path| natural_key(&path.to_string_lossy()));
    Ok(paths)
}

/// A key that sorts names with numbers by the numbers' values.
pub(super) fn natural_key(name: &str) -> Vec<(bool, usize, String)> {
    let mut parts: Vec<(bool, usize, String)> = Vec::new();
    for c in name.chars() {
        let digit = c.is_ascii_digit();
        match parts.last_mut() {
            Some((false, length, text)) if digit => {
                if text == "0" {
                    text.clear();
                    *length = 0;
                }
                text.push(c);
                *length += 1;
            }
            Some((true, _, text)) if !digit => text.push(c),
            _ => parts.push((!digit, usize::from(digit), c.to_string())),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::natural_key;

    #[test]
    fn numbers_sort_by_value() {
        let mut names = ["W10", "W2", "b10", "W0", "1.weight", "10.bias", "2.bias", "W02", "W"];
        names.sort_by_cached_key(|name| natural_key(name));
        assert_eq!(names, ["1.weight", "2.bias", "10.bias", "W", "W0", "W2", "W02", "W10", "b10"]);
    }
}
