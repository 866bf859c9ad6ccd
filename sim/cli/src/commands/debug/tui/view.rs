//! The model as it is drawn. In the terminal's own colours, and nothing by colour alone.
//!
//! Of the named colours, red and magenta can be read on light and on dark grounds with the
//! palettes that terminals come with, and better in bold. Yellow, green and cyan cannot on
//! light ones, nor blue on dark ones.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as Row, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};
use retake_inspect::Line;
use retake_inspect::timeline::MarkKind;
use retake_traces::clean::is_harmful;
use retake_traces::event::Occurrence;
use retake_traces::record::{Choice, OutcomeKind, StepKind};

use super::super::text::{Change, cut, cut_front, difference, one_line, seconds};
use super::layout::rows;
use super::model::{Focus, Model, PromptKind, Tab};

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const DIM: Style = Style::new().add_modifier(Modifier::DIM);
const CHOSEN: Style = Style::new().add_modifier(Modifier::REVERSED);
const FAULT: Style = BOLD.fg(Color::Red);
const HEARD: Style = BOLD.fg(Color::Magenta);
const NEW: Style = BOLD;

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model) {
    let panes = model.panes;
    header(frame, panes.header, model);
    bar(frame, panes.bar, model);
    steps(frame, panes.steps, model);
    actors(frame, panes.actors, model);
    details(frame, panes.details, model);
    status(frame, panes.status, model);
    if let Some(row) = model.help {
        help(frame, row);
    }
    // The last thing before the terminal, so that no text of the trace passes it by.
    for cell in &mut frame.buffer_mut().content {
        if cell.symbol().contains(is_harmful) {
            cell.set_symbol("·");
        }
    }
}

/// A pane's border and title; of the one with the arrow keys in bold.
fn pane<'a>(title: impl Into<Row<'a>>, has_focus: bool) -> Block<'a> {
    let style = if has_focus { BOLD } else { DIM };
    Block::bordered()
        .border_style(style)
        .title(title.into())
        .title_style(if has_focus { BOLD } else { Style::new() })
}

fn header(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let end = model.timeline.end();
    let place = format!(
        "step {} of {}, {}",
        model.step,
        model.timeline.steps(),
        seconds(model.now_ns)
    );
    let width = usize::from(area.width).saturating_sub(place.chars().count() + 1);
    let title = cut(&format!("{}: {}", model.title, end.outcome), width.max(1));
    let row = Row::from(vec![
        Span::styled(format!("{title:<width$} "), BOLD),
        Span::raw(place),
    ]);
    frame.render_widget(Paragraph::new(row), area);
}

/// The whole run: `!` a fault or panic, `^` a supervision event, `O` here.
fn bar(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let width = usize::from(area.width);
    if width == 0 {
        return;
    }
    let steps = model.timeline.steps().max(1);
    let place = |step: u64| {
        let share = step as f64 / steps as f64;
        ((share * (width - 1) as f64).round() as usize).min(width - 1)
    };
    let mut cells = vec![("─", DIM); width];
    for mark in model.timeline.marks() {
        let cell = &mut cells[place(mark.step)];
        match mark.kind {
            MarkKind::Supervision if cell.0 != "!" => *cell = ("^", HEARD),
            MarkKind::Supervision => {}
            MarkKind::Fault(_) | MarkKind::Panic => *cell = ("!", FAULT),
        }
    }
    cells[place(model.step)] = ("O", CHOSEN);
    let spans: Vec<Span<'_>> = cells
        .into_iter()
        .map(|(text, style)| Span::styled(text, style))
        .collect();
    frame.render_widget(Paragraph::new(Row::from(spans)), area);
}

/// How a line looks: its mark and style.
fn look_of(line: &Line) -> (&'static str, Style) {
    match &line.occurrence {
        Occurrence::Step(step) if step.kind == StepKind::Supervision => ("^", HEARD),
        Occurrence::Step(step) => match step.choice {
            Choice::Fifo => (" ", Style::new()),
            Choice::Deviation => ("*", Style::new()),
            Choice::Eager => ("+", Style::new()),
        },
        Occurrence::Fault(_) | Occurrence::Panic(_) => ("!", FAULT),
        Occurrence::End(end) if end.outcome != OutcomeKind::Passed => ("!", FAULT),
        _ => (" ", DIM),
    }
}

