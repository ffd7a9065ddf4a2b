//! Operators of ONNX that are not translated: why, and what would help.

/// Operators that cannot be bounded, with the reason and what to do.
#[rustfmt::skip] // one line for each operator
pub const REFUSED: &[(&str, &str)] = &[
    ("Pow", "a power has no finite slope on the whole real line; use another activation"),
    ("Exp", "the exponential has no finite slope on the whole real line; use another activation"),
    ("Log", "the logarithm has no finite slope on the whole real line; use another activation"),
    ("Sqrt", "the square root has no finite slope at 0"),
    ("Reciprocal", "the reciprocal has no finite slope at 0"),
    ("Tan", "the tangent has no finite slope on the whole real line"),
    ("LayerNormalization", "layer normalisation divides by a value that depends on the input; no finite global bound is known to this program"),
    ("InstanceNormalization", "instance normalisation divides by a value that depends on the input; train with batch normalisation instead"),
    ("GroupNormalization", "group normalisation divides by a value that depends on the input; train with batch normalisation instead"),
    ("RMSNormalization", "the normalisation divides by a value that depends on the input"),
    ("LpNormalization", "the normalisation divides by a value that depends on the input"),
    ("LRN", "local response normalisation divides by a value that depends on the input"),
    ("MeanVarianceNormalization", "the normalisation divides by a value that depends on the input"),
    ("Attention", "attention multiplies values that depend on the input; it has no finite global bound"),
    ("LSTM", "recurrent layers are not supported"),
    ("GRU", "recurrent layers are not supported"),
    ("RNN", "recurrent layers are not supported"),
    ("If", "control flow is not supported; export the model with fixed shapes, or simplify it with onnxsim"),
    ("Loop", "control flow is not supported; export the model with fixed shapes, or simplify it with onnxsim"),
    ("Scan", "control flow is not supported; export the model with fixed shapes, or simplify it with onnxsim"),
    ("ArgMax", "the index of the largest value is not continuous; export the model without it"),
    ("QuantizeLinear", "rounding to integers is not continuous; export the model before quantisation"),
    ("DequantizeLinear", "quantised models are not supported; export the model before quantisation"),
    ("Softmax", "softmax inside a network is not supported; replace it, or bound the part before it"),
    ("LogSoftmax", "softmax inside a network is not supported; replace it, or bound the part before it"),
];

/// Operators that jump between branches or repeat a part of the graph: their operands are also what the
/// graphs inside of them take.
pub const CONTROL: [&str; 3] = ["If", "Loop", "Scan"];

/// The other operators of ONNX, so that none is taken for a misspelling.
#[rustfmt::skip] // as many in a line as fit
pub const OTHERS: &[&str] = &[
    "Acos", "Acosh", "AffineGrid", "And", "ArgMin", "Asin", "Asinh", "Atanh", "Bernoulli",
    "BitCast", "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "BlackmanWindow",
    "CastLike", "CausalConvWithState", "Ceil", "CenterCropPad", "Col2Im", "Compress",
    "ConcatFromSequence", "ConvInteger", "Cosh", "CumProd", "CumSum", "DFT", "DeformConv",
    "DepthToSpace", "Det", "DynamicQuantizeLinear", "Einsum", "EyeLike", "Floor", "GatherElements",
    "GatherND", "GlobalLpPool", "GlobalMaxPool", "GreaterOrEqual", "GridSample", "HammingWindow",
    "HannWindow", "Hardmax", "ImageDecoder", "IsInf", "IsNaN", "LessOrEqual", "LinearAttention",
    "LpPool", "MatMulInteger", "MaxRoiPool", "MaxUnpool", "Mean", "MelWeightMatrix", "Mod",
    "Multinomial", "NegativeLogLikelihoodLoss", "NonMaxSuppression", "NonZero", "OneHot",
    "Optional", "OptionalGetElement", "OptionalHasElement", "Or", "QLinearConv", "QLinearMatMul",
    "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "ReduceLogSum",
    "ReduceLogSumExp", "RegexFullMatch", "Resize", "ReverseSequence", "RoiAlign",
    "RotaryEmbedding", "Round", "STFT", "Scatter", "ScatterElements", "ScatterND", "SequenceAt",
    "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert", "SequenceLength",
    "SequenceMap", "Sign", "Sinh", "SoftmaxCrossEntropyLoss", "SpaceToDepth", "SplitToSequence",
    "StringConcat", "StringNormalizer", "StringSplit", "SwiGLU", "TensorScatter", "TfIdfVectorizer",
    "Tile", "TopK", "Trilu", "Unique", "Upsample", "Xor",
];
