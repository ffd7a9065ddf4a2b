//! Networks with random weights, from fixed seeds.

use std::sync::Arc;

use lipbound::network::layers::add::Add;
use lipbound::network::layers::batch_norm::BatchNorm;
use lipbound::network::layers::conv::{Conv, Geometry};
use lipbound::network::layers::dense::Dense;
use lipbound::network::layers::flatten::Flatten;
use lipbound::network::layers::pool::{Kind, Pool};
use lipbound::network::layers::window::{Parameters, PerAxis};
use lipbound::network::{Activation, Layer, Network, Node};
use ndarray::{Array1, Array2, ArrayD};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A network of dense layers with ReLU between them; `widths` from the input to the output.
pub fn dense(widths: &[usize]) -> Network {
    let mut stack = Stack::new(vec![widths[0]]);
    for (r, pair) in widths.windows(2).enumerate() {
        if r > 0 {
            stack.push("relu", Arc::new(Activation::Relu));
        }
        stack.dense(pair[0], pair[1]);
    }
    stack.finish("dense")
}

/// Convolutions 3x3 with ReLU on images of `size` x `size`; `channels` from the input to the last
/// convolution, which is followed by a dense layer with ten outputs.
pub fn convolutional(channels: &[usize], size: usize) -> Network {
    let mut stack = Stack::new(vec![channels[0], size, size]);
    for pair in channels.windows(2) {
        stack.conv(pair[0], pair[1], 3, 1);
        stack.push("relu", Arc::new(Activation::Relu));
    }
    stack.push("flatten", Arc::new(Flatten));
    stack.dense(channels[channels.len() - 1] * size * size, 10);
    stack.finish("convolutional")
}

/// The layers of VGG-16 for images of 3 x 32 x 32: K. Simonyan and A. Zisserman, "Very deep convolutional
/// networks for large-scale image recognition", ICLR 2015, table 1, column D, with dense layers of 512.
pub fn vgg16() -> Network {
    let mut stack = Stack::new(vec![3, 32, 32]);
    let mut inputs = 3;
    for (channels, repeats) in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)] {
        for _ in 0..repeats {
            stack.conv(inputs, channels, 3, 1);
            stack.push("relu", Arc::new(Activation::Relu));
            inputs = channels;
        }
        let halves = Parameters {
            kernel: &[2, 2],
            stride: Some(&PerAxis::All(2)),
            dilation: None,
            padding: None,
        };
        let pool = Pool::new(Kind::Max, &halves, false, true).expect("a pooling");
        stack.push("pool", Arc::new(pool));
    }
    stack.push("flatten", Arc::new(Flatten));
    for outputs in [512, 512] {
        stack.dense(512, outputs);
        stack.push("relu", Arc::new(Activation::Relu));
    }
    stack.dense(512, 10);
    stack.finish("vgg16")
}

/// The layers of ResNet-18 for images of 3 x 32 x 32: K. He et al., "Deep residual learning for image
/// recognition", CVPR 2016, table 1, with a first convolution 3x3 of stride 1 and no first pooling, as
/// is usual for images of this size.
pub fn resnet18() -> Network {
    let mut stack = Stack::new(vec![3, 32, 32]);
    stack.conv(3, 64, 3, 1);
    stack.norm(64);
    stack.push("relu", Arc::new(Activation::Relu));
    let mut inputs = 64;
    for (channels, first_stride) in [(64, 1), (128, 2), (256, 2), (512, 2)] {
        for stride in [first_stride, 1] {
            stack.residual(inputs, channels, stride);
            inputs = channels;
        }
    }
    let all = Parameters { kernel: &[4, 4], stride: None, dilation: None, padding: None };
    let pool = Pool::new(Kind::Average, &all, false, true).expect("a pooling");
    stack.push("pool", Arc::new(pool));
    stack.push("flatten", Arc::new(Flatten));
    stack.dense(512, 10);
    stack.finish("resnet18")
}

/// Layers on top of each other, with shortcuts.
struct Stack {
    input_shape: Vec<usize>,
    nodes: Vec<Node>,
    rng: ChaCha8Rng,
}

