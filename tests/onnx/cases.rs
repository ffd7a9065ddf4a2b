//! Small models that were once read wrong or refused without need, with the right values.

use std::path::{Path, PathBuf};

use lipbound::bounds::{Certificate, Options, Problem, find};
use lipbound::io::{ReadOptions, Source, read};
use lipbound::network::{InputBox, LoweredNetwork};
use lipbound::numeric::Norm;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/onnx/cases")
}

fn open(path: PathBuf) -> Result<LoweredNetwork, String> {
    let network = read(&Source::File(path), &ReadOptions::default());
    Ok(network.map_err(|error| error.to_string())?.lower().expect("a network"))
}

fn case(name: &str) -> LoweredNetwork {
    open(folder().join(format!("{name}.onnx"))).unwrap_or_else(|message| panic!("{message}"))
}

fn refusal(name: &str) -> String {
    open(folder().join(format!("{name}.onnx"))).err().unwrap_or_else(|| panic!("{name} was read"))
}

fn compute(id: &str, network: LoweredNetwork, norm: Norm) -> Certificate {
    let problem = Problem::new(network, Options::default());
    let bound = find(id).expect("a bound");
    bound.compute(&problem, norm).unwrap_or_else(|refusal| panic!("{id}: {refusal}"))
}

/// L in the three norms, to the digits of `values`.
fn check(network: &LoweredNetwork, values: [f64; 3], digits: f64) {
    for (norm, value) in [Norm::L1, Norm::L2, Norm::Linf].into_iter().zip(values) {
        let found = compute("l", network.clone(), norm);
        let lower = found.lower.expect("a lower end");
        let upper = found.upper;
        assert!(lower <= value * (1.0 + digits) && value * (1.0 - digits) <= upper, "{found:?}");
        assert!(upper - lower <= digits * value, "{found:?}");
    }
}

/// Values: differences of what onnxruntime computes in single precision, at 300 points (1e-5); for the
/// max-poolings 1 because every output is one input, and 2 and 4 because one input is in four windows.
#[test]
fn what_is_computed_from_constants() {
    check(&case("lora"), [4.491_68, 3.553_22, 4.492_64], 1e-5);
    check(&case("const_relu_weight"), [2.618_67, 2.319_455, 3.361_005], 1e-5);
    check(&case("const_reducesum"), [2.108_366, 2.163_105, 2.789_74], 1e-5);
    check(&case("weightnorm_pow"), [2.948_483, 2.559_594, 3.403_24], 1e-5);
    check(&case("exp_const_scale"), [27.671_7, 30.796_7, 48.770_3], 1e-5);
    check(&case("sparse_init"), [7.739_8, 5.141, 6.149_75], 1e-5);
    check(&case("const_sparse_value"), [3.0, 3.0, 3.0], 1e-5);
}

#[test]
fn windows_and_padding() {
    check(&case("ceil_max"), [1.0, 1.0, 1.0], 1e-8);
    check(&case("ceil_avg"), [1.0 / 9.0, 1.0 / 3.0, 1.0], 1e-8);
    check(&case("op_pad_neginf_maxpool"), [4.0, 2.0, 1.0], 1e-8);
    for name in ["avgpool_same_upper_dilation", "pool_same_lower_dilated_570"] {
        assert!(refusal(name).contains("export the model with explicit pads"));
    }
}

#[test]
fn what_depends_on_the_batch() {
    assert!(refusal("batch_centering").contains("fixed batch size"));
    assert!(refusal("bn_train9").contains("training mode"));
}

/// Values: 50-digit arithmetic of `x (1 + erf(s x)) / 2` for the stored `s`, at the end of the box where the
/// slope is largest; for `relu_gelu` at the kink of the ReLU behind it.
#[test]
fn gelu_with_the_stored_constant() {
    let end = 0.499_939_669_924_491_07;
    for (name, high, value) in [
        ("gelu_div_sqrt2", 0.5, 0.867_495_129_928_336_7),
        ("gelu_mul_f32", 0.5, 0.867_495_119_383_989_1),
        ("relu_gelu", end, 0.867_457_958_503_183),
    ] {
        let input = InputBox::new(&[(-0.3, high)]).expect("a box");
        let network = || case(name).on_box(&input).expect("a box of one side");
        let l = compute("l", network(), Norm::Linf);
        assert!(l.lower <= Some(value) && value <= l.upper, "{name}: {l:?}");
        for id in ["k_star", "k5"] {
            let bound = compute(id, network(), Norm::Linf);
            assert!(bound.upper >= value, "{name}: {bound:?}");
            assert!(bound.upper <= value * (1.0 + 1e-9), "{name}: {bound:?}");
        }
    }
}

/// Value: (1 + erf(1)) / 2 + exp(-1) / sqrt(pi), the slope where the argument of erf is 1, whatever `s` is.
#[test]
fn gelu_everywhere() {
    for name in ["gelu_div_sqrt2", "gelu_mul_f32"] {
        let bound = compute("k_star", case(name), Norm::Linf).upper;
        assert!((1.128_904_145_185_154_7..1.128_904_145_186).contains(&bound), "{name}: {bound}");
    }
}

/// The limit 1e39 is beyond single precision, but not beyond double: the function is constant on the box.
#[test]
fn limits_in_double_precision() {
    let input = InputBox::new(&[(2e39, 3e39)]).expect("a box");
    let network = case("clip64").on_box(&input).expect("a box of one side");
    assert_eq!(compute("l", network, Norm::Linf).upper, 0.0);
}

#[test]
fn messages_say_what_is_in_the_file() {
    let message = refusal("if_const");
    assert!(message.contains("(If)") && message.contains("control flow"), "{message}");
    let message = refusal("local_function");
    assert!(message.contains("inline_local_functions"), "{message}");
}

/// Values: those of the network with its weights inside, as computed by enumeration.
#[test]
fn data_beside_the_model() {
    let value = [3.973_87, 2.433_57, 3.135_75];
    check(&case("external/dot_slash"), value, 1e-5);
    // As caches of model hubs store them: both files are links to somewhere else.
    let cache = tempfile::tempdir().expect("a temporary folder");
    let (blobs, snapshot) = (cache.path().join("blobs"), cache.path().join("snapshots/h"));
    std::fs::create_dir_all(&snapshot).expect("writable");
    std::fs::create_dir(&blobs).expect("writable");
    for (from, blob, name) in [("hf.onnx", "aaa", "m.onnx"), ("w.bin", "bbb", "m.onnx_data")] {
        std::fs::copy(folder().join("external").join(from), blobs.join(blob)).expect("a copy");
        let target = Path::new("../../blobs").join(blob);
        std::os::unix::fs::symlink(target, snapshot.join(name)).expect("a link");
    }
    check(&open(snapshot.join("m.onnx")).expect("a model"), value, 1e-5);
}
