//! Names, aliases and descriptions of the activation functions.

use super::{Activation, GeluForm};

/// Other names in use; `_`, `-` and capitals are ignored in all names.
const ALIASES: [(&str, &str); 9] = [
    ("linear", "identity"),
    ("none", "identity"),
    ("logistic", "sigmoid"),
    ("swish", "silu"),
    ("absolute", "abs"),
    ("arctan", "atan"),
    ("sine", "sin"),
    ("cosine", "cos"),
    ("clamp", "clip"),
];

fn plain(name: &str) -> String {
    name.trim().to_lowercase().chars().filter(|c| !matches!(c, '_' | '-' | ' ')).collect()
}

impl Activation {
    /// The name in files (the `type` of the JSON form) and on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Activation::Identity => "identity",
            Activation::Relu => "relu",
            Activation::LeakyRelu { .. } => "leaky_relu",
            Activation::Prelu { .. } => "prelu",
            Activation::Relu6 => "relu6",
            Activation::HardTanh { .. } => "hard_tanh",
            Activation::Elu { .. } => "elu",
            Activation::Selu => "selu",
            Activation::Celu { .. } => "celu",
            Activation::Softplus { .. } => "softplus",
            Activation::Sigmoid => "sigmoid",
            Activation::HardSigmoid { .. } => "hard_sigmoid",
            Activation::Tanh => "tanh",
            Activation::Gelu { .. } => "gelu",
            Activation::ErfGelu { .. } => "erf_gelu",
            Activation::Silu => "silu",
            Activation::HardSwish => "hard_swish",
            Activation::Mish => "mish",
            Activation::Softsign => "softsign",
            Activation::LogSigmoid => "log_sigmoid",
            Activation::Tanhshrink => "tanhshrink",
            Activation::Softshrink { .. } => "softshrink",
            Activation::Abs => "abs",
            Activation::Atan => "atan",
            Activation::Sin => "sin",
            Activation::Cos => "cos",
            Activation::Erf => "erf",
            Activation::Clip { .. } => "clip",
        }
    }

    /// The function of that name, with default parameters; capitals, `_` and `-` do not matter, and
    /// usual aliases such as `swish` and `linear` are known. `gelu_tanh` is the approximate form.
    /// `prelu` has PyTorch's initial slope, 0.25.
    pub fn parse(name: &str) -> Option<Activation> {
        let name = plain(name);
        if name == "gelutanh" {
            return Some(Activation::Gelu { approximate: GeluForm::Tanh });
        }
        let alias = ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, n)| plain(n));
        let name = alias.unwrap_or(name);
        Activation::all().into_iter().find(|f| plain(f.name()) == name)
    }

    /// The formula, and the interval of the slopes with its reason or source.
    pub fn describe(&self) -> &'static str {
        match self {
            Activation::Identity => "x; slope 1",
            Activation::Relu => "max(x, 0); slopes 0 and 1 (Nair & Hinton 2010)",
            Activation::LeakyRelu { .. } => {
                "x for x >= 0, negative_slope * x below; slopes negative_slope and 1 (Maas et al. 2013)"
            }
            Activation::Prelu { .. } => {
                "a leaky ReLU with learnt negative slopes; slopes those and 1 (He et al. 2015)"
            }
            Activation::Relu6 => "min(max(x, 0), 6); slopes 0 and 1 (torch.nn.ReLU6)",
            Activation::HardTanh { .. } => {
                "min(max(x, min), max); slopes 0 and 1 (torch.nn.Hardtanh)"
            }
            Activation::Elu { .. } => {
                "x for x >= 0, alpha (exp(x) - 1) below; slopes between 0, alpha and 1, the derivative alpha exp(x) being monotone (Clevert et al. 2016)"
            }
            Activation::Selu => {
                "scale * elu(x), alpha = 1.6732632423543772, scale = 1.0507009873554805; slopes in [0, scale * alpha = 1.75809934084737686], the limit from the left at 0 (Klambauer et al. 2017)"
            }
            Activation::Celu { .. } => {
                "max(x, 0) + min(0, alpha (exp(x/alpha) - 1)); slopes in [0, 1], the derivative exp(x/alpha) being monotone (Barron 2017)"
            }
            Activation::Softplus { .. } => {
                "ln(1 + exp(beta x)) / beta; slopes in [0, 1], the derivative being sigmoid(beta x) (torch.nn.Softplus without its threshold)"
            }
            Activation::Sigmoid => {
                "1 / (1 + exp(-x)); slopes in [0, 1/4], s (1 - s) being largest at 0"
            }
            Activation::HardSigmoid { .. } => {
                "min(max(alpha x + beta, 0), 1); slopes 0 and alpha (torch.nn.Hardsigmoid: 1/6, 1/2; ONNX HardSigmoid: 0.2, 0.5)"
            }
            Activation::Tanh => "tanh(x); slopes in [0, 1], 1 - tanh^2 being largest at 0",
            Activation::Gelu { .. } => {
                "x Phi(x), slopes in [-0.12890414518515, 1.12890414518515], the derivative turning at -sqrt 2 and sqrt 2; with approximate = tanh x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), slopes in [-0.12899306865877, 1.12899306865877], turning at -1.41850400879 and 1.41850400879 (Hendrycks & Gimpel 2016)"
            }
            Activation::ErfGelu { .. } => {
                "x/2 (1 + erf(x multiply / divide)); slopes those of gelu, the derivative turning where the argument of erf is -1 and 1 (gelu as graphs write it out, with a rounded sqrt(1/2))"
            }
            Activation::Silu => {
                "x sigmoid(x); slopes in [-0.09983932012886, 1.09983932012886], the derivative turning where x tanh(x/2) = 2, x = -2.39935728052 and 2.39935728052 (Elfwing et al. 2018)"
            }
            Activation::HardSwish => {
                "x min(max(x + 3, 0), 6) / 6; slopes in [-1/2, 3/2], the limits at -3 and 3 (Howard et al. 2019)"
            }
            Activation::Mish => {
                "x tanh(softplus(x)); slopes in [-0.11252612238946, 1.08849816125172], the derivative turning at -2.25637639636 and 1.49057117949 (Misra 2019)"
            }
            Activation::Softsign => {
                "x / (1 + |x|); slopes in [0, 1], 1/(1 + |x|)^2 being largest at 0"
            }
            Activation::LogSigmoid => {
                "ln(sigmoid(x)); slopes in [0, 1], the derivative being sigmoid(-x)"
            }
            Activation::Tanhshrink => "x - tanh(x); slopes in [0, 1], the derivative being tanh^2",
            Activation::Softshrink { .. } => {
                "x - lambda above lambda, x + lambda below -lambda, 0 between; slopes 0 and 1 (torch.nn.Softshrink)"
            }
            Activation::Abs => "|x|; slopes -1 and 1",
            Activation::Atan => "atan(x); slopes in [0, 1], 1/(1 + x^2) being largest at 0",
            Activation::Sin => "sin(x); slopes in [-1, 1]",
            Activation::Cos => "cos(x); slopes in [-1, 1]",
            Activation::Erf => {
                "erf(x); slopes in [0, 2/sqrt(pi)], the derivative 2/sqrt(pi) exp(-x^2) being largest at 0"
            }
            Activation::Clip { .. } => {
                "min(max(x, min), max) with optional limits; slopes 0 and 1 (ONNX Clip)"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ALIASES, Activation};

    #[test]
    fn every_name_is_parsed_and_is_the_one_in_files() {
        for f in Activation::all() {
            assert_eq!(Activation::parse(f.name()).map(|g| g.name()), Some(f.name()));
            assert!(f.validate().is_ok() && !f.describe().is_empty());
            let json = serde_json::to_value(&f).unwrap_or_default();
            assert_eq!(json["type"], f.name());
            assert_eq!(serde_json::from_value::<Activation>(json).ok(), Some(f));
        }
        for (alias, name) in ALIASES {
            assert_eq!(Activation::parse(alias).map(|f| f.name()), Some(name));
        }
        assert_eq!(
            Activation::parse("LeakyReLU"),
            Some(Activation::LeakyRelu { negative_slope: 0.01 })
        );
        assert_eq!(Activation::parse("no such thing"), None);
    }

    #[test]
    fn defaults_and_unknown_fields() {
        let read = |text: &str| serde_json::from_str::<Activation>(text).ok();
        assert_eq!(read(r#"{"type":"elu"}"#), Some(Activation::Elu { alpha: 1.0 }));
        assert_eq!(read(r#"{"type":"elu","alhpa":1}"#), None);
        assert_eq!(read(r#"{"type":"prelu"}"#), None);
    }

    #[test]
    fn parameters_are_checked() {
        let bad = [
            Activation::Celu { alpha: 0.0 },
            Activation::Elu { alpha: f64::NAN },
            Activation::Prelu { slopes: vec![] },
            Activation::HardTanh { min: 1.0, max: 0.0 },
            Activation::Softshrink { lambda: -1.0 },
        ];
        assert!(bad.iter().all(|f| f.validate().is_err()));
    }
}
