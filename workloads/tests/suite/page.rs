//! The report in a real browser: nothing overflows, charts have a size, dark is dark.
//!
//! Needs `chromium`. Without one the test says so and passes, unless
//! `RETAKE_BROWSER_REQUIRED` is set, as it is in `.ci/run`.

use std::process::Command;

use serde_json::Value;

use crate::command::{Folder, parse};

/// Measures the page and writes what it finds into the page's title.
const PROBE: &str = "<script>
document.querySelectorAll('details').forEach(it => it.open = true);
const charts = [...document.querySelectorAll('svg.chart')].map(it => it.getBoundingClientRect());
const root = document.documentElement;
document.title = JSON.stringify({
  width: root.clientWidth,
  overflow: root.scrollWidth - root.clientWidth,
  charts: charts.length,
  empty: charts.filter(it => it.width < 100 || it.height < 40).length,
  tooWide: charts.filter(it => it.right > root.clientWidth).length,
  badges: document.querySelectorAll('.badge').length,
  rows: document.querySelectorAll('tbody tr').length,
  links: [...document.querySelectorAll('a')].filter(it => !document.querySelector(it.getAttribute('href'))).length,
  ground: getComputedStyle(document.body).backgroundColor,
  unnamed: [...document.querySelectorAll('svg.chart')].filter(it => !it.getAttribute('aria-label')).length,
});
</script>";

fn browser() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok())
}

/// What the probe finds in `probed.html`.
fn probe(browser: &str, folder: &Folder, width: u32, more: &[&str]) -> Value {
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]);
    command.arg(format!(
        "--user-data-dir={}",
        folder.at("profile").display()
    ));
    command
        .arg(format!("--window-size={width},2000"))
        .args(more);
    command.arg(format!("file://{}", folder.at("probed.html").display()));
    let output = command.output().unwrap();
    let dom = String::from_utf8_lossy(&output.stdout);
    let title = dom
        .split_once("<title>")
        .and_then(|(_, rest)| rest.split_once("</title>"));
    let (title, _) =
        title.unwrap_or_else(|| panic!("no page: {}", String::from_utf8_lossy(&output.stderr)));
    parse(&title.replace("&amp;", "&"))
}

#[test]
fn the_report_is_readable_wide_and_narrow_light_and_dark() {
    let Some(browser) = browser() else {
        assert!(
            std::env::var_os("RETAKE_BROWSER_REQUIRED").is_none(),
            "there is no chromium"
        );
        eprintln!("there is no chromium: the page is not looked at");
        return;
    };
    let folder = Folder::new();
    let names = "stress/mixed ledger/write_latency http/concurrent";
    let bench = folder.run(format!("bench {names} --scale 0.05 --report --out ."));
    bench.ends(0);
    let page = folder.text("report.html");
    folder.write(
        "probed.html",
        page.replace("</body>", &format!("{PROBE}</body>")),
    );
    let wide = probe(browser, &folder, 1280, &[]);
    let narrow = probe(browser, &folder, 500, &[]);
    for found in [&wide, &narrow] {
        assert!(found["charts"].as_u64().unwrap() >= 8, "{found}");
        for nothing in ["overflow", "empty", "tooWide", "links", "unnamed"] {
            assert_eq!(found[nothing], 0, "{nothing}: {found}");
        }
        assert!(found["badges"].as_u64() >= Some(6), "{found}");
        assert!(found["rows"].as_u64() >= Some(6), "{found}");
    }
    assert_eq!(wide["ground"], "rgb(255, 255, 255)");
    let dark = ["--blink-settings=preferredColorScheme=0"];
    let dark = probe(browser, &folder, 1280, &dark);
    assert_eq!(dark["ground"], "rgb(20, 23, 26)");
}
