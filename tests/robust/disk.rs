//! Disks that are full, folders in which nothing can be made.
#![cfg(unix)]

use std::process::{Command, Output};

use crate::program::{self, Folder, text};
use crate::{files, lipbound};

const OLD: &str = "what was there before\n";

/// A shell script in the folder; `$0` is the program.
fn shell(folder: &Folder, script: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_lipbound")]).current_dir(folder.path(""));
    command.env("NO_COLOR", "1").output().expect("a shell")
}

/// Models whose report takes more than a kilobyte.
fn models(folder: &Folder) -> String {
    let names: Vec<String> = (0..20).map(|i| format!("m{i}.json")).collect();
    names.iter().for_each(|name| folder.write(name, &program::model(2.0)));
    names.join(" ")
}

#[test]
fn a_full_device_is_an_error_that_names_it() {
    if !std::path::Path::new("/dev/full").exists() {
        return eprintln!("SKIPPED: this system has no /dev/full");
    }
    let folder = Folder::new();
    let models = models(&folder);
    for command in ["compute", "compare", "inspect"] {
        let output = shell(&folder, &format!("exec \"$0\" {command} {models} > /dev/full"));
        assert_eq!(output.status.code(), Some(2));
        let error = text(&output.stderr);
        assert!(error.contains("cannot write to standard output: No space left"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    let output = shell(&folder, &format!("exec \"$0\" compute {models} -o /dev/full"));
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(error.contains("/dev/full: cannot write the file: No space left"), "{error}");
}

/// Every file that the program writes, each with the arguments that make it.
const WRITERS: [(&str, &str); 4] = [
    ("report.json", "compute MODELS --format json -o report.json"),
    ("checks.xml", "check MODELS --norm l1 --max 2 --report junit=checks.xml"),
    ("grads.npz", "gradient m0.json --bound k5 -o grads.npz"),
    ("copy.npz", "convert m0.json copy.npz"),
];

#[test]
fn a_file_beyond_the_limit_of_its_size_is_an_error_and_the_old_one_stays() {
    for (file, arguments) in WRITERS {
        let folder = Folder::new();
        let arguments = arguments.replace("MODELS", &models(&folder));
        folder.write(file, OLD);
        let before = files(&folder);
        // Nothing at all may be written: the signal that comes with it must not end the program either.
        let output = shell(&folder, &format!("ulimit -f 0; exec \"$0\" {arguments}"));
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{file}: {error}");
        assert!(error.contains(file) && error.contains("File too large"), "{error}");
        assert_eq!(folder.read(file), OLD);
        assert_eq!(files(&folder), before, "nothing else is left");
        // The same without the limit.
        assert_eq!(shell(&folder, &format!("exec \"$0\" {arguments}")).status.code(), Some(0));
        assert_eq!(files(&folder), before);
        assert_ne!(std::fs::read(folder.path(file)).expect("a file"), OLD.as_bytes());
    }
}

#[test]
fn a_full_file_system_leaves_the_old_file() {
    let folder = Folder::new();
    let models = models(&folder);
    // A file system of one page, in a name space of its own, where that is allowed.
    let script = format!(
        "mkdir full && mount -t tmpfs -o size=4k none full && echo old > full/report.json || exit 77
        \"$0\" compute {models} --format json -o full/report.json
        echo \"status $?\"; cat full/report.json; ls -A full"
    );
    let quoted = "exec unshare --user --map-root-user --mount sh -c \"$1\" \"$0\"";
    let mut command = Command::new("sh");
    command.args(["-c", quoted, env!("CARGO_BIN_EXE_lipbound"), &script]);
    let output = command.current_dir(folder.path("")).output().expect("a shell");
    let said = text(&output.stdout);
    if !said.contains("status") {
        let why = text(&output.stderr);
        return eprintln!("SKIPPED: a small file system cannot be mounted here: {why}");
    }
    assert_eq!(said, "status 2\nold\nreport.json\n");
    assert!(text(&output.stderr).contains("No space left"), "{}", text(&output.stderr));
}

#[test]
fn where_no_file_can_be_made_the_error_names_it() {
    let folder = Folder::new();
    folder.write("m.json", &program::model(2.0));
    folder.write("file", "");
    // Places where root cannot make files either; permissions would not hold for it.
    for place in ["/proc/report.json", "file/report.json", "missing/report.json", "."] {
        let output = lipbound(&folder).args(["compute", "m.json", "-o", place]).output();
        let output = output.expect("it runs");
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{place}: {error}");
        assert!(error.starts_with(&format!("error: {place}: cannot write the file")), "{error}");
    }
    assert_eq!(files(&folder), ["file", "m.json"]);
}

#[test]
fn links_and_permissions_stay() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    folder.write("m.json", &program::model(2.0));
    std::fs::create_dir(folder.path("reports")).expect("a folder");
    folder.write("reports/today.txt", OLD);
    let path = folder.path("reports/today.txt");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).expect("a mode");
    std::os::unix::fs::symlink("reports/today.txt", folder.path("latest.txt")).expect("a link");
    let output = lipbound(&folder).args(["compute", "m.json", "-o", "latest.txt"]).output();
    assert_eq!(output.expect("it runs").status.code(), Some(0));
    assert!(folder.path("latest.txt").is_symlink());
    assert!(folder.read("reports/today.txt").contains("L = 2"));
    let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}
