//! A logarithmic axis.

/// An axis from `low` to `high`, which lie at the given places of the picture.
#[derive(Debug, Clone, Copy)]
pub struct LogAxis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

/// A mark on an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Where it stands.
    pub place: f64,
    /// Its number, where it has one.
    pub label: Option<String>,
}

impl LogAxis {
    /// An axis on which all positive finite `values` lie, with a little room around them. `None` where
    /// there is none.
    pub fn around(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Option<LogAxis> {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|x| x.is_finite() && *x > 0.0) {
            low = low.min(value.log10());
            high = high.max(value.log10());
        }
        if !low.is_finite() {
            return None;
        }
        let room = ((high - low) * 0.06).max(0.05);
        Some(LogAxis { low: low - room, high: high + room, from, to })
    }

    /// The place of a value; values beyond the axis are at its ends.
    pub fn place(&self, value: f64) -> f64 {
        let log = if value > 0.0 { value.log10().clamp(self.low, self.high) } else { self.low };
        self.from + (log - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// The marks: those with a number, and those between.
    pub fn ticks(&self) -> Vec<Tick> {
        let span = self.high - self.low;
        // With less than a decade or two, the numbers between the powers of ten are needed, too.
        let labelled: &[u32] = match span {
            s if s < 0.35 => return self.fine(),
            s if s < 0.8 => &[1, 2, 3, 4, 5, 6, 7, 8, 9],
            s if s < 1.3 => &[1, 2, 3, 5],
            s if s < 2.2 => &[1, 2, 5],
            _ => &[1],
        };
        // Labels of decades stay apart.
        let every = (span / 8.0).ceil().max(1.0) as i32;
        let mut ticks = Vec::new();
        for decade in self.low.floor() as i32..=self.high.ceil() as i32 {
            for digit in 1..=9u32 {
                let log = f64::from(decade) + f64::from(digit).log10();
                let is_inside = (self.low..=self.high).contains(&log);
                if !is_inside || (digit > 1 && span > 12.0) {
                    continue;
                }
                let shown = labelled.contains(&digit) && decade.rem_euclid(every) == 0;
                let label = shown.then(|| number(digit, decade));
                ticks.push(Tick { place: self.place(10f64.powf(log)), label });
            }
        }
        ticks
    }

    /// Marks at equal steps, where the axis is so short that it is nearly linear.
    fn fine(&self) -> Vec<Tick> {
        let (low, high) = (10f64.powf(self.low), 10f64.powf(self.high));
        let rough = (high - low) / 7.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
        let step = step.into_iter().find(|&step| step >= rough).unwrap_or(power);
        let digits = usize::try_from(-(step.log10().floor() as i32)).unwrap_or(0);
        let mut ticks = Vec::new();
        let mut index = (low / step).ceil();
        while index * step <= high && ticks.len() < 20 {
            let value = index * step;
            let label =
                if value < 1e7 { format!("{value:.digits$}") } else { format!("{value:e}") };
            ticks.push(Tick { place: self.place(value), label: Some(label) });
            index += 1.0;
        }
        ticks
    }
}

/// `digit * 10^decade`, short.
fn number(digit: u32, decade: i32) -> String {
    match decade {
        0..=4 => format!("{digit}{}", "0".repeat(decade.unsigned_abs() as usize)),
        -3..=-1 => format!("0.{}{digit}", "0".repeat(decade.unsigned_abs() as usize - 1)),
        _ => format!("{digit}e{decade}"),
    }
}

#[cfg(test)]
mod tests {
    use super::LogAxis;

    fn labels(values: &[f64]) -> Vec<String> {
        let axis = LogAxis::around(values.iter().copied(), 0.0, 100.0).expect("an axis");
        axis.ticks().into_iter().filter_map(|tick| tick.label).collect()
    }

    #[test]
    fn marks_fit_the_range() {
        assert_eq!(labels(&[0.05, 3e4]), ["0.1", "1", "10", "100", "1000", "10000"]);
        assert_eq!(labels(&[7.0, 60.0]), ["10", "20", "30", "50"]);
        assert_eq!(labels(&[20.0, 1000.0]), ["20", "50", "100", "200", "500", "1000"]);
        assert_eq!(labels(&[1.5, 1.75]), ["1.4", "1.5", "1.6", "1.7", "1.8", "1.9"]);
        assert_eq!(
            labels(&[1.0, 0.2]),
            ["0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1"]
        );
        assert_eq!(labels(&[1e-300, 1e300]).len(), 9);
        assert_eq!(labels(&[1.0]).len(), 5);
        assert_eq!(labels(&[0.0, 5.0, f64::INFINITY]), labels(&[5.0]));
        assert!(LogAxis::around([0.0].into_iter(), 0.0, 1.0).is_none());
    }

    #[test]
    fn places_are_within_the_axis() {
        let axis = LogAxis::around([1.0, 100.0].into_iter(), 0.0, 100.0).expect("an axis");
        assert!((axis.place(10.0) - 50.0).abs() < 1e-9);
        assert_eq!((axis.place(0.0), axis.place(f64::INFINITY)), (0.0, 100.0));
    }
}
