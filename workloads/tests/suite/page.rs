//! The report in a real browser: nothing overflows, charts have a size, dark is dark.
//!
//! Needs `chromium`. Without one the test says so and passes, unless
//! `RETAKE_BROWSER_REQUIRED` is set, as it is in `.ci/run`.

use std::path::Path;
use std::process::Command;

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

fn probe(
    browser: &str,
    page: &Path,
    profile: &Path,
    width: u32,
    more: &[&str],
) -> serde_json::Value {
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--window-size={width},2000"))
        .args(more)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let title = dom
        .split("<title>")
        .nth(1)
        .and_then(|it| it.split("</title>").next());
    let title =
        title.unwrap_or_else(|| panic!("no page: {}", String::from_utf8_lossy(&output.stderr)));
    serde_json::from_str(&title.replace("&amp;", "&")).unwrap()
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
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_retake"))
        .args([
            "bench",
            "stress/mixed",
            "ledger/write_latency",
            "http/concurrent",
        ])
        .args(["--scale", "0.05", "--report", "--out"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(made.status.code(), Some(0));
    let text = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    let page = folder.path().join("probed.html");
    std::fs::write(&page, text.replace("</body>", &format!("{PROBE}</body>"))).unwrap();
    let profile = folder.path().join("profile");
    let wide = probe(browser, &page, &profile, 1280, &[]);
    let narrow = probe(browser, &page, &profile, 500, &[]);
    for found in [&wide, &narrow] {
        assert!(found["charts"].as_u64().unwrap() >= 8, "{found}");
        for nothing in ["overflow", "empty", "tooWide", "links", "unnamed"] {
            assert_eq!(found[nothing], 0, "{nothing}: {found}");
        }
        assert!(found["badges"].as_u64() >= Some(6), "{found}");
        assert!(found["rows"].as_u64() >= Some(6), "{found}");
    }
    assert_eq!(wide["ground"], "rgb(255, 255, 255)");
    let dark = probe(
        browser,
        &page,
        &profile,
        1280,
        &["--blink-settings=preferredColorScheme=0"],
    );
    assert_eq!(dark["ground"], "rgb(20, 23, 26)");
}