fn steps(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let height = rows(area);
    // The step a third below the upper edge.
    let here = model
        .lines
        .iter()
        .position(|line| line.step == model.step && (model.step == 0 || line.is_step()));
    let here = here.unwrap_or(0);
    let most = model.lines.len().saturating_sub(height);
    let first = here.saturating_sub(height / 3).min(most);
    let mut list: Vec<Row<'_>> = Vec::new();
    let mut last_ns = None;
    for (place, line) in model.lines.iter().enumerate().skip(first).take(height) {
        let is_step = line.is_step();
        let (mark, style) = look_of(line);
        let number = if is_step {
            line.step.to_string()
        } else {
            String::new()
        };
        // A time is shown where it changes.
        let time = if last_ns == Some(line.now_ns) {
            String::new()
        } else {
            format!("{:.6}", line.now_ns as f64 / 1e9)
        };
        last_ns = Some(line.now_ns);
        let text = format!(
            "{number:>6}{mark}{time:>9} {} {}",
            cut_front(&line.who, 14),
            line.what()
        );
        let style = if place == here {
            style.patch(CHOSEN)
        } else {
            style
        };
        let width = usize::from(area.width.saturating_sub(2));
        list.push(Row::styled(
            format!("{:<width$}", cut(&text, width.max(1))),
            style,
        ));
    }
    let block = pane(
        " steps, with virtual time (s) ",
        model.focus == Focus::Steps,
    );
    frame.render_widget(Paragraph::new(list).block(block), area);
}

fn actors(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let width = usize::from(area.width.saturating_sub(2));
    let list: Vec<Row<'_>> = model
        .actor_rows
        .iter()
        .map(|row| {
            let mailbox = match row.mailbox {
                0 => String::new(),
                depth => depth.to_string(),
            };
            let text = format!(
                "{:<12}{mailbox:>3} {}",
                cut_front(&row.label, 12),
                row.state
            );
            let style = if row.task == model.actor {
                CHOSEN
            } else if row.steps_again {
                Style::new()
            } else {
                DIM
            };
            Row::styled(format!("{:<width$}", cut(&text, width.max(1))), style)
        })
        .collect();
    let mut title = format!(" {} alive: mailbox, state ", model.world.alive.len());
    if model.pinned {
        title = format!(" {} alive (pinned) ", model.world.alive.len());
    }
    let block = pane(title, model.focus == Focus::Actors);
    frame.render_widget(Paragraph::new(list).block(block), area);
}

fn details(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let mut title = vec![Span::raw(" ")];
    for (tab, name) in Tab::ALL {
        let style = if tab == model.tab {
            CHOSEN
        } else {
            Style::new()
        };
        title.push(Span::styled(name, style));
        title.push(Span::raw(" "));
    }
    let block = pane(Row::from(title), model.focus == Focus::Details);
    let links = model.links();
    if links.is_empty() {
        let text = match model.tab {
            Tab::State => state(model),
            Tab::Message => message(model),
            Tab::Breaks => breaks(model),
            Tab::Mailbox => vec![Row::raw("no message waits, as far as is known")],
            Tab::Causes => vec![Row::raw("no step is known that led to it or came of it")],
            Tab::Faults => vec![Row::raw("no faults, panics or supervision events")],
        };
        let most = text.len().saturating_sub(1);
        let first = if model.tab == Tab::Breaks {
            0
        } else {
            model.row.min(most)
        };
        let text = Paragraph::new(text)
            .wrap(Wrap { trim: false })
            .scroll((first.min(usize::from(u16::MAX)) as u16, 0));
        frame.render_widget(text.block(block), area);
        return;
    }
    let (height, width) = (rows(area), usize::from(area.width.saturating_sub(2)));
    let first = model.row.saturating_sub(height.saturating_sub(1));
    let list: Vec<Row<'_>> = links
        .iter()
        .enumerate()
        .skip(first)
        .take(height)
        .map(|(place, link)| {
            let text = cut(&link.text, width.max(1));
            let is_chosen = place == model.row && model.focus == Focus::Details;
            let style = if is_chosen { CHOSEN } else { Style::new() };
            Row::styled(format!("{text:<width$}"), style)
        })
        .collect();
    frame.render_widget(Paragraph::new(list).block(block), area);
}

/// The state of the chosen actor: where the step changed it the difference, and all of it
/// otherwise.
fn state(model: &Model) -> Vec<Row<'_>> {
    let Some(it) = &model.state else {
        return Vec::new();
    };
    let changed = match (&it.before, &it.state) {
        (Some(before), Some(now)) => difference(before, &now.text),
        _ => Vec::new(),
    };
    let mut text = Vec::new();
    let what = if changed.is_empty() {
        "after this step"
    } else {
        "changed by this step"
    };
    let note = it.note.as_ref();
    let note = note.map_or_else(String::new, |note| format!(" ({note})"));
    text.push(Row::styled(format!("{} {what}{note}", it.actor), BOLD));
    let lines = it.state.iter().flat_map(|state| state.text.lines());
    if changed.is_empty() {
        text.extend(lines.map(Row::raw));
        return text;
    }
    for (change, line) in changed {
        let style = match change {
            Change::Same | Change::Gap => Style::new(),
            Change::Gone => FAULT,
            Change::New => NEW,
        };
        text.push(Row::styled(format!("{}{line}", change.sign()), style));
    }
    text.push(Row::styled("all of it:", BOLD));
    text.extend(lines.map(Row::raw));
    text
}

