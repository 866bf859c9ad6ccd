//! The checks of supervisors and pools catch what is broken.

use retake_otp::invariants::{Violation, pool, tree_at_rest};
use retake_otp::pool::{PoolConfig, PoolRef};
use retake_otp::supervisor::{ChildSpec, Strategy, SupervisorRef, SupervisorSpec};
use retake_sim::Sim;

fn numbers(violations: &[Violation]) -> Vec<u32> {
    violations
        .iter()
        .map(|violation| violation.invariant)
        .collect()
}

struct Idler;
#[retake::simulated]
impl ractor::Actor for Idler {
    type Msg = ();
    type State = ();
    type Arguments = ();
    async fn pre_start(
        &self,
        _: ractor::ActorRef<()>,
        (): (),
    ) -> Result<(), ractor::ActorProcessingErr> {
        Ok(())
    }
}

#[test]
fn mutants_of_the_pool_are_caught() {
    let run = Sim::new().run(|| async {
        let config = PoolConfig {
            size: 2,
            max_overflow: 1,
            ..PoolConfig::default()
        };
        let started = PoolRef::start("pool", config.clone(), |_| (Idler, ()));
        let good = started.await.unwrap().status().await.unwrap();
        assert_eq!(pool(&config, &good), []);
        let mut lost = good;
        lost.idle -= 1;
        assert_eq!(numbers(&pool(&config, &lost)), [15]);
        let mut kept = good;
        (kept.idle, kept.overflow) = (3, 1);
        assert_eq!(numbers(&pool(&config, &kept)), [19]);
        let mut many = good;
        (many.idle, many.leased, many.overflow) = (0, 4, 2);
        assert_eq!(numbers(&pool(&config, &many)), [15]);
        let bounded = PoolConfig {
            max_waiting: Some(3),
            ..config.clone()
        };
        let mut crowded = good;
        crowded.waiting_max = 4;
        assert_eq!(numbers(&pool(&bounded, &crowded)), [12]);
        // A worker was restarted, and those who wait were not notified.
        let mut asleep = good;
        (asleep.idle, asleep.leased, asleep.waiting) = (1, 1, 2);
        assert_eq!(numbers(&pool(&config, &asleep)), [20]);
    });
    run.expect_passed();
}

#[test]
fn a_permanent_child_that_does_not_run_is_caught() {
    let run = Sim::new().run(|| async {
        let below = || {
            SupervisorSpec::new(Strategy::OneForOne).child(ChildSpec::new("idler", || (Idler, ())))
        };
        let spec = SupervisorSpec::new(Strategy::OneForOne);
        let spec = spec.child(ChildSpec::supervisor("below", below));
        let root = SupervisorRef::start(None, spec).await.unwrap();
        assert_eq!(tree_at_rest(&root.tree().await.unwrap()), []);
        let below = retake::where_is("below").unwrap();
        let below = SupervisorRef::from(ractor::ActorRef::from(below));
        below.terminate_child("idler").await.unwrap();
        let found = tree_at_rest(&root.tree().await.unwrap());
        assert_eq!(found[0].to_string(), "invariant 8: `idler` does not run");
    });
    run.expect_passed();
}
