//! The audit page in a real browser: by mouse and keyboard, in dark mode, printed, and with hostile data.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod chromium;
mod publish;

use std::path::PathBuf;

use chromium::Browser;
use pipeline::record::Column;
use serde_json::{Value, json};
use testkit::{Scene, copy_rows};

/// Text that would be executed if it were not escaped.
const HOSTILE: &str = "\"'><img src=x onerror=pwned()><script>pwned()</script>";

/// Function that the hostile text calls.
const PWNED: &str = "window.pwned = () => { window.was = true; console.error('pwned') }";

/// Returns an audit page of two farms and N days with drift of many kinds, and hostile text in ids, farms and keys.
fn page(days: u32) -> (Scene, PathBuf) {
    let scene = Scene::embedded();
    let count = scene.history(2, 6, days);
    let text = std::fs::read_to_string(scene.path("history.json")).unwrap();
    let hostile = |line: &str, n: usize| {
        let mut reading: Value = serde_json::from_str(line).unwrap();
        reading["id_lote"] = format!("{HOSTILE}{n}").into();
        reading["cod_cliente"] = format!("F{HOSTILE}").into();
        reading.to_string()
    };
    let lines: Vec<String> =
        text.lines().enumerate().map(|(n, line)| if n % 9 == 0 { hostile(line, n) } else { line.to_owned() }).collect();
    std::fs::write(scene.path("history.json"), lines.join("\n")).unwrap();
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    scene.sql("DELETE FROM historico_consumo WHERE data < '2024-01-04' AND cod_cliente = 'FazendaUm'");
    scene.sql("UPDATE historico_consumo SET peso_medio = ROUND(peso_medio, 1) WHERE data >= '2024-01-08'");
    scene.sql("UPDATE historico_consumo SET id_raca = id_raca || '\"''><svg onload=pwned()>' WHERE data = '2024-01-05 00:00:00'");
    let values = [
        (Column::IdTreatedData, "'\"''><script>pwned()</script>'"),
        (Column::IdCurral, "'<b>x'"),
        (Column::CodCliente, "'javascript:pwned()'"),
    ];
    scene.sql(&copy_rows(&values, "LIMIT 1"));
    let folder = scene.path("lake/fazenda_um/2024/01/06");
    std::fs::write(folder.join("<img src=x onerror=pwned()>.json"), "{}").unwrap();
    std::fs::write(folder.join("historico_consumo_2024-01-06 00:00:09.000_<script>pwned()<!--.json"), "{\"a\":")
        .unwrap();
    scene.run(&["reconcile", "--report", "page.html"]).expect(1, &[]);
    let page = scene.path("page.html");
    (scene, page)
}

