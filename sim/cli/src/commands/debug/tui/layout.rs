//! Where the panes are.

use ratatui::layout::{Constraint, Layout, Rect};

/// The panes of a terminal; of a tiny one some are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Panes {
    pub(super) header: Rect,
    /// The run as a bar.
    pub(super) bar: Rect,
    pub(super) steps: Rect,
    pub(super) actors: Rect,
    pub(super) details: Rect,
    /// What went on last, or what is being typed.
    pub(super) status: Rect,
}

impl Panes {
    pub(super) fn of(area: Rect) -> Self {
        let [header, bar, upper, details, status] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Fill(1),
            Constraint::Fill(1),
            Constraint::Length(1),
        ])
        .areas(area);
        let [steps, actors] =
            Layout::horizontal([Constraint::Percentage(60), Constraint::Percentage(40)])
                .areas(upper);
        Self {
            header,
            bar,
            steps,
            actors,
            details,
            status,
        }
    }
}

/// Rows inside the border of a pane.
pub(super) fn rows(pane: Rect) -> usize {
    usize::from(pane.height.saturating_sub(2))
}
