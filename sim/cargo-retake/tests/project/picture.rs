//! The picture of the README: what a run of the command prints, as it looks on a terminal of 80
//! columns.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::shop::project;

const COLUMNS: usize = 80;
/// Of a character and of a line, in pixels.
const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 19.0;
const MARGIN: f64 = 16.0;
const COMMAND: &str = "test --lib --test orders";
const FILE: &str = "docs/pictures/cargo-retake.svg";

/// A character with the colour and weight that a terminal gives it.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Style {
    colour: Option<&'static str>,
    is_bold: bool,
    is_dim: bool,
}

impl Style {
    /// After a sequence of SGR, as ECMA-48 calls it: `1;31`.
    fn after(mut self, codes: &str) -> Self {
        for code in codes.split(';') {
            match code {
                "" | "0" => self = Self::default(),
                "1" => self.is_bold = true,
                "2" => self.is_dim = true,
                "31" => self.colour = Some("#ff7b72"),
                "32" => self.colour = Some("#7ee787"),
                "33" => self.colour = Some("#e3b341"),
                other => panic!("there is no colour for {other}"),
            }
        }
        self
    }

    fn attributes(self) -> String {
        let mut text = String::new();
        if let Some(colour) = self.colour {
            let _ = write!(text, " fill=\"{colour}\"");
        }
        if self.is_bold {
            text.push_str(" font-weight=\"bold\"");
        }
        if self.is_dim {
            text.push_str(" opacity=\"0.6\"");
        }
        text
    }
}

/// The lines of a terminal on which this is printed; long ones continue in the next line.
fn lines(printed: &str) -> Vec<Vec<(char, Style)>> {
    let mut lines = Vec::new();
    let mut style = Style::default();
    for printed in printed.lines() {
        let mut line = Vec::new();
        let mut rest = printed;
        while let Some(c) = rest.chars().next() {
            if let Some(sequence) = rest.strip_prefix("\x1b[") {
                let (codes, behind) = sequence.split_once('m').expect("a whole sequence");
                style = style.after(codes);
                rest = behind;
                continue;
            }
            rest = &rest[c.len_utf8()..];
            if line.len() == COLUMNS {
                lines.push(std::mem::take(&mut line));
            }
            line.push((c, style));
        }
        lines.push(line);
    }
    lines
}

fn svg(lines: &[Vec<(char, Style)>]) -> String {
    let width = MARGIN.mul_add(2.0, COLUMNS as f64 * WIDTH);
    let height = MARGIN.mul_add(2.0, lines.len() as f64 * HEIGHT);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\">\n<title>cargo retake {COMMAND}</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#0d1117\"/>\n\
         <g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, monospace\" \
         font-size=\"14\" fill=\"#e6edf3\">\n"
    );
    for (number, line) in lines.iter().enumerate() {
        let y = HEIGHT.mul_add(number as f64 + 0.75, MARGIN);
        let mut column = 0;
        for part in line.chunk_by(|one, other| one.1 == other.1) {
            let x = WIDTH.mul_add(column as f64, MARGIN);
            let length = WIDTH * part.len() as f64;
            let shown: String = part.iter().map(|(c, _)| *c).collect();
            let shown = shown.replace('&', "&amp;").replace('<', "&lt;");
            // Several blanks would be one.
            let shown = shown.replace(' ', "\u{a0}");
            column += part.len();
            if shown.trim().is_empty() {
                continue;
            }
            let attributes = part[0].1.attributes();
            let _ = writeln!(
                text,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" textLength=\"{length:.1}\"{attributes}>{shown}</text>"
            );
        }
    }
    text + "</g>\n</svg>\n"
}

#[test]
fn the_picture_of_the_readme_is_what_the_command_prints() {
    let project = project();
    let output = project.command(COMMAND).env("CLICOLOR_FORCE", "1").output();
    let printed = String::from_utf8(output.unwrap().stdout).unwrap();
    let picture = svg(&lines(&format!("$ cargo retake {COMMAND}\n{printed}")));
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(FILE);
    if std::env::var_os("RETAKE_PICTURE").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &picture).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == picture,
        "{FILE} is another picture: RETAKE_PICTURE=1 cargo test -p cargo-retake --test project \
         picture makes it again\n{printed}"
    );
}
