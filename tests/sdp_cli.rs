//! Ksdp as a user asks for it: interrupted, of a network with convolutions, and its certificates.
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

/// Runs `lipbound verify` on a certificate; whether it is accepted.
fn accepted(certificate: &serde_json::Value, model: &str) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certificate.json");
    std::fs::write(&path, certificate.to_string()).expect("written");
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_lipbound"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/networks"));
    command.arg("verify").arg(&path).arg(model);
    let output = command.output().expect("it runs");
    assert!(output.status.code().is_some_and(|code| code <= 2), "{output:?}");
    output.status.success()
}

#[test]
fn every_tampering_with_a_certificate_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certificate.json");
    let model = "random-2-8x10x6x3.json";
    for norm in ["l1", "l2", "linf"] {
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_lipbound"));
        command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/networks"));
        command.args(["compute", model, "--norm", norm, "--bounds", "k_sdp", "--certificate"]);
        command.arg(&path).assert().success();
        let text = std::fs::read_to_string(&path).expect("a certificate");
        let good: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert!(accepted(&good, model), "{norm}");
        assert!(!accepted(&good, "random-4-5x6x5x4x2.json"), "{norm}: another model");

        let reject = |what: &str, change: &dyn Fn(&mut serde_json::Value)| {
            let mut bad = good.clone();
            change(&mut bad["certificates"][0]);
            assert_ne!(bad, good, "{what}");
            assert!(!accepted(&bad, model), "{norm}: {what}");
        };
        let scaled = |value: &serde_json::Value, factor: f64| -> serde_json::Value {
            (value.as_f64().expect("a number") * factor).into()
        };
        reject("a lower bound claimed", &|c| c["upper"] = scaled(&c["upper"], 1.0 - 1e-9));
        reject("a lower mantissa", &|c| {
            c["proof"]["mantissa"] = scaled(&c["proof"]["mantissa"], 1.0 - 1e-9);
        });
        reject("no bound", &|c| c["upper"] = serde_json::Value::Null);
        reject("another norm", &|c| c["norm"] = if norm == "l2" { "l1" } else { "l2" }.into());
        reject("another subject", &|c| c["subject"] = "0123456789abcdef".into());
        reject("no problems", &|c| c["proof"]["problems"] = serde_json::json!([]));
        // The problem that attains the bound has no slack to spare.
        let problems = good["certificates"][0]["proof"]["problems"].as_array().expect("problems");
        let mantissa = good["certificates"][0]["proof"]["mantissa"].as_f64().expect("a number");
        for at in 0..problems.len() {
            let sum = |z: &serde_json::Value| {
                let lambda = z["lambda"].as_array().expect("lambda");
                z["gamma"].as_f64().expect("gamma")
                    + lambda.iter().filter_map(serde_json::Value::as_f64).sum::<f64>()
            };
            let tight = norm == "l2" || problems.len() == 1 || {
                let value = |i: usize| sum(&problems[i]["multipliers"]);
                (0..problems.len()).all(|i| value(i) <= value(at)) && mantissa > 0.0
            };
            let reject = |what: &str, change: &dyn Fn(&mut serde_json::Value)| {
                reject(what, &|c| change(&mut c["proof"]["problems"][at]));
            };
            reject("a NaN", &|p| p["multipliers"]["gamma"] = serde_json::Value::Null);
            reject("a negative multiplier", &|p| {
                let z = &mut p["multipliers"];
                z["layers"][0][0] = scaled(&z["layers"][0][0], -1.0);
            });
            reject("a negative gamma", &|p| p["multipliers"]["gamma"] = (-1.0).into());
            reject("a missing multiplier", &|p| {
                p["multipliers"]["layers"][0].as_array_mut().expect("a layer").pop();
            });
            reject("a multiplier too many", &|p| {
                p["multipliers"]["lambda"].as_array_mut().expect("lambda").push(1.0.into());
            });
            reject("a missing layer", &|p| {
                p["multipliers"]["layers"].as_array_mut().expect("layers").pop();
            });
            reject("another row", &|p| p["row"] = 1000.into());
            reject("no gamma", &|p| p["multipliers"]["gamma"] = 0.0.into());
            if tight {
                reject("a smaller gamma", &|p| {
                    let z = &mut p["multipliers"];
                    z["gamma"] = scaled(&z["gamma"], 1.0 - 1e-4);
                });
                reject("half a multiplier", &|p| {
                    let z = &mut p["multipliers"];
                    z["layers"][1][2] = scaled(&z["layers"][1][2], 0.5);
                });
            }
        }
        if norm != "l2" {
            reject("a row removed", &|c| {
                c["proof"]["problems"].as_array_mut().expect("problems").remove(0);
            });
        }
    }
}