/// The step with everything that happened during and after it.
fn message(model: &Model) -> Vec<Row<'_>> {
    let here = model.lines.iter().filter(|line| line.step == model.step);
    let mut text: Vec<Row<'_>> = Vec::new();
    for line in here {
        let (_, style) = look_of(line);
        let who = if line.who.is_empty() {
            "the run"
        } else {
            &line.who
        };
        text.push(Row::styled(format!("{who} {}", line.what()), style));
        if let Some(cause) = line.cause {
            text.push(Row::styled(format!("  sent by step {cause}"), DIM));
        }
    }
    text
}

fn breaks(model: &Model) -> Vec<Row<'_>> {
    if model.breaks.is_empty() {
        return vec![Row::raw(
            "none: b adds one, such as `actor=ledger message=Append state=None`",
        )];
    }
    let list = model.breaks.iter().enumerate();
    list.map(|(place, condition)| {
        let style = if place == model.row {
            CHOSEN
        } else {
            Style::new()
        };
        Row::styled(one_line(&condition.to_string()), style)
    })
    .collect()
}

fn status(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let Some(prompt) = &model.prompt else {
        let text = if model.status.is_empty() {
            Row::styled(
                "←→ step  ↑↓ Tab panes  x fault  e actor  : go  / find  ? keys  q quit",
                DIM,
            )
        } else {
            Row::raw(one_line(&model.status))
        };
        frame.render_widget(Paragraph::new(text), area);
        return;
    };
    let what = match prompt.kind {
        PromptKind::Go => "go to step, time (1.5s), failure, start or end: ",
        PromptKind::Search => "find: ",
        PromptKind::Break => "break at actor=NAME message=TEXT state=TEXT: ",
    };
    let text = format!("{what}{}", prompt.text);
    // The end of what is typed stays in sight.
    let length = text.chars().count() + 1;
    let skipped = length.saturating_sub(usize::from(area.width));
    let text: String = text.chars().skip(skipped).collect();
    let x = area.x + (length - skipped).saturating_sub(1) as u16;
    frame.render_widget(Paragraph::new(Row::styled(text, BOLD)), area);
    if area.height > 0 && x < area.right() {
        frame.set_cursor_position((x, area.y));
    }
}

/// All keys.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("→ l, ← h", "one step forward, back"),
    ("Tab", "the next pane: its arrow keys are then ↑ ↓"),
    ("↓ j, ↑ k", "steps; or choose an actor; or a row below"),
    ("PgDn, PgUp", "the same, by a page"),
    ("g Home, G End", "the start, the end of the run"),
    ("f", "the step at which the run failed"),
    (":", "go to a step, a time such as 1.5s, or failure"),
    ("x, X", "the next, previous fault or panic"),
    ("s, S", "the next, previous supervision event"),
    ("e, E", "the next, previous step of the chosen actor"),
    (
        "[, ]",
        "to the step that sent its message; to one that it led to",
    ),
    ("Enter", "to the step that the chosen row is about"),
    ("Backspace", "back to where you were"),
    ("/, n, N", "find a text, find it again, backwards"),
    (
        "b, c, C, d",
        "add a breakpoint, run to the next, back to one, remove it",
    ),
    ("p", "keep the actor chosen, or follow the steps"),
    (
        "1 to 6",
        "state, step, mailbox, causes and effects, faults, breakpoints",
    ),
    ("q Esc", "quit"),
];

fn help(frame: &mut Frame<'_>, row: usize) {
    let area = frame.area();
    let (width, height) = (78.min(area.width), (KEYS.len() as u16 + 2).min(area.height));
    let area = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    let text: Vec<Row<'_>> = KEYS
        .iter()
        .map(|(keys, what)| {
            Row::from(vec![
                Span::styled(format!("{keys:<15}"), BOLD),
                Span::raw(*what),
            ])
        })
        .collect();
    let most = text.len().saturating_sub(rows(area));
    let text = Paragraph::new(text).scroll((row.min(most) as u16, 0));
    frame.render_widget(Clear, area);
    frame.render_widget(
        text.block(pane(" keys; any key closes this, ↑↓ scroll ", true)),
        area,
    );
}