impl Stack {
    fn new(input_shape: Vec<usize>) -> Stack {
        Stack { input_shape, nodes: Vec::new(), rng: ChaCha8Rng::seed_from_u64(7) }
    }

    /// Adds a layer behind the last one.
    fn push(&mut self, name: &str, layer: Arc<dyn Layer>) {
        self.node(name, layer, vec![self.nodes.len()]);
    }

    fn node(&mut self, name: &str, layer: Arc<dyn Layer>, inputs: Vec<usize>) {
        let name = format!("{name} {}", self.nodes.len());
        self.nodes.push(Node::new(name, layer, inputs));
    }

    /// Uniform weights of variance `1 / terms`.
    fn weights(&mut self, shape: &[usize], terms: usize) -> ArrayD<f64> {
        let scale = (3.0 / terms as f64).sqrt();
        let count = shape.iter().product();
        let values = (0..count).map(|_| self.rng.random_range(-scale..scale)).collect();
        ArrayD::from_shape_vec(shape, values).expect("as many as the shape has")
    }

    fn dense(&mut self, inputs: usize, outputs: usize) {
        let weight = self.weights(&[outputs, inputs], inputs).into_raw_vec_and_offset().0;
        let weight = Array2::from_shape_vec((outputs, inputs), weight).expect("a matrix");
        let layer = Dense::new(weight, Array1::zeros(outputs)).expect("finite weights");
        self.push("dense", Arc::new(layer));
    }

    fn convolution(&mut self, inputs: usize, outputs: usize, taps: usize, stride: usize) -> Conv {
        let weight = self.weights(&[outputs, inputs, taps, taps], inputs * taps * taps);
        let geometry = Geometry {
            stride: Some(PerAxis::All(stride)),
            padding: Some(PerAxis::All(taps / 2)),
            dilation: None,
            groups: 1,
        };
        Conv::new(2, weight, None, &geometry).expect("a convolution")
    }

    fn conv(&mut self, inputs: usize, outputs: usize, taps: usize, stride: usize) {
        let layer = self.convolution(inputs, outputs, taps, stride);
        self.push("conv", Arc::new(layer));
    }

    /// A batch normalisation that scales the channels by different factors near 1.
    fn norm(&mut self, channels: usize) {
        let mut positive = || {
            let values = (0..channels).map(|_| self.rng.random_range(0.5..1.5)).collect();
            ArrayD::from_shape_vec(vec![channels], values).expect("one for each channel")
        };
        let (weight, variance) = (positive(), positive());
        let mean = ArrayD::zeros(vec![channels]);
        let layer = BatchNorm::new(Some(weight), None, mean, variance, 1e-5).expect("a norm");
        self.push("norm", Arc::new(layer));
    }

    /// Two convolutions with a shortcut, which is a convolution 1x1 where the shape changes.
    fn residual(&mut self, inputs: usize, channels: usize, stride: usize) {
        let start = self.nodes.len();
        self.conv(inputs, channels, 3, stride);
        self.norm(channels);
        self.push("relu", Arc::new(Activation::Relu));
        self.conv(channels, channels, 3, 1);
        self.norm(channels);
        let branch = self.nodes.len();
        let shortcut = if stride == 1 && inputs == channels {
            start
        } else {
            let layer = self.convolution(inputs, channels, 1, stride);
            self.node("shortcut", Arc::new(layer), vec![start]);
            self.norm(channels);
            self.nodes.len()
        };
        let sum = Add::new(Vec::new()).expect("no signs");
        self.node("add", Arc::new(sum), vec![branch, shortcut]);
        self.push("relu", Arc::new(Activation::Relu));
    }

    fn finish(self, name: &str) -> Network {
        let Stack { input_shape, nodes, .. } = self;
        let network = Network {
            name: name.into(),
            input_shape,
            nodes,
            assumed: Vec::new(),
            notes: Vec::new(),
        };
        network.shapes().expect("shapes that fit");
        network
    }
}
