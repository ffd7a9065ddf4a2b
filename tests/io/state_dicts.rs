//! What tensors alone say of a network, and what they do not.

use lipbound::io::ReadOptions;
use lipbound::network::{Activation, Network};

use crate::support::{Folder, array, check_messages, layers, message, read_file, zip};

/// Names and shapes.
type Tensors<'a> = Vec<(&'a str, &'a [usize])>;

/// An archive of ones with these names and shapes.
fn archive(tensors: &[(&str, &[usize])]) -> Vec<u8> {
    let files: Vec<(String, Vec<u8>)> = tensors
        .iter()
        .map(|(name, shape)| {
            (format!("{name}.npy"), array(shape, &vec![1.0; shape.iter().product()]))
        })
        .collect();
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(n, b)| (n.as_str(), b.clone())).collect();
    zip(&files, false)
}

fn relu() -> ReadOptions {
    ReadOptions { activation: Some(Activation::Relu), ..Default::default() }
}

fn read(tensors: &[(&str, &[usize])], options: &ReadOptions) -> Result<Network, String> {
    read_file("m.npz", &archive(tensors), options)
}

const ENDS: (&str, &str) = (
    "in this order, and nothing before, beside or after them",
    ": the file holds only weights (--activation or --arch says what is there)",
);

#[test]
fn what_is_assumed_is_said_until_the_user_says_it() {
    let chain: &[(&str, &[usize])] =
        &[("fc1.weight", &[3, 2]), ("fc1.bias", &[3]), ("fc2.weight", &[1, 3])];
    let network = read(chain, &ReadOptions::default()).expect("a chain");
    let (order, why) = ENDS;
    assert_eq!(network.assumed, [format!("ReLU between the layers fc1, fc2, {order}{why}")]);
    assert!(read(chain, &relu()).expect("a chain").assumed.is_empty());
    // Where the transposed matrices chain, too, that is said, unless the bias tells.
    let one = read(&[("W0", &[3, 2])], &ReadOptions::default()).expect("a layer");
    let text = "that W0 is the whole network, with nothing before or after it";
    assert_eq!(one.assumed, [format!("{text}, each stored as outputs x inputs{why}")]);
    let one = read(&[("W0", &[3, 2]), ("b0", &[3])], &ReadOptions::default()).expect("a layer");
    assert_eq!(one.assumed, [format!("{text}{why}")]);
    let plain = [("arr_0", &[3, 2][..]), ("arr_1", &[3])];
    let one = read(&plain, &ReadOptions::default()).expect("a layer");
    let biases = ", each vector the bias of the matrix before it";
    assert_eq!(one.assumed, [format!("{}{biases}{why}", text.replace("W0", "arr_0"))]);
    // An architecture file says everything.
    let folder = Folder::new();
    folder.write("m.npz", archive(chain));
    let arch = r#"{"input_shape": [2], "layers": [{"type": "dense"}, {"type": "tanh"}, {"type": "dense"}]}"#;
    let arch = Some(folder.write("a.json", arch));
    let options = ReadOptions { arch, ..Default::default() };
    assert!(folder.read(&["m.npz"], &options).expect("valid").assumed.is_empty());
}

