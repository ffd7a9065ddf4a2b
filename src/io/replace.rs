//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Temporary files that exist. A file is made, moved and removed while this is locked, so whoever holds
/// the lock knows all of them.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a file by way of a temporary one in the same folder: whatever happens, the path holds what it
/// held before, or all of `bytes`. Of a symbolic link the file that it names is replaced; what is no
/// regular file (a pipe, a device) is written to directly.
///
/// # Errors
/// What the file system says.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let existing = fs::metadata(path).ok();
    if existing.as_ref().is_some_and(|metadata| !metadata.is_file()) {
        return fs::write(path, bytes);
    }
    let target = if path.is_symlink() { fs::canonicalize(path)? } else { path.to_owned() };
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = target.with_file_name(name);
    let mut file = created(&temporary)?;
    let permissions = existing.map(|metadata| metadata.permissions());
    let written = permissions
        .map_or(Ok(()), |permissions| file.set_permissions(permissions))
        .and_then(|()| file.write_all(bytes))
        // Before the name: otherwise a crash of the machine could leave the name without the contents.
        .and_then(|()| file.sync_all());
    drop(file);
    finished(&temporary, written, &target)
}

fn created(temporary: &Path) -> std::io::Result<File> {
    let mut unfinished = unfinished();
    let file = File::options().write(true).create_new(true).open(temporary)?;
    unfinished.push(temporary.to_owned());
    Ok(file)
}

/// Moves a temporary file to its place if it was written, and removes it otherwise.
fn finished(temporary: &Path, written: std::io::Result<()>, target: &Path) -> std::io::Result<()> {
    let mut unfinished = unfinished();
    let moved = written.and_then(|()| fs::rename(temporary, target));
    if moved.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(temporary);
    }
    unfinished.retain(|path| path != temporary);
    moved
}

/// Removes all temporary files, for the end of the program. While what is returned lives, no further one
/// is made.
pub fn abandon_unfinished() -> impl Drop {
    let mut unfinished = unfinished();
    for path in unfinished.drain(..) {
        // Nothing else can be done about a file that stays.
        let _ = fs::remove_file(path);
    }
    unfinished
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_abandoned_is_gone_and_what_was_there_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let (target, temporary) = (folder.path().join("report"), folder.path().join(".report.tmp"));
        replace(&target, b"old").expect("written");
        let mut file = created(&temporary).expect("a file");
        file.write_all(b"half of the n").expect("written");
        drop(abandon_unfinished());
        // The end of the program; where it is not, the file is not missed but reported.
        assert!(!temporary.exists());
        assert!(finished(&temporary, Ok(()), &target).is_err());
        assert_eq!(fs::read(&target).expect("a file"), b"old");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
}
