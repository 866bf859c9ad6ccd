//! How long something takes, as a distribution.
//!
//! In a simulation, where code takes no time, this is what an operation costs; outside it,
//! how long work that is only pretended lasts.

use std::sync::Arc;
use std::time::Duration;

use rand_distr::{Distribution, Exp1, StandardUniform};

/// How long something takes, as a distribution.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ServiceTime {
    /// As long as the code takes.
    #[default]
    None,
    /// Always this long.
    Fixed(Duration),
    /// Exponentially distributed with this mean.
    Exponential(Duration),
    /// Distributed as something was that was measured.
    Measured(Quantiles),
    /// As long as all of these together.
    Sum(Vec<ServiceTime>),
}

impl ServiceTime {
    /// Draw one.
    #[must_use]
    pub fn draw(&self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Fixed(time) => *time,
            Self::Exponential(mean) => {
                let factor: f64 = Exp1.sample(&mut retake::rng());
                mean.mul_f64(factor)
            }
            Self::Measured(quantiles) => quantiles.at(StandardUniform.sample(&mut retake::rng())),
            Self::Sum(times) => times.iter().map(Self::draw).sum(),
        }
    }

    /// Spend a drawn time. Outside a simulation this is a real sleep.
    pub async fn spend(&self) {
        let time = self.draw();
        if !time.is_zero() {
            retake::sleep(time).await;
        }
    }
}

/// A distribution by its quantiles, straight between two of them.
///
/// ```
/// use std::time::Duration;
///
/// use retake_system::Quantiles;
///
/// let ms = Duration::from_millis;
/// let quantiles = Quantiles::new([(0.0, ms(1)), (0.5, ms(2)), (1.0, ms(10))])?;
/// assert_eq!(quantiles.at(0.5), ms(2));
/// assert_eq!(quantiles.at(0.75), ms(6));
/// # Ok::<(), retake_system::QuantilesError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Quantiles(Arc<[(f64, Duration)]>);

/// Why points are no quantiles.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum QuantilesError {
    /// They have to tell the shortest and the longest time.
    #[error("the first share has to be 0 and the last 1")]
    Ends,
    /// Each has to be above the one before.
    #[error("the share {0} does not come after the one before it")]
    Share(f64),
    /// More of the operations cannot be done in less time.
    #[error("the time at the share {0} is below the one before it")]
    Time(f64),
}

impl Quantiles {
    /// From shares, which ascend from 0 to 1, and the time that so many have at most.
    ///
    /// # Errors
    /// If shares or times do not ascend, or the ends are missing.
    pub fn new(points: impl IntoIterator<Item = (f64, Duration)>) -> Result<Self, QuantilesError> {
        let points: Arc<[_]> = points.into_iter().collect();
        let share_of = |point: Option<&(f64, Duration)>| point.map(|(share, _)| *share);
        if share_of(points.first()) != Some(0.0) || share_of(points.last()) != Some(1.0) {
            return Err(QuantilesError::Ends);
        }
        for pair in points.windows(2) {
            let ((before, shorter), (share, time)) = (pair[0], pair[1]);
            if share.is_nan() || share <= before {
                return Err(QuantilesError::Share(share));
            }
            if time < shorter {
                return Err(QuantilesError::Time(share));
            }
        }
        Ok(Self(points))
    }

    /// The time that this share of them has at most.
    #[must_use]
    pub fn at(&self, share: f64) -> Duration {
        let above = self.0.partition_point(|(known, _)| *known <= share);
        let Some(((known, time), (next, longer))) = above
            .checked_sub(1)
            .and_then(|it| Some((self.0[it], *self.0.get(above)?)))
        else {
            // Outside of 0 to 1.
            let end = if above == 0 {
                self.0.first()
            } else {
                self.0.last()
            };
            return end.map_or(Duration::ZERO, |(_, time)| *time);
        };
        time + (longer - time).mul_f64((share - known) / (next - known))
    }

    /// The mean.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let pieces = self.0.windows(2);
        pieces
            .map(|pair| (pair[0].1 + pair[1].1).mul_f64((pair[1].0 - pair[0].0) / 2.0))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn points_that_do_not_ascend_are_no_quantiles() {
        let of = |points: &[(f64, u32)]| {
            Quantiles::new(points.iter().map(|(share, ms)| (*share, *ms * MS)))
        };
        for points in [
            &[][..],
            &[(0.0, 1)],
            &[(0.1, 1), (1.0, 2)],
            &[(0.0, 1), (0.9, 2)],
        ] {
            assert_eq!(of(points), Err(QuantilesError::Ends), "{points:?}");
        }
        let twice = of(&[(0.0, 1), (0.5, 1), (0.5, 2), (1.0, 3)]);
        assert_eq!(twice, Err(QuantilesError::Share(0.5)));
        let not_a_number = of(&[(0.0, 1), (f64::NAN, 1), (1.0, 3)]);
        assert!(matches!(not_a_number, Err(QuantilesError::Share(_))));
        let shorter = of(&[(0.0, 2), (0.5, 1), (1.0, 3)]);
        assert_eq!(shorter, Err(QuantilesError::Time(0.5)));
    }

    #[test]
    fn a_sum_takes_as_long_as_its_parts() {
        let parts = vec![
            ServiceTime::None,
            ServiceTime::Fixed(MS),
            ServiceTime::Fixed(2 * MS),
        ];
        assert_eq!(ServiceTime::Sum(parts).draw(), 3 * MS);
    }

    #[test]
    fn what_is_drawn_has_the_quantiles_that_were_stated() {
        let points = [(0.0, MS), (0.5, 2 * MS), (0.99, 3 * MS), (1.0, 50 * MS)];
        let quantiles = Quantiles::new(points).unwrap();
        assert_eq!(quantiles.at(0.0), MS);
        assert_eq!(quantiles.at(1.0), 50 * MS);
        assert_eq!((quantiles.at(-1.0), quantiles.at(2.0)), (MS, 50 * MS));
        let mean = quantiles.mean();
        let time = ServiceTime::Measured(quantiles);
        let mut drawn: Vec<Duration> = (0..100_000).map(|_| time.draw()).collect();
        drawn.sort_unstable();
        let is_near = |drawn: Duration, stated: Duration| {
            (drawn.as_secs_f64() / stated.as_secs_f64() - 1.0).abs() < 0.05
        };
        assert!(is_near(drawn[50_000], 2 * MS), "{:?}", drawn[50_000]);
        assert!(is_near(drawn[98_900], 3 * MS), "{:?}", drawn[98_900]);
        let drawn_mean = drawn.iter().sum::<Duration>() / 100_000;
        assert!(is_near(drawn_mean, mean), "{drawn_mean:?} {mean:?}");
    }
}
