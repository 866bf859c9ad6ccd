//! The page around the data.

use std::io::{self, Write};

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::Value;

/// The program of the page. Built from `sim/cli/page`, see `docs/page.md`.
const TEMPLATE: &str = include_str!("../../page/dist/view.html");
/// Where the data goes.
const PLACE: &str = "<!-- retake data -->";

pub(super) fn write(
    traces: &[Vec<u8>],
    comparison: Option<&Value>,
    out: &mut impl Write,
) -> io::Result<()> {
    let (before, after) = TEMPLATE
        .split_once(PLACE)
        .ok_or_else(|| io::Error::other("the page's template has no place for data"))?;
    out.write_all(before.as_bytes())?;
    for (number, columns) in traces.iter().enumerate() {
        block(&format!("trace-{number}"), columns, out)?;
    }
    if let Some(comparison) = comparison {
        block("comparison", comparison.to_string().as_bytes(), out)?;
    }
    out.write_all(after.as_bytes())
}

/// Compressed, in base64: the letters of a trace cannot end the element.
fn block(id: &str, bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
    write!(out, r#"<script type="application/octet-stream" id="{id}">"#)?;
    let letters = EncoderWriter::new(&mut *out, &STANDARD);
    let mut packed = ZlibEncoder::new(letters, Compression::default());
    packed.write_all(bytes)?;
    packed.finish()?.finish()?;
    out.write_all(b"</script>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_has_one_place_for_data_and_fetches_nothing() {
        assert_eq!(TEMPLATE.matches(PLACE).count(), 1);
        for outside in ["src=\"", "href=\"http", "@import", "url(http"] {
            assert!(!TEMPLATE.contains(outside), "{outside}");
        }
        assert!(TEMPLATE.contains("default-src 'none'"));
    }
}
