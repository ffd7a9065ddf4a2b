//! Damaged files of every format: an error or a network, but never a panic.

use lipbound::io::{Input, ReadOptions, read_input, write};

use crate::support::{Folder, array, read_file, zip};

/// Numbers that look random (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

fn examples() -> Vec<(&'static str, Vec<u8>)> {
    let json = r#"{"format": "lipbound-network/1", "name": "n", "input_shape": [2], "layers": [
        {"type": "dense", "name": "a", "weight": [[1, 2], [3, 4]], "bias": [0, 1]},
        {"type": "relu"}, {"type": "dense", "weight": [[1, 2]], "inputs": ["a"]}]}"#;
    let native = json.replace(", \"inputs\": [\"a\"]", "");
    let network = read_file("a.json", native.as_bytes(), &ReadOptions::default()).expect("valid");
    let folder = Folder::new();
    let written = |name: &str| {
        let path = folder.path().join(name);
        write(&network, &path).expect("dense and relu");
        std::fs::read(path).expect("written")
    };
    let nnet = "1,2,1,2,\n2,1,\n0,\n0,0,\n1,1,\n0,0,0,\n1,1,1,\n1.5,2,\n3,\n";
    vec![
        ("a.json", json.as_bytes().to_vec()),
        ("s.json", br#"{"weights": [[[1, 2]], [[3]]], "biases": [[1], null], "activation": {"type": "elu"}}"#.to_vec()),
        ("w.npy", array(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        ("m.npz", written("m.npz")),
        ("d.npz", zip(&[("0.weight.npy", array(&[2, 2], &[1.0; 4]))], true)),
        ("m.safetensors", written("m.safetensors")),
        ("m.nnet", nnet.as_bytes().to_vec()),
        ("m.pt", crate::pytorch::example()),
        ("old.pt", crate::pytorch::legacy_example()),
    ]
}

#[test]
fn damaged_files_never_panic() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let options = ReadOptions { nnet_normalise: true, ..Default::default() };
    for (name, good) in examples() {
        let path = std::path::Path::new(name);
        let read = |bytes: Vec<u8>| {
            let input = Input { file: name.into(), name: "m".into(), folder: None, bytes };
            read_input(&input, path, &options)
        };
        assert_eq!(read(good.clone()).err(), None);
        for _ in 0..3000 {
            let mut bytes = good.clone();
            for _ in 0..=numbers.below(3) {
                let place = numbers.below(bytes.len());
                match numbers.below(4) {
                    0 => bytes[place] ^= 1 << numbers.below(8),
                    1 => bytes[place] = [0, 0xff, 0x7f, b'9', b'[', b'}'][numbers.below(6)],
                    2 => bytes.truncate(place.max(1)),
                    _ => {
                        let end = (place + numbers.below(9)).min(bytes.len());
                        let part = bytes[place..end].to_vec();
                        let to = numbers.below(bytes.len());
                        bytes.splice(to..to, part);
                    }
                }
            }
            if let Ok(network) = read(bytes) {
                assert!(network.shapes().is_ok());
            }
        }
    }
}
