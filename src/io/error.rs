//! Why a model cannot be read or written.

use crate::network::LayerError;

/// A model that cannot be read: which file, where in it, what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// The file as the user named it.
    pub file: String,
    /// The place in the file: a layer, a tensor, a line or a byte offset.
    pub place: Option<String>,
    /// What was found, what was expected and what to do.
    pub reason: String,
}

impl ReadError {
    /// An error about the file as a whole.
    pub fn new(file: impl Into<String>, reason: impl Into<String>) -> ReadError {
        ReadError { file: file.into(), place: None, reason: reason.into() }
    }

    /// An error at a place in the file.
    pub fn at(
        file: impl Into<String>,
        place: impl Into<String>,
        reason: impl Into<String>,
    ) -> ReadError {
        ReadError { file: file.into(), place: Some(place.into()), reason: reason.into() }
    }
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.file)?;
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ReadError {}

/// The error of a layer that does not fit where it stands.
pub(super) fn layer_error(file: &str, error: LayerError) -> ReadError {
    let LayerError { index, name, kind, reason } = error;
    let place = if name == format!("layer {index}") {
        format!("layer {index} ({kind})")
    } else {
        format!("layer {index} ({name}, {kind})")
    };
    ReadError::at(file, place, reason)
}

/// A model that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct WriteError {
    /// The file as the user named it.
    pub file: String,
    /// What prevents it and what to do.
    pub reason: String,
}

impl WriteError {
    /// The error of writing `file`.
    pub fn new(file: impl Into<String>, reason: impl Into<String>) -> WriteError {
        WriteError { file: file.into(), reason: reason.into() }
    }
}

/// ` (did you mean "..."?)` with the most similar of `known`, or nothing.
pub(super) fn did_you_mean<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let score = |name: &str| strsim::jaro_winkler(&found.to_lowercase(), &name.to_lowercase());
    let best = known
        .into_iter()
        .map(|name| (score(name), name))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .filter(|(score, _)| *score >= 0.8);
    best.map_or_else(String::new, |(_, name)| format!(" (did you mean \"{name}\"?)"))
}

/// At most the first few of `names`, for messages.
pub(super) fn some_of<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 8;
    let mut text = names.iter().take(SHOWN).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(", ... ({} in all)", names.len()));
    }
    text
}
