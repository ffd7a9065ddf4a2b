//! The loop: change a file, read it, keep what leads somewhere new.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::execute::{CONSTANT, Outcome, Reader, execute, save};
use crate::mutate::Source;
use crate::structured::Mutation;

/// A reader that takes longer than this has to be stopped from outside.
const HANGS: Duration = Duration::from_secs(60);

/// Files that lead to a new message are kept, up to this number.
const KEPT: usize = 500;

/// Longer inputs only take longer.
const LONGEST: usize = 20_000;

/// A reader and how its files are changed.
pub struct Target<'a> {
    pub reader: Reader,
    pub corpus: Vec<Vec<u8>>,
    pub tokens: &'a [&'a [u8]],
    pub mutation: Mutation,
}

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs a target for its time.
pub fn run(target: &Target<'_>) {
    let mut count = 0u64;
    run_with(target, |bytes| {
        count += 1;
        execute(&target.reader, bytes, count.is_multiple_of(16))
    });
}

/// As [`run`], for a target that is executed in a way of its own.
pub fn run_with(target: &Target<'_>, mut execute: impl FnMut(&[u8]) -> Result<Outcome, String>) {
    let seed = number("LIPBOUND_FUZZ_SEED", 1);
    let time = Duration::from_secs(number("LIPBOUND_FUZZ_SECONDS", 3));
    let watch = Watch::start(target.reader.file);
    let mut run = Run { watch: &watch, kinds: HashSet::new(), total: Total::default() };
    for bytes in &target.corpus {
        run.one(target, bytes, &mut execute);
    }
    // Keras files are only told apart.
    let readable = run.total.read == target.corpus.len() || target.reader.file == "m.keras";
    assert!(readable, "the files to begin with cannot be read: {:?}", run.kinds);
    let mut corpus = target.corpus.clone();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let begin = Instant::now();
    while begin.elapsed() < time {
        let mut source = Source { rng: &mut rng, corpus: &corpus, tokens: target.tokens };
        // Half of the changes are of files that can be read.
        let readable = source.one_in(2);
        let index = source.below(if readable { target.corpus.len() } else { corpus.len() });
        let mut bytes = corpus[index].clone();
        let more = if source.one_in(4) { source.below(4) } else { 0 };
        for _ in 0..=more {
            (target.mutation)(&mut bytes, &mut source);
        }
        bytes.truncate(LONGEST);
        if run.one(target, &bytes, &mut execute) && corpus.len() < target.corpus.len() + KEPT {
            corpus.push(bytes);
        }
    }
    let Total { count, read, peak, ratio } = run.total;
    println!(
        "{}: {count} inputs, {read} read, {} kinds of messages, at most {peak} bytes held, {ratio:.1} per byte beyond {CONSTANT} (LIPBOUND_FUZZ_SEED={seed})",
        target.reader.file,
        run.kinds.len()
    );
}

/// What is counted.
#[derive(Default)]
struct Total {
    count: usize,
    read: usize,
    peak: usize,
    ratio: f64,
}

struct Run<'a> {
    watch: &'a Watch,
    kinds: HashSet<String>,
    total: Total,
}

impl Run<'_> {
    /// Executes one input; whether it led to something new.
    fn one(
        &mut self,
        target: &Target<'_>,
        bytes: &[u8],
        execute: &mut impl FnMut(&[u8]) -> Result<Outcome, String>,
    ) -> bool {
        self.watch.begin(bytes);
        let outcome = execute(bytes);
        self.watch.end();
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(problem) => {
                let path = save(target.reader.file, bytes);
                panic!("{problem}\nThe input is {}", path.display());
            }
        };
        self.total.count += 1;
        self.total.peak = self.total.peak.max(outcome.peak);
        let beyond = outcome.peak.saturating_sub(CONSTANT);
        self.total.ratio = self.total.ratio.max(beyond as f64 / outcome.measure.max(1) as f64);
        match outcome.kind {
            Some(kind) => self.kinds.insert(kind),
            None => {
                self.total.read += 1;
                self.total.read.is_multiple_of(20)
            }
        }
    }
}

/// Ends the program when an input takes very long, and says which.
struct Watch {
    begin: Instant,
    /// When the input began, in milliseconds after `begin`, or `u64::MAX` between inputs.
    since: Arc<AtomicU64>,
    current: Arc<Mutex<Vec<u8>>>,
}

impl Watch {
    fn start(file: &'static str) -> Watch {
        let watch = Watch {
            begin: Instant::now(),
            since: Arc::new(AtomicU64::new(u64::MAX)),
            current: Arc::default(),
        };
        let (begin, since, current) =
            (watch.begin, Arc::downgrade(&watch.since), watch.current.clone());
        std::thread::spawn(move || {
            while let Some(since) = since.upgrade() {
                let now = begin.elapsed().as_millis() as u64;
                let spent = now.saturating_sub(since.load(Ordering::SeqCst));
                if spent > HANGS.as_millis() as u64 {
                    stop(file, &current);
                }
                drop(since);
                std::thread::sleep(Duration::from_millis(500));
            }
        });
        watch
    }

    fn begin(&self, bytes: &[u8]) {
        if let Ok(mut current) = self.current.lock() {
            current.clear();
            current.extend_from_slice(bytes);
        }
        self.since.store(self.begin.elapsed().as_millis() as u64, Ordering::SeqCst);
    }

    fn end(&self) {
        self.since.store(u64::MAX, Ordering::SeqCst);
    }
}

fn stop(file: &str, current: &Mutex<Vec<u8>>) {
    if let Ok(bytes) = current.lock() {
        println!("{file}: a reader hangs. The input is {}", save(file, &bytes).display());
    }
    std::process::abort();
}
