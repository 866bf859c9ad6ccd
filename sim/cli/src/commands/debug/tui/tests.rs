//! The debugger by its keys, on recorded traces, at 80 columns and 24 rows.

use std::path::{Path, PathBuf};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::style::Color;
use tempfile::TempDir;

use super::super::source::Source;
use super::model::{Focus, Model, Tab};
use super::view::draw;
use crate::program::Program;

const SIZE: (u16, u16) = (80, 24);

struct Screen {
    model: Model,
    size: (u16, u16),
}

/// A trace of the debugger's tests. Both are recorded with `--states` by the `retake` command:
/// `zoo/pool_timeout/buggy --horizon 1s`, and `recovery/one_action --horizon 37s --fault 'kill
/// executor @36.5s'`.
fn trace(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces");
    folder.join(name)
}

impl Screen {
    /// A client waits for a worker that is leased to one that has given up.
    fn of_pool_timeout() -> Self {
        Self::of(&trace("pool_timeout.retake"))
    }

    /// An actor is killed, and its supervisor starts it again.
    fn of_a_restart() -> Self {
        Self::of(&trace("one_action.retake"))
    }

    fn of(path: &Path) -> Self {
        let source = Source::open(&Program::new("debugger", "0"), path).unwrap();
        let failure = source.timeline.failure_step().unwrap_or(0);
        let area = Rect::new(0, 0, SIZE.0, SIZE.1);
        let (model, _) = Model::new(source, failure, Vec::new(), area).unwrap();
        Self { model, size: SIZE }
    }

    fn press(&mut self, keys: &str) -> &mut Self {
        for key in keys.chars() {
            let code = match key {
                '→' => KeyCode::Right,
                '←' => KeyCode::Left,
                '↓' => KeyCode::Down,
                '↑' => KeyCode::Up,
                '⇥' => KeyCode::Tab,
                '⏎' => KeyCode::Enter,
                '⌫' => KeyCode::Backspace,
                '⎋' => KeyCode::Esc,
                c => KeyCode::Char(c),
            };
            self.model.key(KeyEvent::new(code, KeyModifiers::NONE));
        }
        self
    }

    fn drawn(&mut self) -> String {
        let (width, height) = self.size;
        self.model.resize(Rect::new(0, 0, width, height)).unwrap();
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, &self.model)).unwrap();
        terminal.backend().to_string()
    }
}

#[test]
fn it_begins_where_the_run_failed() {
    let mut screen = Screen::of_pool_timeout();
    insta::assert_snapshot!(screen.drawn());
}

#[test]
fn a_step_back_shows_what_it_changed() {
    let mut screen = Screen::of_pool_timeout();
    insta::assert_snapshot!(screen.press("←").drawn());
}

#[test]
fn the_causes_lead_to_their_steps() {
    let mut screen = Screen::of_pool_timeout();
    insta::assert_snapshot!(screen.press("←4⇥⇥").drawn());
    assert_eq!(screen.model.focus, Focus::Details);
    // The one before it leads to it; the first one is where all began.
    let causes: Vec<u64> = screen.model.links().iter().map(|it| it.step).collect();
    assert_eq!(causes, [1, 2, 5, 10, 11]);
    screen.press("↓↓↓↓⏎");
    assert_eq!(screen.model.step, 11);
    screen.press("⌫[");
    assert_eq!(screen.model.step, 11);
    screen.press("]");
    assert_eq!(screen.model.step, 13);
}

#[test]
fn a_mailbox_shows_what_waits() {
    let mut screen = Screen::of_pool_timeout();
    // Before its message is handled, as the pool is chosen.
    screen.press("←p←←3");
    assert_eq!(screen.model.actor_rows[1].label, "pool");
    insta::assert_snapshot!(screen.drawn());
}

#[test]
fn steps_are_found_by_number_time_text_actor_and_failure() {
    let mut screen = Screen::of_pool_timeout();
    let step = |screen: &mut Screen, keys: &str| screen.press(keys).model.step;
    assert_eq!(step(&mut screen, "g"), 0);
    assert_eq!(step(&mut screen, "f"), 14);
    assert_eq!(step(&mut screen, ":5⏎"), 5);
    assert_eq!(step(&mut screen, ":0.002s⏎"), 13);
    assert_eq!(step(&mut screen, "g/checkin⏎"), 12);
    assert_eq!(step(&mut screen, "n"), 12);
    assert_eq!(screen.model.status, "no line with `checkin` after this");
    assert_eq!(step(&mut screen, "e"), 13);
    assert_eq!(step(&mut screen, "E"), 12);
    assert_eq!(step(&mut screen, "⌫⌫⌫"), 0);
}

