//! What the names of tensors show that a chain of dense layers does not have. Matrices of such layers can chain
//! by their shapes, and the number would be that of another network.

use super::Group;

/// Words, as parts of a name, and what they show.
#[rustfmt::skip] // one line for each kind of network
const KINDS: [(&str, &[&str]); 7] = [
    ("a block, which often has a connection around it", &["block", "blocks", "res", "resnet", "resblock", "residual", "residuals", "shortcut", "skip", "downsample", "bypass", "highway"]),
    ("a normalisation", &["norm", "norms", "bn", "batchnorm", "layernorm", "groupnorm", "instancenorm", "rmsnorm"]),
    ("attention", &["attn", "attention", "mha", "multihead", "qkv", "query", "key", "q", "k"]),
    ("a convolution or a layer of a graph", &["conv", "convs", "gcn", "gnn", "gat", "graph"]),
    ("a recurrent layer", &["rnn", "lstm", "gru", "recurrent", "ih", "hh"]),
    ("an embedding", &["embedding", "embeddings", "embed", "emb", "wte", "wpe", "token", "tokens", "vocab", "positional", "codebook"]),
    ("an implicit layer", &["mon", "mondeq", "deq", "implicit", "equilibrium", "ode", "odefunc", "u", "wx", "wz"]),
];

/// Parts of names that show attention as a whole.
const PACKED: [&str; 2] = ["in_proj", "out_proj"];

/// Words of networks with several branches or outputs; one that is in every name is only that of the module.
#[rustfmt::skip] // as they belong together
const BRANCHES: [&str; 35] = [
    "branch", "branches", "heads", "tower", "towers", "gate", "gates", "expert", "experts", "router", "lora",
    "actor", "critic", "policy", "value", "advantage", "v", "pi", "mu", "logvar", "logstd", "sigma", "std", "variance",
    "generator", "discriminator", "online", "target", "teacher", "student", "ema", "local", "global", "aux", "auxiliary",
];

/// What the names show that is no chain: the label of a layer, and the reason.
pub(super) fn of(groups: &[Group]) -> Option<(String, String)> {
    let names: Vec<Vec<String>> = groups.iter().map(|group| words(&group.label)).collect();
    for (group, words) in groups.iter().zip(&names) {
        let packed = group.label.to_lowercase();
        if let Some(name) = PACKED.iter().find(|name| packed.split(['.', '/']).any(|p| p == **name))
        {
            return Some((group.label.clone(), stands_for(name, "attention")));
        }
        let shown = KINDS.iter().find_map(|(kind, known)| {
            Some((kind, words.iter().find(|word| known.contains(&word.as_str()))?))
        });
        if let Some((kind, word)) = shown {
            return Some((group.label.clone(), stands_for(word, kind)));
        }
    }
    for word in BRANCHES {
        let has: Vec<bool> = names.iter().map(|name| name.iter().any(|w| w == word)).collect();
        if let Some(first) = has.iter().position(|&has| has)
            && has.contains(&false)
        {
            let reason = stands_for(word, "one of several branches or outputs");
            return Some((groups[first].label.clone(), reason));
        }
    }
    several_heads(groups)
}

fn stands_for(word: &str, kind: &str) -> String {
    format!("\"{word}\" in its name stands for {kind}, and a plain chain of layers has none")
}

/// `head_a` and `head_b`, `head1` and `head2`, but not `head.0` and `head.2`.
fn several_heads(groups: &[Group]) -> Option<(String, String)> {
    let mut first: Option<&str> = None;
    for group in groups {
        let parts = group.label.split(['.', '/']);
        let head = parts.into_iter().find(|part| words(part).iter().any(|word| word == "head"));
        match (first, head) {
            (Some(first), Some(head)) if first != head => {
                let reason = format!(
                    "it and \"{first}\" look like several outputs, and a plain chain of layers has one"
                );
                return Some((group.label.clone(), reason));
            }
            (None, Some(_)) => first = head,
            _ => {}
        }
    }
    None
}

/// The words of a name, in lower case: `selfAttn.out_proj1` has self, attn, out and proj.
fn words(label: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut begins = true;
    let mut capital = true;
    for c in label.chars() {
        if !c.is_alphabetic() {
            begins = true;
            continue;
        }
        let starts = begins || c.is_uppercase() && !capital;
        let lower = c.to_lowercase();
        match words.last_mut() {
            Some(word) if !starts => word.extend(lower),
            _ => words.push(lower.collect()),
        }
        (begins, capital) = (false, c.is_uppercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::{Group, of, words};

    fn shown(labels: &str) -> Option<String> {
        let group = |label: &str| Group { label: label.to_owned(), entries: Vec::new() };
        of(&labels.split(' ').map(group).collect::<Vec<_>>()).map(|(label, _)| label)
    }

    #[test]
    fn names_are_split_into_words() {
        assert_eq!(words("selfAttn.out_proj1"), ["self", "attn", "out", "proj"]);
        assert_eq!(words("BatchNorm_0"), ["batch", "norm"]);
        assert_eq!(words("LSTM/cell"), ["lstm", "cell"]);
        assert!(words("0").is_empty());
    }

    #[test]
    fn what_is_no_chain_shows_in_its_names() {
        for labels in [
            "input_layer blocks.0.fc1 blocks.0.fc2 output_layer",
            "fc1 downsample.0 fc2",
            "fc1 skip fc2",
            "fc1 shortcut",
            "fc residual",
            "conv1.lin conv2.lin",
            "ResBlock_0/Dense_0 head",
            "fc1 layer_norm",
            "fc1 bn1",
            "q_proj k_proj v_proj out_proj",
            "self_attn.in_proj self_attn.out_proj",
            "encoder/MultiHeadDotProductAttention_0/query out",
            "lstm/recurrent lstm",
            "rnn.fc",
            "embedding fc1",
            "U A B Wout",
            "trunk.0 actor critic",
            "enc mu logvar",
            "fc1 head_a head_b",
            "fc1 head1 head2",
            "online.0 online.2 target.0 target.2",
        ] {
            assert!(shown(labels).is_some(), "{labels}");
        }
    }

    #[test]
    fn usual_chains_show_nothing() {
        for labels in [
            "0 2 4",
            "fc1 fc2 fc3",
            "net.0 net.2 net.4",
            "actor.net.0 actor.net.2",
            "stem hidden.0 hidden.1 head",
            "fc head.0 head.2",
            "features.0 classifier.1",
            "W0 W1",
            "dense_1 dense_2",
            "input_layer hidden output_layer",
            "encoder.0 encoder.2 decoder.0 decoder.2",
            "model.linear_relu_stack.0 model.linear_relu_stack.2",
        ] {
            assert_eq!(shown(labels), None, "{labels}");
        }
    }
}
