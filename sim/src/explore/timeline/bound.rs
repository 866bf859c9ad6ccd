//! Upper bounds of the probability that the next seed shows a new timeline.

/// The share of campaigns for which a bound may be wrong.
const ERROR: f64 = 0.05;
/// How many seed counts there are after which a bound is computed, see [`checks`].
const CHECKS: u64 = 57;
/// Seeds of which a campaign keeps the timelines, and the last check.
pub(super) const SEEDS_MAX: u64 = 1 << 20;

/// The seed counts after which a bound is computed: four for each doubling, 64, 80, 96, 112,
/// 128, 160, … 2^20.
pub(super) fn checks() -> impl Iterator<Item = u64> {
    (0..CHECKS).map(|number| (4 + number % 4) << (4 + number / 4))
}

/// Whether a bound is computed after so many seeds.
pub(super) fn is_check(seeds: u64) -> bool {
    // Three leading bits, from 64 on.
    let is_in_range = (64..=SEEDS_MAX).contains(&seeds);
    is_in_range && seeds.trailing_zeros() + 3 >= u64::BITS - seeds.leading_zeros()
}

/// The upper bound after one of the [`checks`], of which the last `half` seeds, half of all,
/// have shown `new` timelines for the first time. With all checks of a campaign taken together
/// the probability is at least 95 % that all of them are right.
///
/// The probability `p` that the next seed shows a new timeline only falls from seed to seed. So
/// if it is `p` now, each of the last `half` seeds was new with a probability of at least `p`,
/// whatever came before it, and the number of new ones is at least that of a binomial
/// distribution: `p` is too large if that has `new` or fewer with a probability below the
/// error. This is the bound of C. J. Clopper and E. S. Pearson, "The use of confidence or
/// fiducial limits illustrated in the case of the binomial", Biometrika 26, 1934; the error is
/// divided evenly by the number of checks (Bonferroni).
pub(super) fn upper(new: u64, half: u64) -> f64 {
    // The bound of D. McAllester and R. E. Schapire, "On the convergence rate of Good-Turing
    // estimators", COLT 2000, adds some 9 / √seeds to the estimate of Good and Turing: 1 % would
    // take 850,000 seeds instead of 1,536.
    let bound = clopper_pearson(new, half, ERROR / CHECKS as f64);
    // Rounded up: the last digits of logarithms depend on the machine.
    (bound * 1e6).ceil() / 1e6
}

/// The largest `p` with which `trials` trials have `successes` or fewer with a probability of at
/// least `error`.
fn clopper_pearson(successes: u64, trials: u64, error: f64) -> f64 {
    if successes >= trials {
        return 1.0;
    }
    let (mut low, mut high) = (successes as f64 / trials as f64, 1.0);
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        if at_most(successes, trials, middle) >= error {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The probability of `successes` or fewer in `trials` trials of probability `p`, which is at
/// least their share.
fn at_most(successes: u64, trials: u64, p: f64) -> f64 {
    let (k, n) = (successes as f64, trials as f64);
    let combinations = ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k);
    let mut term = (combinations + k * p.ln() + (n - k) * (-p).ln_1p()).exp();
    let mut sum = term;
    // From the largest term down.
    for less in (1..=successes).rev() {
        let k = less as f64;
        term *= k * (1.0 - p) / ((n - k + 1.0) * p);
        sum += term;
        if term < sum * 1e-15 {
            break;
        }
    }
    sum
}

/// The logarithm of n!, by Stirling's series from 16 on: its error is below 1e-10.
fn ln_factorial(n: f64) -> f64 {
    if n < 16.0 {
        return (2..=n as u32).map(f64::from).product::<f64>().ln();
    }
    let series = 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3)) + 1.0 / (1260.0 * n.powi(5));
    (n + 0.5) * n.ln() - n + 0.5 * std::f64::consts::TAU.ln() + series
}

/// The fewest seeds after which the bound can be at most this; none if more would be needed
/// than are ever checked.
pub(super) fn fewest_seeds(probability: f64) -> Option<u64> {
    checks().find(|seeds| upper(0, seeds / 2) <= probability)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_four_a_doubling() {
        let all: Vec<u64> = checks().collect();
        assert_eq!(all[..9], [64, 80, 96, 112, 128, 160, 192, 224, 256]);
        assert_eq!(all.last(), Some(&SEEDS_MAX));
        assert_eq!(all.len() as u64, CHECKS);
        let found: Vec<u64> = (0..=2 * SEEDS_MAX).filter(|it| is_check(*it)).collect();
        assert_eq!(found, all);
    }

    #[test]
    fn the_bound_is_that_of_the_binomial_distribution() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{a} {b}");
        // Without a success it has a closed form.
        for trials in [1, 32, 1000, 500_000] {
            let exact = 1.0 - 0.05_f64.powf(1.0 / trials as f64);
            near(clopper_pearson(0, trials, 0.05), exact);
        }
        // From tables: 95 % upper limits of 1 in 10, 5 in 20, 50 in 100 and 99 in 100.
        for (successes, trials, table) in [
            (1, 10, 0.3941),
            (5, 20, 0.4556),
            (50, 100, 0.5863),
            (99, 100, 0.9995),
        ] {
            let bound = clopper_pearson(successes, trials, 0.05);
            assert!(
                (bound - table).abs() < 1e-4,
                "{successes} {trials}: {bound}"
            );
        }
        assert_eq!(upper(40, 40).to_bits(), 1.0_f64.to_bits());
        near(ln_factorial(20.0), 2_432_902_008_176_640_000_f64.ln());
    }

    #[test]
    fn more_news_or_fewer_seeds_make_a_larger_bound() {
        for half in [32, 500, 100_000] {
            for new in 0..31 {
                assert!(upper(new, half) < upper(new + 1, half));
                assert!(upper(new, 2 * half) < upper(new, half));
            }
        }
    }

    #[test]
    fn the_fewest_seeds_are_those_without_news() {
        assert_eq!(fewest_seeds(0.01), Some(1536));
        assert_eq!(fewest_seeds(0.05), Some(320));
        assert_eq!(fewest_seeds(1.0), Some(64));
        assert_eq!(fewest_seeds(1e-6), None);
    }
}
