//! The loop: draw, wait for a key, change.

use std::io;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::layout::Rect;
use retake_inspect::timeline::Condition;

use super::super::source::Source;
use super::model::Model;
use super::view::draw;
use crate::status::Error;

/// Let the person go through a run, from a step on.
///
/// The terminal is given back as it was, also after a panic.
pub(in super::super) fn run(
    source: Source,
    step: u64,
    breaks: Vec<Condition>,
) -> Result<(), Error> {
    let (width, height) = ratatui::crossterm::terminal::size()?;
    let area = Rect::new(0, 0, width, height);
    // The folder goes when this is over.
    let (mut model, _folder) = Model::new(source, step, breaks, area)?;
    // Its panic hook gives the terminal back before a panic is reported there; the cursor is
    // shown again when `terminal` is dropped.
    let mut terminal = ratatui::try_init().inspect_err(|_| ratatui::restore())?;
    let done = until_it_quits(&mut terminal, &mut model);
    ratatui::try_restore()?;
    done?;
    match model.timeline.into_damage() {
        Some(damage) => Err(damage.into()),
        None => Ok(()),
    }
}

fn until_it_quits(terminal: &mut DefaultTerminal, model: &mut Model) -> io::Result<()> {
    while !model.quits {
        let size = terminal.size()?;
        let area = Rect::new(0, 0, size.width, size.height);
        if let Err(error) = model.resize(area) {
            model.status = error.to_string();
        }
        terminal.draw(|frame| draw(frame, model))?;
        if let Event::Key(key) = event::read()?
            && key.kind != KeyEventKind::Release
        {
            model.key(key);
        }
    }
    Ok(())
}
