//! Cases that `retake explore` has saved, as tests.

use std::path::Path;

use retake_cli::CheckSavedError;
use retake_sim::explore::Case;
use retake_workloads::program;

use crate::command::Folder;

/// Cases as they have to pass: the programs of the zoo without the bugs that they have on
/// purpose, and no canaries, which fail for ever.
fn mended(saved: &Path) -> Folder {
    let mended = Folder::new();
    let folders = std::fs::read_dir(saved).into_iter().flatten();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    for (number, file) in files.enumerate() {
        let mut case = Case::load(&file.unwrap().path()).unwrap();
        if case.scenario.starts_with("canary/") {
            continue;
        }
        if let Some(program) = case.scenario.strip_suffix("/buggy") {
            case.scenario = format!("{program}/fixed");
        }
        case.save(&mended.at(&format!("{number}.json"))).unwrap();
    }
    mended
}

#[test]
fn what_retake_explore_has_found_in_this_repository_is_mended() {
    let folder = Folder::new();
    folder.run("explore zoo/raft/buggy --seeds 0..200").ends(1);
    let saved = folder.at("retake-cases");
    let error = program().check_saved(&saved).unwrap_err();
    assert!(matches!(error, CheckSavedError::Failed(_)), "{error}");
    assert_eq!(program().check_saved(mended(&saved).path()).unwrap(), 1);
    // And what a developer has found here.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../retake-cases");
    program().check_saved(mended(&root).path()).unwrap();
}

#[test]
fn a_socket_of_the_system_in_a_simulation_says_what_to_use_instead() {
    let run = retake_sim::Sim::new().run(|| async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        assert!(listener.is_ok());
    });
    let outcome = run.outcome.to_string();
    assert!(
        outcome.contains("use those of `retake_sim::net`"),
        "{outcome}"
    );
}