#[test]
fn it_opens_without_console_messages_and_every_link_can_be_clicked() {
    let (_scene, page) = page(40);
    let mut browser = Browser::start();
    browser.open(&page, false);
    assert_eq!(browser.eval("document.querySelector('h1').innerText.includes('findings')"), true);
    let links = browser.eval(
        "[...document.querySelectorAll('a')].map(a => { a.click(); \
         return [a.getAttribute('href'), !!document.getElementById(a.getAttribute('href').slice(1))] })",
    );
    let links = links.as_array().unwrap();
    assert!(links.len() > 20 && links.iter().all(|link| link[1] == true), "{links:?}");
    let folded = browser.eval(
        "[...document.querySelectorAll('summary')].map(s => { const was = s.parentElement.open; s.click(); \
         return was !== s.parentElement.open })",
    );
    let folded = folded.as_array().unwrap();
    assert!(folded.len() >= 3 && folded.iter().all(|turned| *turned == true), "{folded:?}");
    assert_eq!(
        browser.eval("document.querySelectorAll('[id]').length"),
        browser.eval("new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size")
    );
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn it_can_be_used_by_keyboard_and_shows_where_one_is() {
    let (_scene, page) = page(40);
    let mut browser = Browser::start();
    browser.open(&page, false);
    let all = browser.eval("document.querySelectorAll('a, summary, [tabindex]').length").as_u64().unwrap();
    let (mut been, mut turned, mut before) = (0, 0, -1.0);
    for _ in 0..all {
        browser.press("Tab");
        let here = browser.eval(
            "(e => e === document.body ? null : { tag: e.tagName, outline: getComputedStyle(e).outlineStyle, \
             width: parseFloat(getComputedStyle(e).outlineWidth), open: e.parentElement.open, \
             name: (e.getAttribute('aria-label') || e.innerText || '').trim(), \
             at: [...document.querySelectorAll('a, summary, [tabindex]')].indexOf(e) })(document.activeElement)",
        );
        if here.is_null() {
            break;
        }
        been += 1;
        assert!(
            here["outline"] != "none" && here["width"].as_f64().unwrap() >= 2.0,
            "the current section is not visible: {here}"
        );
        assert_ne!(here["name"], "", "it has no name: {here}");
        let at = here["at"].as_f64().unwrap();
        assert!(at > before, "the order is that of the page: {here}");
        before = at;
        if here["tag"] == "SUMMARY" {
            browser.press("Enter");
            let open = browser.eval("document.activeElement.parentElement.open");
            assert_ne!(open, here["open"], "Enter folds and unfolds: {here}");
            turned += 1;
        }
    }
    assert!(been > 30 && turned >= 3, "{been} of {all}, {turned} folded");
    assert_eq!(browser.complaints(), [""; 0]);
}

/// Shows that the text is executed on a page without escaping, so that the test below would detect it.
#[test]
fn the_hostile_text_is_hostile() {
    let home = tempfile::tempdir().unwrap();
    let page = home.path().join("page.html");
    std::fs::write(&page, format!("<p title=\"{HOSTILE}\">")).unwrap();
    let mut browser = Browser::start();
    browser.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": PWNED}));
    browser.open(&page, true);
    assert!(!browser.complaints().is_empty());
    assert_eq!(browser.eval("window.was === true"), true);
}

/// Without the page's policy on scripts, so that only the escaping is tested.
#[test]
fn hostile_data_is_text_and_nothing_else() {
    for days in [10, 40, 200] {
        let (_scene, page) = page(days);
        let mut browser = Browser::start();
        browser.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": PWNED}));
        browser.open(&page, true);
        browser.eval("document.querySelectorAll('details').forEach(d => d.open = true)");
        let text = browser.eval("document.body.textContent").as_str().unwrap().to_owned();
        for planted in
            ["<img src=x onerror=pwned()>", "<script>pwned()</script>", "<svg onload=pwned()>", "javascript:pwned()"]
        {
            assert!(text.contains(planted), "{planted} is not on the page");
        }
        let made = "script, img, svg, b > b, iframe, object, embed, link, base, form, input, [onerror], [onload], a:not([href^=\"#\"])";
        let made = format!("[...document.querySelectorAll({made:?})].map(e => e.outerHTML.slice(0, 200))");
        assert_eq!(browser.eval(&made), json!([]), "{days} days");
        let attributes = browser.eval(
            "[...new Set([...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()))].filter(name => \
             !/^(aria-(label|labelledby|hidden)|charset|class|colspan|content|data-t|href|http-equiv|id|lang|name|open|role|rowspan|scope|style|tabindex|title)$/.test(name))",
        );
        assert_eq!(attributes, json!([]));
        browser.eval("document.querySelectorAll('a, summary').forEach(e => e.click())");
        assert_eq!(browser.eval("window.was === true"), false);
        assert_eq!(browser.complaints(), [""; 0]);
    }
}

/// Returns the lowest WCAG contrast between some texts and their background.
const CONTRAST: &str = "(() => { const lum = c => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(v => { v /= 255; \
    return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 }); return 0.2126 * r + 0.7152 * g + 0.0722 * b }; \
    const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$/.test(c)) return c } return 'rgb(255,255,255)' }; \
    return [...document.querySelectorAll('h1, .lead, .quiet, .tally, .bad, nav a, code, td, th, dt, dd, small, .kicker')].filter(e => e.innerText && e.getClientRects().length \
    && !e.closest('.squares, .months')).map(e => { const [a, b] = [lum(getComputedStyle(e).color), lum(behind(e))].sort((a, b) => b - a); \
    return [(a + 0.05) / (b + 0.05), e.outerHTML.slice(0, 120)] }).sort((a, b) => a[0] - b[0])[0] })()";

#[test]
fn it_can_be_read_by_day_by_night_on_a_telephone_and_on_paper() {
    let (_scene, page) = page(40);
    let mut browser = Browser::start();
    browser.open(&page, false);
    let mut backgrounds = Vec::new();
    for scheme in ["light", "dark"] {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.call("Emulation.setEmulatedMedia", features);
        let least = browser.eval(CONTRAST);
        assert!(least[0].as_f64().unwrap() >= 4.5, "{scheme}: {least}");
        backgrounds.push(browser.eval("getComputedStyle(document.body).backgroundColor"));
    }
    assert_ne!(backgrounds[0], backgrounds[1]);
    for width in [320, 768, 1_180] {
        let metrics = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        browser.call("Emulation.setDeviceMetricsOverride", metrics);
        let wide = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
        assert!(wide <= width, "{wide} at {width}: it must be moved sideways to be read");
    }
    let pdf = browser.call("Page.printToPDF", json!({}));
    assert!(pdf["data"].as_str().unwrap().starts_with("JVBERi") && pdf["data"].as_str().unwrap().len() > 10_000);
    assert_eq!(browser.complaints(), [""; 0]);
}

/// Returns an audit page of two farms with names of usual length, from a day on, with an extreme number.
fn plain_page(start: &str, days: u32) -> (Scene, PathBuf) {
    let scene = Scene::embedded();
    let days = days.to_string();
    scene.run(&["init"]).expect(0, &[]);
    let size = ["--farms", "2", "--lots", "6", "--days", &days, "--start", start, "--out", "histories"];
    scene.run(&[&["generate"][..], &size].concat()).expect(0, &[]);
    scene.run(&["backfill", "histories"]).expect(0, &[]);
    scene.sql("DELETE FROM historico_consumo WHERE rowid % 11 = 3");
    scene.sql("UPDATE historico_consumo SET peso_medio = 3.4e38 WHERE rowid % 13 = 1");
    scene.run(&["reconcile", "--report", "page.html"]).expect(1, &[]);
    let page = scene.path("page.html");
    (scene, page)
}

fn resize(browser: &mut Browser, width: u32) {
    let metrics = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
    browser.call("Emulation.setDeviceMetricsOverride", metrics);
}

#[test]
fn two_weeks_of_days_and_extreme_numbers_fit_on_a_screen() {
    let (_scene, page) = plain_page("2024-01-01", 14);
    let mut browser = Browser::start();
    browser.open(&page, false);
    resize(&mut browser, 1_280);
    assert_eq!(browser.eval("document.querySelectorAll('.days tbody tr:first-child td').length"), 14);
    for table in [".days", ".totals"] {
        let fits =
            format!("(wide => wide.scrollWidth <= wide.clientWidth)(document.querySelector('{table}').parentElement)");
        assert_eq!(browser.eval(&fits), true, "{table} is cut");
    }
    resize(&mut browser, 400);
    let wide = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
    assert!(wide <= 400, "{wide}");
    let broken =
        "[...document.querySelectorAll('.hashes code, .nb, .flag')].filter(e => e.getClientRects().length > 1)";
    assert_eq!(browser.eval(&format!("{broken}.map(e => e.innerText)")), json!([]), "broken across lines");
}

/// January and March have one and two days here, which are narrower than the names of the months.
#[test]
fn the_squares_of_a_month_with_one_day_are_as_large_as_others() {
    let (_scene, page) = plain_page("2024-01-31", 32);
    let mut browser = Browser::start();
    browser.open(&page, false);
    resize(&mut browser, 1_280);
    let widths = "[...new Set([...document.querySelectorAll('.by-day td:not(.n)')].map(e => Math.round(e.getBoundingClientRect().width)))]";
    assert_eq!(browser.eval(widths).as_array().unwrap().len(), 1, "{}", browser.eval(widths));
}
