//! The load test page in a real browser: no console messages, tooltips with figures, a narrow screen, and hostile data.

use std::path::PathBuf;

use serde_json::json;
use testkit::Scene;

use crate::chromium::Browser;
use crate::{CONTRAST, HOSTILE, PWNED};

/// A run of two seconds with conditions, a watch and invalid messages; hostile text in names and readings.
fn page() -> (Scene, PathBuf) {
    let scene = Scene::embedded();
    scene.history(1, 20, 20);
    let text = std::fs::read_to_string(scene.path("history.json")).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.insert(7, format!("{{\"id_lote\": \"{HOSTILE}"));
    let name = "<img src=x onerror=pwned()><b>.json";
    std::fs::write(scene.path(name), lines.join("\n")).unwrap();
    scene.run(&["init"]).expect(0, &[]);
    let args = ["publish", name, "--topic", "local", "--rate", "200/s", "--watch", "--report", "page.html"];
    scene.run(&[&args[..], &["--fail-if", "invalid > 0; p99 > 60s"]].concat()).expect(1, &[("invalid", 1)]);
    let page = scene.path("page.html");
    (scene, page)
}

#[test]
fn a_load_test_opens_without_console_messages_and_has_its_plots() {
    let (_scene, page) = page();
    let mut browser = Browser::start();
    browser.open(&page, false);
    assert_eq!(browser.eval("document.querySelector('h1').innerText.includes('1 of 2 checks failed')"), true);
    assert_eq!(browser.eval("document.querySelectorAll('svg').length"), 6);
    let drawn = browser.eval("[...document.querySelectorAll('svg path')].every(p => p.getTotalLength() > 100)");
    assert_eq!(drawn, true, "every line has a length");
    // The sides of a box are 32-bit floats: 33.3 + 266.7 is more than 300.
    let inside = browser.eval(
        "[...document.querySelectorAll('svg path')].every(p => { const b = p.getBBox(); \
         return b.x >= 0 && b.y >= 0 && b.x + b.width <= 1000.01 && b.y + b.height <= 300.01 })",
    );
    assert_eq!(inside, true, "no line leaves its plot");
    let shown = browser.eval(
        "[...document.querySelectorAll('.cols')].every(c => [...c.children].every(i => i.dataset.t.includes(': ')) && \
         Math.abs(c.clientWidth - [...c.children].reduce((sum, i) => sum + i.getBoundingClientRect().width, 0)) < 1)",
    );
    assert_eq!(shown, true, "columns fill the plot and each shows its figures");
    let links = browser.eval(
        "[...document.querySelectorAll('a')].every(a => !!document.getElementById(a.getAttribute('href').slice(1)))",
    );
    assert_eq!(links, true);
    let ids = "document.querySelectorAll('[id]').length === new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size";
    assert_eq!(browser.eval(ids), true);
    browser.eval("document.querySelectorAll('a, summary').forEach(e => e.click())");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn hostile_data_of_a_load_test_is_text() {
    let (_scene, page) = page();
    let mut browser = Browser::start();
    browser.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": PWNED}));
    browser.open(&page, true);
    browser.eval("document.querySelectorAll('details').forEach(d => d.open = true)");
    assert_eq!(browser.eval("document.body.textContent.includes('<img src=x onerror=pwned()>')"), true);
    let made = "document.querySelectorAll('script, img, b > b, iframe, object, embed, link, form, input, [onerror], [onload]').length";
    assert_eq!(browser.eval(made), 0);
    assert_eq!(browser.eval("window.was === true"), false);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_load_test_can_be_read_by_day_by_night_on_a_telephone_and_on_paper() {
    let (_scene, page) = page();
    let mut browser = Browser::start();
    browser.open(&page, false);
    for scheme in ["light", "dark"] {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.call("Emulation.setEmulatedMedia", features);
        let least = browser.eval(CONTRAST);
        assert!(least[0].as_f64().unwrap() >= 4.5, "{scheme}: {least}");
    }
    for width in [320, 400, 768, 1_280] {
        let metrics = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        browser.call("Emulation.setDeviceMetricsOverride", metrics);
        let wide = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
        assert!(wide <= width, "{wide} at {width}: it must be moved sideways to be read");
    }
    let pdf = browser.call("Page.printToPDF", json!({}));
    assert!(pdf["data"].as_str().unwrap().len() > 10_000);
    assert_eq!(browser.complaints(), [""; 0]);
}
