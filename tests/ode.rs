//! The example `ode`: the solutions stay within the bound.

#![allow(clippy::expect_used)] // tests fail by panicking

#[path = "../examples/ode.rs"]
#[allow(dead_code)]
mod ode;

#[test]
fn solutions_part_no_faster_than_the_bounds_say() {
    let f = ode::pendulum().expect("a network");
    let constants = ode::constants(&f).expect("bounds");
    let [k_star, k_sdp, l] = constants;
    assert!(l < k_sdp && k_sdp < k_star, "{constants:?}");
    let distances = ode::distances(&f, 5, 200);
    // The error of the integration, from twice as many steps, is no matter here.
    for (a, b) in distances.iter().zip(ode::distances(&f, 5, 400)) {
        assert!((a - b).abs() <= 1e-4 * a, "{a} {b}");
    }
    for (t, distance) in distances.iter().enumerate().skip(1) {
        let bound = (l * t as f64).exp() * distances[0];
        assert!(*distance <= 0.99 * bound, "{t}: {distance} {bound}");
    }
    // They do part.
    assert!(distances[3] > 4.0 * distances[0], "{distances:?}");
}

#[test]
fn the_network_is_the_pendulum_that_it_says() {
    let f = ode::pendulum().expect("a network");
    for i in -6..=6 {
        for j in -4..=4 {
            let (angle, velocity) = (f64::from(i) / 2.0, f64::from(j) / 2.0);
            let value = f.outputs_at(&[angle, velocity].map(lipbound::numeric::Interval::point));
            let error = (value[0].midpoint() - velocity)
                .hypot(value[1].midpoint() + angle.sin() + 0.2 * velocity);
            assert!(error <= 0.05, "{angle} {velocity}: {error}");
        }
    }
}
