//! SIGINT and SIGTERM: the first asks for what is proved so far, and what does not end soon is given up.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::program::{Folder, json, text};
use crate::{example, files, lipbound, network};

const OLD: &str = "what was there before\n";

/// The two signals with their numbers.
const SIGNALS: [(&str, i32); 2] = [("-INT", 2), ("-TERM", 15)];

fn send(child: &Child, signal: &str) {
    // A child that has ended is not reaped yet, so the number is still its own.
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.expect("kill").success());
}

/// Runs a command that is sent a signal after some time; the report is `report.json`, where something
/// was before.
fn interrupted(folder: &Folder, arguments: &[&str], signal: &str, after: Duration) -> Output {
    folder.write("report.json", OLD);
    let mut command = lipbound(folder);
    command.args(arguments).args(["--format", "json", "-o", "report.json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    std::thread::sleep(after);
    send(&child, signal);
    child.wait_with_output().expect("it ends")
}

/// The report, which is complete, or `None` where the signal came before the program began to compute, which
/// leaves the file as it was. Nothing else is left in the folder.
fn report(folder: &Folder, output: &Output, signal: i32) -> Option<serde_json::Value> {
    let hidden: Vec<String> =
        files(folder).into_iter().filter(|name| name.starts_with('.')).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
    let contents = folder.read("report.json");
    // Before it listens the signal itself ends the program; before it computes, the listener does.
    if output.status.code().is_none_or(|code| code == 128 + signal) {
        assert_eq!(output.status.signal().unwrap_or(signal), signal);
        assert_eq!(contents, OLD);
        return None;
    }
    Some(json(&contents))
}

#[test]
fn a_search_ends_with_what_is_proved_whenever_the_signal_comes() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let folder = Folder::new();
    let model = example("mnist_mlp.npz");
    // A search that takes hours.
    let arguments = ["compute", &model, "--norm", "linf", "--bounds", "k5,l", "--no-lower"];
    for (signal, number) in SIGNALS {
        for round in 0..4 {
            // From before the program listens to within the search.
            let after = if round == 0 { 0.0 } else { rng.random_range(0.0..1500.0) };
            let after = Duration::from_secs_f64(after / 1000.0);
            let output = interrupted(&folder, &arguments, signal, after);
            let Some(report) = report(&folder, &output, number) else { continue };
            assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
            let bounds = report["reports"][0]["bounds"].as_array().expect("bounds");
            let [k5, l] = bounds.as_slice() else { panic!("two bounds: {report}") };
            assert_eq!((k5["id"].as_str(), l["id"].as_str()), (Some("k5"), Some("l")));
            let number = |x: &serde_json::Value| x.as_f64().expect("a number");
            assert!(number(&l["lower"]) <= number(&l["upper"]));
            assert!(number(&l["upper"]) <= number(&k5["upper"]));
        }
    }
}

#[test]
fn of_many_models_those_begun_are_reported_and_the_others_named() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let folder = Folder::new();
    let contents = std::fs::read_to_string(network("random-2-8x10x6x3.json")).expect("a model");
    let names: Vec<String> = (0..60).map(|i| format!("m{i:02}.json")).collect();
    names.iter().for_each(|name| folder.write(name, &contents));
    for command in ["compute", "compare", "check"] {
        for (signal, number) in SIGNALS {
            let mut arguments = vec![command];
            arguments.extend(names.iter().map(String::as_str));
            if command == "check" {
                arguments.extend(["--norm", "l2", "--max", "1e9", "--bounds", "all"]);
            } else {
                arguments.extend(["--norm", "l2", "--bounds", "all"]);
            }
            let after = Duration::from_millis(rng.random_range(0..700));
            let output = interrupted(&folder, &arguments, signal, after);
            let Some(report) = report(&folder, &output, number) else { continue };
            let list = if command == "check" { "checks" } else { "reports" };
            let done = report[list].as_array().expect("a list");
            let expected = if done.len() == names.len() { 0 } else { 2 };
            let errors = text(&output.stderr);
            assert_eq!(output.status.code(), Some(expected), "{command}: {errors}");
            // What was begun comes first, and nothing is lost.
            for (done, name) in done.iter().zip(&names) {
                assert_eq!(done["model"].as_str(), Some(name.as_str()));
            }
            let said = errors + &report["failed"].to_string();
            for name in &names[done.len()..] {
                assert!(said.contains(name.as_str()), "{command} {name}: {said}");
            }
            assert_eq!(expected == 2, said.contains("not begun before the interruption"));
        }
    }
}

#[test]
fn gnu_timeout_leaves_the_report() {
    // It signals the process and then its group, which is the same process again.
    let folder = Folder::new();
    let mut command = Command::new("timeout");
    command.current_dir(folder.path("")).arg("1").arg(env!("CARGO_BIN_EXE_lipbound"));
    let model = example("mnist_mlp.npz");
    command.args(["compute", &model, "--norm", "linf", "--bounds", "l", "--no-lower"]);
    for _ in 0..4 {
        let output = command.output().expect("timeout is here");
        assert!(text(&output.stdout).contains("L is at most"), "{}", text(&output.stderr));
    }
}

#[test]
fn what_does_not_end_is_given_up() {
    for (signal, _) in SIGNALS {
        let folder = Folder::new();
        folder.write("report.json", OLD);
        let mut command = lipbound(&folder);
        // Waits for a model that never comes.
        command.args(["compute", "-", "--format", "json", "-o", "report.json"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        let input = child.stdin.take();
        // It listens once it has threads.
        let tasks = format!("/proc/{}/task", child.id());
        let threads = || std::fs::read_dir(&tasks).map_or(2, Iterator::count);
        while threads() < 2 {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(200));
        send(&child, signal);
        std::thread::sleep(Duration::from_millis(100));
        // One that comes together with the first is part of it: the program ends by itself, and says what is missing.
        send(&child, signal);
        std::thread::sleep(Duration::from_millis(100));
        assert!(child.try_wait().expect("a child").is_none(), "two at once count as one");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("not finished before the interruption"));
        assert_eq!(folder.read("report.json"), OLD);
        assert_eq!(files(&folder), ["report.json"]);
        drop(input);
    }
}
