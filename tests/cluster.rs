//! The scripts in `examples/cluster/`, as far as they need nothing but a shell.
#![cfg(unix)]
#![allow(clippy::expect_used)] // tests fail by panicking

mod program;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use program::{Folder, stdout, text};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cluster").join(name)
}

/// What Slurm does for one task of an array: a number in the environment.
fn task(folder: &Folder, number: &str, arguments: &[&str]) -> Output {
    let program = assert_cmd::cargo::cargo_bin("lipbound");
    let mut paths = vec![program.parent().expect("a folder").to_owned()];
    paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    Command::new("sh")
        .arg(script("array.sbatch"))
        .args(arguments)
        .current_dir(folder.path(""))
        .env("PATH", std::env::join_paths(paths).expect("paths"))
        .env("SLURM_ARRAY_TASK_ID", number)
        .env("SLURM_CPUS_PER_TASK", "1")
        .output()
        .expect("a shell")
}

#[test]
fn tasks_of_a_slurm_array_merge_into_one_comparison() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("run")).expect("a folder");
    let models = ["run/epoch1.json", "run/epoch2.json", "run/epoch10.json"];
    for (model, epoch) in models.iter().zip([1.0, 2.0, 10.0]) {
        folder.write(model, &program::model(epoch));
    }
    folder.write("models.txt", &format!("{}\n", models.join("\n")));
    let arguments = ["models.txt", "reports", "--norm", "linf", "--bounds", "k1,k5"];
    for number in ["1", "2", "3"] {
        let output = task(&folder, number, &arguments);
        assert!(output.status.success(), "{number}: {}", text(&output.stderr));
    }
    let rest = ["--norm", "linf", "--bounds", "k1,k5", "--format", "csv"];
    let merged = stdout(folder.run(&[&["compare", "reports/*.json"], &rest[..]].concat()));
    let direct = stdout(folder.run(&[&["compare", "run/*.json"], &rest[..]].concat()));
    assert_eq!(merged, direct);
    // A number without a model is an error, and so is a run outside an array.
    let output = task(&folder, "4", &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("models.txt has no line 4"), "{}", text(&output.stderr));
    assert!(!task(&folder, "", &arguments).status.success());
}

#[test]
fn the_scripts_are_valid_and_say_how_they_are_used() {
    for name in ["parallel.sh", "rows.sh", "array.sbatch"] {
        let output = Command::new("sh").arg(script(name)).output().expect("a shell");
        assert_eq!(output.status.code(), Some(2), "{name}");
        let error = text(&output.stderr);
        assert!(error.starts_with("usage:") && error.contains("REPORTS"), "{name}: {error}");
    }
}
