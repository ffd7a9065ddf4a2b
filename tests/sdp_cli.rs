//! Ksdp as a user asks for it: interrupted, and of a network with convolutions.
#![allow(clippy::expect_used)] // tests fail by panicking

use std::process::Command;

#[cfg(unix)]
#[test]
fn an_interrupted_sdp_bound_is_still_proved() {
    use std::process::Stdio;

    let mut command = Command::new(env!("CARGO_BIN_EXE_lipbound"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("NO_COLOR", "1");
    command.args(["compute", "examples/mnist_mlp.npz", "--norm", "linf", "--bounds", "k_sdp"]);
    command.args(["--format", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("it runs");
    std::thread::sleep(std::time::Duration::from_secs(1));
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().expect("kill");
    assert!(sent.success());
    let output = child.wait_with_output().expect("it ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");

    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["schema"], "lipbound-report/1");
    let report = &json["reports"][0];
    let [bound] = report["bounds"].as_array().expect("bounds").as_slice() else {
        panic!("one bound: {report}");
    };
    // Between the optimum of the relaxation and K5, which every row has in reserve.
    let upper = bound["upper"].as_f64().expect("a number");
    assert!((187.31..=825.5).contains(&upper), "{upper}");
    assert_eq!(report["best"].as_f64(), Some(upper));
    assert!(report["lower"].as_f64().is_none_or(|lower| lower <= upper), "{report}");
    assert!(bound["note"].as_str().is_some_and(|note| note.contains("stopped")), "{bound}");
}

#[test]
fn convolutions_without_pooling_have_a_bound_in_every_norm() {
    // 9 + 6 neurons, few enough for K.
    let model = r#"{"format": "lipbound-network/1", "input_shape": [1, 4, 4], "layers": [
        {"type": "conv2d", "weight": [[[[0.9, -0.4], [0.3, -1.1]]]], "bias": [0.1]},
        {"type": "relu"},
        {"type": "conv2d", "weight": [[[[0.7, -0.8]]]]},
        {"type": "leaky_relu", "negative_slope": 0.1},
        {"type": "flatten"},
        {"type": "dense", "weight": [[1, -2, 0.5, 1.5, -1, 0.25], [0.5, 1, -1, 0, 2, -0.75]]}]}"#;
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_lipbound"));
    command.env("NO_COLOR", "1").args(["compute", "-", "--bounds", "k,k_sdp,k1"]);
    let output = command.args(["--format", "json"]).write_stdin(model).output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");

    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let reports = json["reports"].as_array().expect("reports");
    assert_eq!(reports.len(), 3);
    for report in reports {
        let upper = |id: &str| {
            let bounds = report["bounds"].as_array().expect("bounds");
            let bound = bounds.iter().find(|bound| bound["id"] == id).expect("the bound");
            bound["upper"].as_f64().expect("a number")
        };
        let (k, k_sdp, k1) = (upper("k"), upper("k_sdp"), upper("k1"));
        // The solver's excess over the optimum is below 1e-6.
        assert!(k <= k_sdp * (1.0 + 2e-9), "K {k}, Ksdp {k_sdp}: {report}");
        assert!(k_sdp <= k1 * (1.0 + 1e-6), "Ksdp {k_sdp}, K1 {k1}: {report}");
    }
}