#[test]
fn what_is_nowhere_is_said_in_words() {
    let mut screen = Screen::of_pool_timeout();
    let status = |screen: &mut Screen, keys: &str| screen.press(keys).model.status.clone();
    assert_eq!(status(&mut screen, "x"), "no fault after this");
    assert_eq!(
        status(&mut screen, ":99⏎"),
        "there is no step 99: the run has 14 steps"
    );
    assert!(status(&mut screen, ":soon⏎").contains("is no place in the run"));
    assert!(status(&mut screen, "bactor=poool⏎").contains("near it are `pool`"));
    assert!(status(&mut screen, "bpool⏎").contains("is no condition"));
    assert!(status(&mut screen, "c").contains("no breakpoint: b adds one"));
    assert_eq!(status(&mut screen, "⌫"), "this is where you began");
    assert_eq!(screen.model.step, 14);
}

#[test]
fn it_runs_to_breakpoints_and_back() {
    let mut screen = Screen::of_pool_timeout();
    screen.press("gbactor=pool state=9⏎c");
    assert_eq!(screen.model.status, "hit: actor=pool state=9");
    let hit = screen.model.step;
    assert!(screen.model.state.as_ref().unwrap().before.is_some());
    screen.press("bmessage=CheckIn⏎C");
    assert!(screen.model.step < hit && screen.model.status == "hit: message=CheckIn");
    insta::assert_snapshot!(screen.drawn());
    assert_eq!(screen.model.tab, Tab::Breaks);
    screen.press("dd");
    assert!(screen.model.breaks.is_empty());
}

#[test]
fn the_help_names_every_key() {
    let mut screen = Screen::of_pool_timeout();
    insta::assert_snapshot!(screen.press("?").drawn());
    screen.press("q");
    assert!(screen.model.help.is_none() && !screen.model.quits);
    assert!(screen.press("q").model.quits);
}

#[test]
fn faults_and_supervision_events_are_marked() {
    let mut screen = Screen::of_a_restart();
    screen.press("gxs5");
    insta::assert_snapshot!(screen.drawn());
}

#[test]
fn colours_are_readable_on_light_and_dark_grounds() {
    let mut screen = Screen::of_a_restart();
    let mut colours = std::collections::BTreeSet::new();
    for keys in ["g", "x", "1", "s", "5", "G", "f", "?"] {
        screen.press(keys);
        let (width, height) = screen.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, &screen.model)).unwrap();
        for cell in terminal.backend().buffer().content() {
            assert_eq!(cell.bg, Color::Reset, "the ground is the terminal's");
            colours.insert(cell.fg.to_string());
        }
    }
    let colours: Vec<_> = colours.into_iter().collect();
    assert_eq!(colours, ["Magenta", "Red", "Reset"]);
}

#[test]
fn what_is_left_of_a_trace_is_gone_through_and_said_to_be_no_more() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.retake");
    let bytes = std::fs::read(trace("pool_timeout.retake")).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let mut cut = Screen::of(&path);
    let drawn = cut.drawn();
    assert!(
        drawn.contains("zoo/pool_timeout/buggy, seed 0: cut short"),
        "{drawn}"
    );
    assert!(
        drawn.contains("the trace is cut short after step 0: "),
        "{drawn}"
    );
    for keys in [
        "→",
        "←",
        "gxXsSeE[]",
        "f",
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
        "/a⏎",
    ] {
        cut.press(keys).drawn();
    }
    assert!(cut.model.timeline.into_damage().is_some());
}

#[test]
fn every_key_at_every_size_does_no_harm() {
    let mut screen = Screen::of_pool_timeout();
    for (width, height) in [(1, 1), (2, 3), (10, 4), (20, 10), (80, 24), (300, 100)] {
        screen.size = (width, height);
        for keys in [
            "g", "→→", "?", "↓↓", "q", ":12", "⎋", "1", "2", "3⇥↓", "4", "5⇥↑", "6", "G",
        ] {
            screen.press(keys).drawn();
        }
        screen.press("f⇥");
    }
    assert!(!screen.model.quits);
}
