//! Saved cases: what they keep, and those of earlier versions.

use std::path::Path;

use retake_sim::explore::{Case, Explorer, FailureKind, signature};
use retake_sim::strategy::Hold;
use retake_sim::{OutcomeKind, Strategy, Watch};
use serde_json::{Value, json};

use super::external::put_and_take;
use super::{found, shrunk};

fn a_case() -> Case {
    let explorer = Explorer::new("race").seeds(0..50);
    shrunk(&found(&explorer, put_and_take), put_and_take)
}

fn load(path: &Path, fields: &Value) -> Result<Case, String> {
    std::fs::write(path, fields.to_string()).unwrap();
    Case::load(path).map_err(|error| error.to_string())
}

#[test]
fn a_case_keeps_its_settings_its_holds_and_its_failure_in_its_file_and_a_wrong_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut case = a_case();
    assert_eq!(
        case.failure,
        Some(FailureKind::Ended(OutcomeKind::Violated))
    );
    assert_eq!(case.holds().len(), 1, "{case:?}");
    let run = case.sim().run(put_and_take);
    assert_eq!(signature(&run.outcome), case.signature);
    assert_eq!(run.outcome.to_string(), case.outcome);
    case.config.watch = Some(Watch::Conservation);
    (case.config.strict, case.config.livelock_steps) = (true, 77);
    let path = folder.path().join("cases").join(case.file_name());
    case.save(&path).unwrap();
    assert_eq!(Case::load(&path).unwrap(), case);
    let all = Case::load_all(path.parent().unwrap()).unwrap();
    assert_eq!(all, [(path.clone(), case)]);
    assert!(Case::load_all(folder.path()).unwrap().is_empty());
    let text = std::fs::read_to_string(&path).unwrap();
    for text in ["", "{}", &text.replace("seed", "sed")] {
        std::fs::write(&path, text).unwrap();
        let error = Case::load(&path).unwrap_err().to_string();
        assert!(error.contains("is no saved case"), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(Case::load(&path).is_err());
}

#[test]
fn a_case_of_an_earlier_version_is_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let mut now = serde_json::to_value(a_case()).unwrap();
    now["seed"] = json!(7);
    assert!(load(&path, &now).is_ok());
    for (field, value, today) in [
        ("buggify", json!(true), "the fault `buggify @step 1`"),
        ("workload", json!(3), "the fault `load at most … @step 1`"),
        ("deviations", json!([[1, 2]]), "`holds`"),
    ] {
        let mut then = now.clone();
        then[field] = value;
        let error = load(&path, &then).unwrap_err();
        for part in [
            "is no saved case: an earlier version of Retake has saved it",
            &format!("the field `{field}`, which is {today} today"),
            "`explore race --seeds 7..=7`",
            "The version that saved it still replays it",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
    let mut other = now;
    other["sead"] = json!(1);
    let error = load(&path, &other).unwrap_err();
    assert!(error.contains("unknown field `sead`"), "{error}");
}

#[test]
fn a_case_with_its_holds_beside_its_strategy_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let case = a_case();
    let mut fields = serde_json::to_value(&case).unwrap();
    fields["strategy"] = json!("random");
    fields["holds"] = json!(case.holds());
    fields.as_object_mut().unwrap().remove("failure");
    let read = load(&path, &fields).unwrap();
    assert_eq!(read.config, case.config);
    assert_eq!(
        read.run(&put_and_take.into()).outcome.to_string(),
        case.outcome
    );
    fields["holds"] = json!([{ "step": 1 }]);
    assert!(load(&path, &fields).is_err());
}

#[test]
fn a_case_has_the_words_of_its_failure_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let mut fields = serde_json::to_value(a_case()).unwrap();
    for (words, failure) in [
        ("step limit", FailureKind::Ended(OutcomeKind::StepLimit)),
        ("lost", FailureKind::Ended(OutcomeKind::Lost)),
        ("hangs", FailureKind::Hangs),
        ("not deterministic", FailureKind::NotDeterministic),
        ("depends on earlier runs", FailureKind::DependsOnHistory),
    ] {
        fields["failure"] = json!(words);
        let case = load(&path, &fields).unwrap();
        assert_eq!(case.failure, Some(failure));
        assert_eq!(serde_json::to_value(&case).unwrap()["failure"], words);
    }
    for words in ["passed", "recorded", "cut short", "Hangs"] {
        fields["failure"] = json!(words);
        let error = load(&path, &fields).unwrap_err();
        assert!(
            error.contains(&format!("there is no failure {words:?}")),
            "{error}"
        );
    }
}

#[test]
fn the_strategy_of_a_case_is_checked_when_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let mut fields = serde_json::to_value(a_case()).unwrap();
    for (strategy, wrong) in [
        (json!("rnadom"), "did you mean `random`?"),
        (json!("replay"), "needs a recorded run"),
        (json!(3), "is no saved case"),
        (json!({ "hold": [] }), "is no saved case"),
    ] {
        fields["strategy"] = strategy;
        let error = load(&path, &fields).unwrap_err();
        assert!(error.contains(wrong), "{error}");
    }
    let hold = Hold {
        step: (2, 1),
        until: (1, 1),
    };
    fields["strategy"] = json!({ "holds": [hold] });
    let case = load(&path, &fields).unwrap();
    assert_eq!(case.config.strategy, Strategy::holds(&[hold]));
}