/// Networks that were read as chains and are none, by the names of published ones: a dense ResNet, monotone
/// equilibrium layers, attention, recurrent layers, several outputs.
#[test]
fn names_and_shapes_that_show_more_than_a_chain_are_refused() {
    let square: &[usize] = &[4, 4];
    let cases: Vec<(&str, Tensors)> = vec![
        (
            "dense ResNet",
            vec![
                ("input_layer.weight", square),
                ("blocks.0.fc1.weight", square),
                ("blocks.0.fc2.weight", square),
                ("output_layer.weight", square),
            ],
        ),
        ("shortcut", vec![("fc1.weight", square), ("shortcut.weight", square)]),
        (
            "monotone equilibrium network",
            vec![
                ("mon.linear_module.U.weight", &[4, 9]),
                ("mon.linear_module.A.weight", square),
                ("mon.linear_module.B.weight", square),
                ("Wout.weight", &[2, 4]),
            ],
        ),
        ("its parameters alone", vec![("U", square), ("A", square), ("B", square)]),
        (
            "its parameters, named as weights",
            vec![("U.weight", &[4, 9]), ("A.weight", square), ("Wout.weight", &[2, 4])],
        ),
        (
            "attention",
            vec![
                ("q_proj.weight", square),
                ("k_proj.weight", square),
                ("v_proj.weight", square),
                ("out_proj.weight", square),
            ],
        ),
        (
            "packed attention",
            vec![("self.in_proj_weight", &[12, 4]), ("self.out_proj.weight", square)],
        ),
        ("recurrent layer", vec![("weight_ih_l0", &[4, 2]), ("weight_hh_l0", square)]),
        (
            "recurrent layer of Keras",
            vec![("rnn/kernel", &[2, 4]), ("rnn/recurrent_kernel", square), ("d/kernel", &[4, 1])],
        ),
        ("embedding", vec![("embedding.weight", &[9, 4]), ("fc.weight", &[1, 9])]),
        (
            "layer normalisation",
            vec![("fc1.weight", square), ("ln.weight", &[4]), ("ln.bias", &[4])],
        ),
        ("normalisation of matrices", vec![("fc1.weight", square), ("norm.weight", square)]),
        (
            "batch normalisation",
            vec![
                ("0.weight", square),
                ("1.weight", &[4]),
                ("1.running_mean", &[4]),
                ("1.running_var", &[4]),
            ],
        ),
        ("counter without statistics", vec![("0.weight", square), ("1.num_batches_tracked", &[])]),
        (
            "two outputs",
            vec![("fc.weight", square), ("actor.weight", square), ("critic.weight", square)],
        ),
        (
            "two heads",
            vec![("fc.weight", square), ("head1.weight", square), ("head2.weight", square)],
        ),
        ("square layers without numbers", vec![("stem.weight", square), ("mid.weight", square)]),
        ("numbers against the file", vec![("fc2.weight", square), ("fc1.weight", square)]),
        (
            "an autoencoder in two parts",
            vec![("encoder.weight", &[2, 4]), ("decoder.weight", &[4, 2])],
        ),
        ("two lists", vec![("a.0.weight", square), ("a.1.weight", square), ("b.0.weight", square)]),
        ("pruned without mask", vec![("fc.weight_orig", square)]),
        ("mask of another shape", vec![("fc.weight_orig", square), ("fc.weight_mask", &[4])]),
        ("spectral normalisation", vec![("fc.weight_orig", square), ("fc.weight_u", &[4])]),
        ("weight normalisation", vec![("fc.weight_v", square), ("fc.weight_g", &[4, 1])]),
        ("parametrisation", vec![("fc.parametrizations.weight.original", square)]),
    ];
    let messages = cases.iter().map(|(case, tensors)| {
        let bytes = archive(tensors);
        let plain = message("m.npz", &bytes, &ReadOptions::default());
        // Whoever names the activation says what is between the layers of a chain, which this is not.
        assert_eq!(message("m.npz", &bytes, &relu()), plain, "{case}");
        ((*case).to_owned(), plain)
    });
    check_messages("state_dicts", messages.collect());
}

#[test]
fn numbers_and_shapes_give_the_order() {
    let square: &[usize] = &[4, 4];
    let order = |tensors: &[(&str, &[usize])]| {
        let network = read(tensors, &relu()).expect("a chain");
        network.nodes.iter().step_by(2).map(|n| n.name.clone()).collect::<Vec<_>>().join(" ")
    };
    let of_two = [("0.weight", square), ("2.weight", square), ("10.weight", square)];
    assert_eq!(order(&of_two), "0 2 10");
    let ends: [(&str, &[usize]); 4] = [
        ("stem.weight", &[4, 9]),
        ("hidden.0.weight", square),
        ("hidden.1.weight", square),
        ("head.weight", &[2, 4]),
    ];
    assert_eq!(order(&ends), "stem hidden.0 hidden.1 head");
    // Shapes that fit in one way only need no numbers.
    assert_eq!(order(&[("b.weight", &[3, 9]), ("a.weight", &[2, 3])]), "b a");
}

#[test]
fn files_in_a_folder_have_the_order_of_their_numbers_or_none() {
    let folder = Folder::new();
    let square = array(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    folder.write("n/first.npy", &square);
    folder.write("n/second.npy", &square);
    let error = folder.read(&["n"], &ReadOptions::default()).expect_err("which is the first");
    assert!(error.contains("this name does not say what the tensor is"), "{error}");
    // On the command line the user gives the order.
    let names = ["n/second.npy", "n/first.npy"];
    let network = folder.read(&names, &ReadOptions::default()).expect("in order");
    assert_eq!(network.nodes.len(), 3);
}

#[test]
fn masks_of_pruned_layers_are_applied_exactly() {
    let files = |mask: &[f64]| {
        let tensors = [
            ("fc.weight_orig.npy", array(&[2, 2], &[0.1, -2.0, 3.0, 1e-300])),
            ("fc.weight_mask.npy", array(&[2, 2], mask)),
            ("fc.bias_orig.npy", array(&[2], &[1.0, 2.0])),
            ("fc.bias_mask.npy", array(&[2], &[0.0, 1.0])),
        ];
        zip(&tensors, false)
    };
    let network = read_file("m.npz", &files(&[1.0, 0.0, 1.0, 1.0]), &relu()).expect("pruned");
    let layer = &layers(&network)[0];
    assert_eq!(layer["weight"].to_string(), "[[0.1,0.0],[3.0,1e-300]]");
    assert_eq!(layer["bias"].to_string(), "[0.0,2.0]");
    let note = "2 pruned tensors, each taken as NAME_orig * NAME_mask under its NAME";
    assert_eq!(network.notes, [note]);
    let error = message("m.npz", &files(&[1.0, 0.5, 1.0, 1.0]), &relu());
    assert!(error.contains("found 0.5 in a mask, expected 0 and 1"), "{error}");
}
