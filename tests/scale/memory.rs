//! Estimates of the memory that bounds take, against what they take; and limits.

use std::process::{Child, Stdio};
use std::time::Duration;

use lipbound::bounds::{Options, Problem, find, memory};
use lipbound::io::{ReadOptions, Source, npz, read};
use lipbound::numeric::Norm;
use ndarray::{Array1, Array2};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::program::{Folder, failure, json, stdout, text};

/// Threads of the program: what it does side by side takes memory for each.
const THREADS: usize = 2;

/// Random dense layers as NPZ.
fn write(folder: &Folder, name: &str, widths: &[usize]) {
    let mut rng = ChaCha8Rng::seed_from_u64(widths.len() as u64);
    let mut arrays = Vec::new();
    for (r, pair) in widths.windows(2).enumerate() {
        let scale = 1.0 / (pair[0] as f64).sqrt();
        let w = Array2::from_shape_fn((pair[1], pair[0]), |_| rng.random_range(-scale..scale));
        arrays.push((format!("W{r}"), w.into_dyn()));
        arrays.push((format!("b{r}"), Array1::<f64>::zeros(pair[1]).into_dyn()));
    }
    let bytes = npz::archive(&arrays).expect("finite numbers");
    std::fs::write(folder.path(name), bytes).expect("written");
}

/// The largest resident memory of a running process, in bytes, as often as asked for until it ends.
fn peak(child: &mut Child) -> f64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0f64;
    while child.try_wait().expect("a child").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|l| l.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0.0) * 1024.0);
        std::thread::sleep(Duration::from_millis(1));
    }
    peak
}

/// The estimates of reading and lowering, and of the bound.
fn estimates(folder: &Folder, name: &str, bound: &str, norm: Norm) -> (f64, f64) {
    let path = folder.path(name);
    let network = read(&Source::File(path), &ReadOptions::default()).expect("a network");
    let lowering = memory::of_lowering(&network);
    let problem = Problem::new(network.lower().expect("a chain"), Options::default());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS).build().expect("threads");
    let bound = find(bound).expect("a bound");
    (lowering, pool.install(|| memory::of(bound, &problem, norm)))
}

/// How often a search is run; the least peak counts. What the allocator keeps between its parts is no part of an estimate:
/// of 17 times three runs of one search the largest peak was 42 to 73 MB, but once 181 MB.
const RUNS_OF_SEARCHES: usize = 3;

/// Measures a bound, a search several times. The estimate must not be below what is taken, or a limit would not hold; it must
/// not be above three times of it, or limits would refuse what fits: scratch space that does not exist
/// at the same time as the rest is counted, and small arrays as if they were as large as the largest.
fn assert_estimate(widths: &[usize], bound: &str, norm: Norm, options: &[&str]) {
    let folder = Folder::new();
    write(&folder, "m.npz", widths);
    let (lowering, estimate) = estimates(&folder, "m.npz", bound, norm);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lipbound"));
    command.current_dir(folder.path("")).args(["compute", "m.npz", "--no-lower", "--quiet"]);
    command.args(["--norm", norm.id(), "--bounds", bound, "--threads", &THREADS.to_string()]);
    command.args(options).stdout(Stdio::piped()).stderr(Stdio::piped());
    let runs = if ["k", "l"].contains(&bound) { RUNS_OF_SEARCHES } else { 1 };
    let run = |_| {
        let mut child = command.spawn().expect("it runs");
        let peak = peak(&mut child);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        peak
    };
    let peak = (0..runs).map(run).fold(f64::INFINITY, f64::min);
    let mb = |bytes: f64| (bytes / 1e6).round();
    let said = format!(
        "{bound} {norm} {widths:?}: {} MB, estimate {} MB, reading {} MB",
        mb(peak),
        mb(estimate),
        mb(lowering)
    );
    eprintln!("{said}");
    assert!(peak <= estimate.max(lowering), "{said}");
    assert!(estimate <= 3.0 * peak, "{said}");
}

#[test]
fn estimates_of_bounds_without_products() {
    for norm in Norm::ALL {
        assert_estimate(&[1200, 1200, 1200, 1200], "k_star", norm, &[]);
        assert_estimate(&[1000, 1000, 1000, 1000], "k3", norm, &[]);
    }
}

#[test]
fn estimates_of_bounds_with_products() {
    for norm in Norm::ALL {
        assert_estimate(&[600, 700, 800, 700, 600, 700], "k1", norm, &[]);
        assert_estimate(&[600, 700, 800, 700, 600, 700], "k5", norm, &[]);
    }
    assert_estimate(&[100; 15], "k4", Norm::Linf, &[]);
    assert_estimate(&[20, 60, 60, 60, 60, 60, 60, 60, 10], "k4", Norm::L2, &[]);
}

