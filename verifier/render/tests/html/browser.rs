//! What a browser makes of a page: nothing is cut off, nothing lies on something else, at the width of a phone and of a desk.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::samples::PAGES;

/// Measures the page and tells the page around it what it found.
const PROBE: &str = r#"<script>
const wrong = [], width = document.documentElement.clientWidth;
const page = document.scrollingElement.scrollWidth;
if (page > width) wrong.push(`the page is ${page} wide`);
for (const details of document.querySelectorAll("details")) details.open = true;
const texts = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const node = walk.currentNode, parent = node.parentElement;
  if (!node.data.trim() || parent.closest("svg, script")) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  const scrolled = parent.closest(".scroll");
  for (const box of range.getClientRects()) {
    if (box.width < 1 || box.height < 1) continue;
    if (!scrolled && (box.left < 0 || box.right > width + 1)) wrong.push(`cut: ${node.data.trim().slice(0, 40)}`);
    texts.push({ box, text: node.data.trim().slice(0, 40) });
  }
}
texts.sort((a, b) => a.box.top - b.box.top);
texts.forEach((a, index) => {
  for (let next = index + 1; next < texts.length && texts[next].box.top < a.box.bottom - 4; next++) {
    const b = texts[next], over = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
    if (over > 2) wrong.push(`overlap: ${a.text} / ${b.text}`);
  }
});
for (const box of document.querySelectorAll(".panel, .banner, .card, figure, dl, ul, pre")) {
  if (box.scrollWidth > box.clientWidth + 1) wrong.push(`wider than its box: ${box.className || box.tagName}`);
}
const told = wrong.slice(0, 9).join("; ");
parent.postMessage(`${name} at ${width}: ${told || (texts.length > 10 ? "well" : "empty")}`, "*");
</script>"#;

/// Notes what the pages tell.
const LISTENER: &str = "<pre></pre><script>onmessage = told => document.querySelector('pre').append(told.data, '\\n');</script>";

#[needs::command("chromium --version")]
#[test]
fn nothing_is_cut_off_and_nothing_overlaps_in_a_browser() {
    let folder = tempfile::tempdir().unwrap();
    let mut around = LISTENER.to_owned();
    let mut expected = BTreeSet::new();
    for (index, (name, page)) in PAGES.iter().enumerate() {
        // The policy of the page would keep the probe from running.
        let (before, rest) = page.split_once("<meta http-equiv").unwrap();
        let (_, after) = rest.split_once('>').unwrap();
        let after = after.replace("</body>", &format!("{PROBE}</body>"));
        let file = format!("{index}.html");
        write(&folder.path().join(&file), &format!("{before}{after}"));
        // No window is as narrow as a phone; a frame is.
        for width in [390, 1280] {
            expected.insert(format!("{name} at {width}: well"));
            around.push_str(&format!(
                "<iframe src={file} name='{name}' width={width} height=900 frameborder=0></iframe>"
            ));
        }
    }
    let path = folder.path().join("around.html");
    write(&path, &around);
    let mut browser = Command::new("chromium");
    browser.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
    ]);
    browser.args([
        "--window-size=1400,1000",
        "--virtual-time-budget=10000",
        "--dump-dom",
    ]);
    let output = browser.arg(&path).output().unwrap();
    let dom = String::from_utf8(output.stdout).unwrap();
    let (_, told) = dom.split_once("<pre>").unwrap();
    let (told, _) = told.split_once("</pre>").unwrap();
    let told: BTreeSet<String> = told.lines().map(str::to_owned).collect();
    assert_eq!(told, expected);
}

fn write(path: &Path, page: &str) {
    #[expect(clippy::disallowed_methods, reason = "a page for a test")]
    fs::write(path, page).unwrap();
}
