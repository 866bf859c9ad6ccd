//! Programs may have a panic hook of their own. In a program of its own, because the hook is
//! the process's.

use retake_sim::Sim;

#[test]
fn a_test_that_replaces_the_panic_hook_takes_no_place_away() {
    let fail = || Sim::new().run(|| async { panic!("again") });
    let before = fail().outcome;
    for _ in 0..3 {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        assert_eq!(fail().outcome, before);
        std::panic::set_hook(hook);
        assert_eq!(fail().outcome, before);
    }
}
