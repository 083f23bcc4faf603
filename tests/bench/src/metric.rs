//! One figure: a ratio, its interval, its floor, and what both sides were.

use serde::{Serialize, Serializer};

use crate::harness::{self, Estimate};

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    /// More is better; the floor is the least.
    Higher,
    /// Less is better; the floor is the most.
    Lower,
}

/// One figure, as it is printed and written.
#[derive(Debug, Serialize)]
pub(crate) struct Metric {
    /// `M1`, `M2`, …; what has no number in the design has a word behind the number it belongs to.
    pub(crate) name: &'static str,
    /// The median of the rounds.
    pub(crate) ratio: f64,
    /// Where the median lies with 95 % confidence.
    #[serde(serialize_with = "as_pair")]
    pub(crate) interval: (f64, f64),
    /// What issue 2 wants; `None` for a figure that only explains another.
    pub(crate) floor: Option<f64>,
    /// Which way is good.
    pub(crate) better: Better,
    /// What ours was, with its absolute figure.
    pub(crate) ours: String,
    /// What it was measured against, with its absolute figure.
    pub(crate) reference: String,
    /// The smallest ratio of all rounds.
    pub(crate) min: f64,
    /// How many rounds.
    pub(crate) rounds: usize,
}

/// What is known of a metric before it is measured.
pub(crate) struct Question {
    pub(crate) name: &'static str,
    pub(crate) floor: Option<f64>,
    pub(crate) better: Better,
    pub(crate) ours: String,
    pub(crate) reference: String,
}

/// Whether a metric of this name is wanted.
pub(crate) type Wanted<'a> = &'a dyn Fn(&str) -> bool;
/// Where a metric goes as soon as it is measured.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(Metric) -> anyhow::Result<()>;

impl Question {
    /// The answer, from one ratio per round.
    pub(crate) fn answer(self, ratios: Vec<f64>) -> Metric {
        let rounds = ratios.len();
        let Estimate { median, min, interval } = harness::estimate(ratios);
        let Self { name, floor, better, ours, reference } = self;
        Metric { name, ratio: median, interval, floor, better, ours, reference, min, rounds }
    }
}

impl Metric {
    /// Whether the median keeps the floor. `None` where there is none.
    pub(crate) fn is_met(&self) -> Option<bool> {
        self.floor.map(|floor| match self.better {
            Better::Higher => self.ratio >= floor,
            Better::Lower => self.ratio <= floor,
        })
    }
}

/// The median of one arm over all rounds.
pub(crate) fn typical<const N: usize>(rounds: &[[f64; N]], arm: impl Fn(&[f64; N]) -> f64) -> f64 {
    harness::median(rounds.iter().map(arm).collect())
}

fn as_pair<S: Serializer>(pair: &(f64, f64), serializer: S) -> Result<S::Ok, S::Error> {
    [pair.0, pair.1].serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_is_kept_at_the_floor() {
        let check = |ratio, floor, better, met| {
            let (ours, reference) = (String::new(), String::new());
            let metric = Question { name: "M0", floor, better, ours, reference }.answer(vec![ratio]);
            assert_eq!(metric.is_met(), met);
        };
        check(0.7, Some(0.7), Better::Higher, Some(true));
        check(0.69, Some(0.7), Better::Higher, Some(false));
        check(1.5, Some(1.5), Better::Lower, Some(true));
        check(1.51, Some(1.5), Better::Lower, Some(false));
        check(1.0, None, Better::Lower, None);
    }

    #[test]
    fn a_line_holds_what_issue_2_asks_for() {
        let question = Question {
            name: "M1",
            floor: Some(0.7),
            better: Better::Higher,
            ours: "a".to_owned(),
            reference: "b".to_owned(),
        };
        let line = serde_json::to_string(&question.answer(vec![0.5])).unwrap();
        assert!(line.starts_with(
            r#"{"name":"M1","ratio":0.5,"interval":[0.5,0.5],"floor":0.7,"better":"higher","ours":"a","reference":"b""#
        ));
    }
}
