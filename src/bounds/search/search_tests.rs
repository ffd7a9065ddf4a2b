use super::*;

/// A problem whose parts are numbers; what becomes of each is given.
struct Given(fn(u32) -> Split<u32>);

impl Tree for Given {
    type Node = u32;

    fn split(&self, node: &u32, _: f64) -> Split<u32> {
        self.0(*node)
    }

    fn bytes(&self, _: &u32) -> usize {
        1000
    }
}

fn given(open: &[(f64, u32)], settled: f64, found: f64) -> Split<u32> {
    Split { open: open.to_vec(), settled, found }
}

fn search(tree: fn(u32) -> Split<u32>, roots: Split<u32>, options: &Options) -> Outcome {
    best_first(&Given(tree), roots, options, &options.stop, (ROOM, f64::INFINITY), say)
}

fn say(_: &Outcome) -> String {
    "so far".to_owned()
}

/// Room for 50 parts that wait.
const ROOM: f64 = SLACK * 50_000.0;

#[test]
fn what_is_left_out_is_part_of_the_bound() {
    // The second part is within the tolerance of what is known, so it is not split, but its bound stays.
    let near = 1.0 + 1e-10;
    let roots = given(&[(2.0, 0), (near, 1)], 0.0, 1.0);
    let outcome = search(|_| given(&[], 0.5, 0.0), roots, &Options::default());
    let Outcome { lower, upper, nodes, open, .. } = outcome;
    assert_eq!((lower, upper, nodes, open), (1.0, near, 1, 0));
}

#[test]
fn parts_are_no_larger_than_the_whole() {
    // A search that is stopped after one part: the bounds of its parts, 5 and 3, are above its own, which is 2.
    let options = Options { node_limit: 1, ..Options::default() };
    let split = |_| given(&[(5.0, 1)], 3.0, 1.5);
    let Outcome { lower, upper, nodes, open, .. } =
        search(split, given(&[(2.0, 0)], 0.0, 1.0), &options);
    assert_eq!((lower, upper, nodes, open), (1.5, 2.0, 1, 1));
}

#[test]
fn a_search_ends_when_its_time_is_over() {
    let limited = |limit| Options { stop: Stop::default().within(limit), ..Options::default() };
    let found = |options: &Options| {
        search(|_| given(&[], 1.25, 1.25), given(&[(2.0, 0)], 0.0, 1.0), options)
    };
    let ended = found(&limited(Duration::from_secs(3600)));
    assert_eq!((ended.lower, ended.upper, ended.nodes, ended.open), (1.25, 1.25, 1, 0));
    let stopped = found(&limited(Duration::ZERO));
    assert_eq!((stopped.lower, stopped.upper, stopped.nodes, stopped.open), (1.0, 2.0, 0, 1));
    let certificate = stopped.certificate("k", Norm::Linf, (1.0, 2.0), &Options::default());
    assert_eq!((certificate.lower, certificate.upper), (Some(1.0), 2.0));
    assert_eq!(certificate.guarantee, Guarantee::Enclosure);
}

#[test]
fn a_search_ends_when_there_is_no_room_for_its_parts() {
    // A part is 1000 bytes. Each of at most 32 leaves two: 1, 2, 4, 8, 16 and 32 parts wait, and 64 are too many.
    let two = |_| given(&[(2.0, 0), (2.0, 0)], 0.0, 0.0);
    let Outcome { lower, upper, nodes, open, full, .. } =
        search(two, given(&[(2.0, 0)], 0.0, 1.0), &Options::default());
    assert_eq!((lower, upper, nodes, open, full), (1.0, 2.0, 63, 64, true));
    // As many parts that are each done with fit.
    let done = given(&[(2.0, 0); 50], 0.0, 1.0);
    let outcome = search(|_| given(&[], 0.5, 0.5), done, &Options::default());
    assert_eq!((outcome.nodes, outcome.open, outcome.full), (50, 0, false));
}

#[test]
fn a_search_is_over_where_it_meets_what_is_known() {
    // Nothing is above 1.5, which is found in the first of many parts.
    let split = |_| given(&[(2.0, 0); 2], 0.0, 1.5);
    let (options, limits) = (Options::default(), (ROOM, 1.5));
    let roots = given(&[(2.0, 0)], 0.0, 1.0);
    let outcome = best_first(&Given(split), roots, &options, &options.stop, limits, say);
    assert_eq!((outcome.lower, outcome.upper, outcome.nodes, outcome.open), (1.5, 1.5, 1, 0));
}