#[test]
fn estimates_of_decompositions_and_relaxations() {
    for norm in Norm::ALL {
        assert_estimate(&[500, 600, 600, 500], "k2", norm, &[]);
    }
    assert_estimate(&[50, 300, 300, 10], "k_sdp", Norm::L2, &[]);
    assert_estimate(&[50, 200, 200, 2], "k_sdp", Norm::Linf, &[]);
    // From K1 in l2.
    assert_estimate(&[500, 900, 900, 900, 500], "k_l2", Norm::Linf, &[]);
}

#[test]
fn estimates_of_searches() {
    let limit = ["--node-limit", "32"];
    assert_estimate(&[100, 150, 150, 4], "k", Norm::Linf, &limit);
    assert_estimate(&[100, 100, 100, 4], "l", Norm::Linf, &limit);
}

#[test]
fn what_exceeds_the_limit_is_refused_and_the_rest_is_computed() {
    let folder = Folder::new();
    write(&folder, "m.npz", &[400, 500, 500, 500, 400]);
    let call = ["compute", "m.npz", "--norm", "linf", "--bounds", "k_star,k3,k5,k_sdp"];
    let options = ["--no-lower", "--format", "json", "--threads", "2"];
    let limited = |limit: &str| {
        let limit = ["--memory-limit", limit];
        json(&stdout(folder.run(&[&call[..], &options, &limit].concat())))
    };
    let small = ["compute", "m.npz", "--norm", "linf", "--bounds", "k_star,k3,k5"];
    let free = json(&stdout(folder.run(&[&small[..], &options].concat())));
    let report = &limited("100MB")["reports"][0];
    // The others are what they are without the limit.
    assert_eq!(report["bounds"], free["reports"][0]["bounds"]);
    let [refused] = report["refused"].as_array().expect("refused").as_slice() else {
        panic!("one bound: {report}");
    };
    assert_eq!(refused["id"], "k_sdp");
    let reason = refused["reason"].as_str().expect("text");
    assert!(reason.starts_with("Ksdp in linf needs about "), "{reason}");
    assert!(reason.contains("above the limit of 95.4 MiB") && reason.contains("--memory-limit"));
}

#[test]
fn files_beyond_the_limit_are_refused_before_they_are_read() {
    let folder = Folder::new();
    write(&folder, "m.npz", &[1000, 1000, 1000]);
    stdout(folder.run(&["convert", "m.npz", "m.safetensors", "--activation", "relu"]));
    stdout(folder.run(&["convert", "m.npz", "m.json", "--activation", "relu"]));
    for name in ["m.npz", "m.safetensors", "m.json"] {
        for command in ["compute", "gradient", "compare", "check"] {
            let rest: &[&str] = match command {
                "gradient" => &["--bound", "k3"],
                "check" => &["--norm", "l1", "--max", "1"],
                _ => &[],
            };
            let call = [&[command, name, "--memory-limit", "12MB"], rest].concat();
            let output = folder.run(&call);
            assert_eq!(output.status.code(), Some(2), "{call:?}");
            let said = text(&output.stdout) + &text(&output.stderr);
            // The table is wrapped.
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains(name) && said.contains("limit of 12000000 bytes"), "{said}");
        }
    }
    let error = failure(folder.run(&["compute", "m.npz", "--memory-limit", "4G"]));
    assert!(error.contains("for example 500MB or 4GiB"), "{error}");
}

#[test]
fn a_search_ends_when_its_queue_takes_the_rest_of_the_limit() {
    let folder = Folder::new();
    write(&folder, "m.npz", &[10, 40, 40, 40, 3]);
    let (_, estimate) = estimates(&folder, "m.npz", "k", Norm::Linf);
    // A few hundred parts, and time for many more.
    let limit = format!("{}B", estimate as usize + 1_000_000);
    let call = ["compute", "m.npz", "--norm", "linf", "--bounds", "k", "--no-lower"];
    let options = ["--format", "json", "--threads", "2", "--time-limit", "60", "--memory-limit"];
    let report = json(&stdout(folder.run(&[&call[..], &options, &[&limit]].concat())));
    let k = &report["reports"][0]["bounds"][0];
    let (lower, upper) = (k["lower"].as_f64(), k["upper"].as_f64());
    assert!(lower > Some(0.0) && lower < upper, "{k}");
    let note = k["note"].as_str().expect("a note");
    assert!(note.contains("parts left (--memory-limit)"), "{note}");
}
