# SPDX-License-Identifier: MIT
"""Looks at reports in headless Chromium, by ChromeDriver's plain HTTP (W3C WebDriver): the standard library is enough.

    pages.py check FOLDER          every FOLDER/*/report.html, and every FOLDER/*/blind.html with its key.csv; screenshots, and
                                   the answers to blind pages, go beside them
    pages.py self-test PAGE.html   does the check see what is wrong, on copies of a page that are spoilt? A report, or a blind page
    pages.py screenshot PAGE.html OUT.png [WIDTH [HEIGHT]]
"""

import base64
import csv
import glob
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

# What a page must be, whatever its width and colours. Gives sentences about what is wrong.
LOOK = r"""
const problems = [];
const say = (text) => { if (problems.length < 20) problems.push(text); };
const page = document.documentElement;
if (page.scrollWidth > innerWidth) {
  say(`the page is ${page.scrollWidth} wide in a window of ${innerWidth}`);
  for (const e of document.querySelectorAll('body *'))
    if (!e.closest('.scroll') && e.getBoundingClientRect().right > innerWidth + 0.5) {
      say(`wider than the window: ${e.tagName} ${e.className} ${e.textContent.slice(0, 40)}`);
      break;
    }
}

const numbers = (text) => {
  const found = (text.match(/[-+.\deE]+/g) || []).map(Number).filter((n) => !Number.isNaN(n));
  return text.startsWith('color(') ? [...found.slice(0, 3).map((n) => 255 * n), found.length > 3 ? found[3] : 1]
                                   : [...found.slice(0, 3), found.length > 3 ? found[3] : 1];
};
const over = (top, under) => [0, 1, 2].map((i) => top[3] * top[i] + (1 - top[3]) * under[i]).concat(1);
const background = (element) => {
  const layers = [];
  for (let e = element; e; e = e.parentElement) layers.push(numbers(getComputedStyle(e).backgroundColor));
  const dark = matchMedia('(prefers-color-scheme: dark)').matches && !matchMedia('print').matches;
  let color = dark ? [18, 18, 18, 1] : [255, 255, 255, 1];
  for (const layer of layers.reverse()) color = over(layer, color);
  return color;
};
const luminance = (c) => {
  const [r, g, b] = c.slice(0, 3).map((n) => n / 255).map((n) => n <= 0.03928 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
};

// Texts: what can be read of each, and on what.
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const rectangles = [];
let texts = 0;
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const parent = node.parentElement;
  if (!node.data.trim() || parent.closest('title, desc') || !parent.checkVisibility({visibilityProperty: true})) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  let clip = {left: -1e9, top: -1e9, right: 1e9, bottom: 1e9};
  for (let e = parent; e && e !== page && e !== document.body; e = e.parentElement)
    if (getComputedStyle(e).overflowX !== 'visible' && !(e instanceof SVGElement)) {
      const r = e.getBoundingClientRect();
      clip = {left: Math.max(clip.left, r.left), top: Math.max(clip.top, r.top), right: Math.min(clip.right, r.right),
              bottom: Math.min(clip.bottom, r.bottom)};
    }
  for (const r of range.getClientRects()) {
    const box = {left: Math.max(r.left, clip.left), top: Math.max(r.top, clip.top), right: Math.min(r.right, clip.right),
                 bottom: Math.min(r.bottom, clip.bottom), node, text: node.data.trim().slice(0, 40)};
    if (box.right - box.left > 1 && box.bottom - box.top > 1) rectangles.push(box);
  }
  const style = getComputedStyle(parent), svg = parent instanceof SVGElement;
  const under = background(parent), shown = over(numbers(svg ? style.fill : style.color), under);
  const ratio = contrast(shown, under);
  if (ratio < 4.5) say(`contrast ${ratio.toFixed(2)}: "${node.data.trim().slice(0, 40)}" ${style.color}`);
  if (!svg && parseFloat(style.fontSize) < (matchMedia('print').matches ? 8 : 11))
    say(`text of ${style.fontSize}: "${node.data.trim().slice(0, 40)}"`);
  ++texts;
}
if (texts < 20) say(`only ${texts} texts can be seen`);
rectangles.sort((a, b) => a.top - b.top);
for (let i = 0; i < rectangles.length; ++i)
  for (let j = i + 1; j < rectangles.length && rectangles[j].top < rectangles[i].bottom - 2; ++j) {
    const a = rectangles[i], b = rectangles[j];
    // Lines of one text may touch; and a line's box is taller than its letters.
    if (a.node !== b.node && Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
        Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3)
      say(`"${a.text}" lies over "${b.text}"`);
  }
// Boxes that stand side by side or below each other must not lie over each other.
for (const list of ['main > section', 'figure', 'nav li', 'section .scroll']) {
  const boxes = [...document.querySelectorAll(list)].filter((e) => e.checkVisibility())
                                                    .map((e) => e.getBoundingClientRect());
  for (let i = 0; i < boxes.length; ++i)
    for (let j = i + 1; j < boxes.length; ++j)
      if (Math.min(boxes[i].right, boxes[j].right) - Math.max(boxes[i].left, boxes[j].left) > 1 &&
          Math.min(boxes[i].bottom, boxes[j].bottom) - Math.max(boxes[i].top, boxes[j].top) > 1)
        say(`${list} ${i} lies over ${j}`);
}
for (const e of document.querySelectorAll('path.line, .point, .whisker, .dot')) {
  const ratio = contrast(numbers(getComputedStyle(e).color), background(e.closest('figure, td, li')));
  if (ratio < 3) say(`contrast ${ratio.toFixed(2)} of a picture's ${e.getAttribute('class')}`);
}
for (const e of document.querySelectorAll('svg text')) {
  const inside = e.getBoundingClientRect(), box = e.closest('svg').getBoundingClientRect();
  if (inside.left < box.left - 1 || inside.right > box.right + 1 || inside.bottom > box.bottom + 1)
    say(`cut off in a picture: "${e.textContent}"`);
}

// What others read than eyes.
const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
if (new Set(ids).size !== ids.length) say('two elements share an id');
for (const e of document.querySelectorAll('[aria-labelledby]'))
  if (!document.getElementById(e.getAttribute('aria-labelledby'))) say(`no ${e.getAttribute('aria-labelledby')}`);
for (const a of document.querySelectorAll('a[href^="#"]'))
  if (!document.getElementById(a.getAttribute('href').slice(1))) say(`a link leads nowhere: ${a.textContent}`);
for (const i of document.images) {
  if (!i.alt) say('a picture without a text');
  if (!i.naturalWidth) say('a picture that is none');
}
for (const s of document.querySelectorAll('svg[role=img]'))
  if (!s.querySelector(':scope > title') || !s.querySelector(':scope > desc')) say('a chart without a text');
for (const t of document.querySelectorAll('table')) {
  if (!t.querySelector('thead th[scope=col]') || !t.querySelector('tbody th[scope=row]')) say('a table without headers');
  const widths = new Set([...t.rows].map((r) => r.cells.length));
  if (widths.size > 1) say(`rows of different length: ${t.parentElement.ariaLabel}`);
}
if (!page.lang || !document.title || document.querySelectorAll('h1').length !== 1) say('no language, title or one h1');
if (document.querySelector('script, iframe, object, embed, form, link[rel=stylesheet]')) say('a script or something embedded');
for (const e of document.querySelectorAll('*'))
  for (const a of e.attributes) if (a.name.startsWith('on')) say(`an attribute ${a.name}`);
return problems;
"""


class Browser:
    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.driver = subprocess.Popen(["chromedriver", f"--port={port}", "--log-level=OFF"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(100):
                try:
                    if self.call("GET", "/status")["ready"]:
                        break
                except OSError:
                    time.sleep(0.1)
            arguments = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--force-color-profile=srgb"]
            if os.geteuid() == 0:
                arguments.append("--no-sandbox")
            session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome",
                "goog:chromeOptions": {"binary": shutil.which("chromium") or "chromium", "args": arguments},
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}})
            self.session = "/session/" + session["sessionId"]
            print("browser:", session["capabilities"]["browserVersion"])
        except BaseException:
            self.driver.kill()
            raise

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.read().decode()[:500]}") from None

    def post(self, path, body=None):
        return self.call("POST", self.session + path, body or {})

    def devtools(self, command, **parameters):
        return self.post("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def run(self, script, *arguments):
        return self.post("/execute/sync", {"script": script, "args": list(arguments)})

    def window(self, width, height=900):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def media(self, scheme, media=""):
        self.devtools("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, path):
        self.post("/url", {"url": "file://" + os.path.abspath(path)})

    def press(self, key):
        self.post("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": [
            {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]}]})

    def screenshot(self, path, width, height=None):
        page = height or self.run("return Math.ceil(document.documentElement.getBoundingClientRect().height)")
        shot = self.devtools("Page.captureScreenshot", captureBeyondViewport=True,
                             clip={"x": 0, "y": 0, "width": width, "height": min(page, 16000), "scale": 1})
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    def close(self):
        try:
            self.call("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait()


def keyboard(browser, used="a[href], summary, .scroll"):
    """Does Tab reach all that can be used, with a focus that is seen, and do arrows scroll?"""
    expected = browser.run("""
      window.wanted = [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility());
      window.reached = new Set(); document.activeElement.blur(); scrollTo(0, 0); return wanted.length;""", used)
    problems, scrolled = [], None
    for _ in range(expected + 5):
        browser.press("\ue004")
        state = browser.run("""
          const e = document.activeElement, s = getComputedStyle(e);
          if (e === document.body) return null;
          reached.add(e);
          const seen = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2;
          const inside = e.getBoundingClientRect();
          return {seen, name: e.tagName + ' ' + e.textContent.slice(0, 30), wide: e.scrollWidth > e.clientWidth + 40,
                  on_screen: inside.bottom > 0 && inside.top < innerHeight};""")
        if not state:
            continue
        if not state["seen"]:
            problems.append("the focus can't be seen on " + state["name"])
        if not state["on_screen"]:
            problems.append("what has the focus is out of sight: " + state["name"])
        if state["wide"] and scrolled is None and "scroll" in used:
            browser.press("\ue014")
            for _ in range(20):
                scrolled = browser.run("return document.activeElement.scrollLeft > 0")
                if scrolled:
                    break
                time.sleep(0.05)
    missed = browser.run("return wanted.filter(e => !reached.has(e)).map(e => e.tagName + ' ' + e.textContent.slice(0, 30))")
    problems += ["Tab does not reach " + name for name in missed[:5]]
    if scrolled is False:
        problems.append("the arrow keys do not scroll a wide table")
    return problems


def logs(browser):
    problems = [entry["message"] for entry in browser.post("/se/log", {"type": "browser"})]
    for entry in browser.post("/se/log", {"type": "performance"}):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            if not url.startswith(("file://", "data:", "blob:")):
                problems.append("the page asks for " + url)
    return problems


def problems_of(browser, path, shots=False):
    failures = []

    def look(where):
        failures.extend(f"{where}: {problem}" for problem in browser.run(LOOK))

    stem = os.path.splitext(path)[0]
    for width in (360, 1280):
        for scheme in ("light", "dark"):
            browser.window(width)
            browser.media(scheme)
            browser.open(path)
            look(f"{width} {scheme}")
            if shots:
                browser.screenshot(f"{stem}_{width}_{scheme}.png", width)
            browser.run("for (const d of document.querySelectorAll('details')) d.open = true;")
            look(f"{width} {scheme}, open")
        browser.open(path)
        failures.extend(f"{width}: {problem}" for problem in keyboard(browser))
    failures.extend(f"log: {problem}" for problem in logs(browser))

    browser.media("light")
    browser.open(path)
    text = browser.run("return document.body.innerText")
    browser.devtools("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(path)
    if browser.run("return document.body.innerText") != text:
        failures.append("without script the page says something else")
    browser.devtools("Emulation.setScriptExecutionDisabled", value=False)

    # A4 less its margins, in CSS points; dark must not be printed.
    browser.window(688)
    browser.media("dark", "print")
    browser.open(path)
    look("print")
    browser.media("light", "")
    pdf = base64.b64decode(browser.post("/print", {"page": {"width": 21.0, "height": 29.7}, "shrinkToFit": False}))
    with open(stem + ".pdf", "wb") as file:
        file.write(pdf)
    if not pdf.startswith(b"%PDF") or not re.search(rb"/Type\s*/Page\b", pdf):
        failures.append("it does not print")
    return failures


KEYS = {"left": "\ue012", "right": "\ue014", "tie": "\ue015", "undo": "\ue003"}


def problems_of_blind(browser, path, shots=False):
    """Walks through a page that asks which picture is better. Its answers are written beside it."""
    folder, stem = os.path.dirname(os.path.abspath(path)), os.path.splitext(path)[0]
    with open(os.path.join(folder, "key.csv"), newline="", encoding="utf-8") as file:
        key = list(csv.DictReader(file))
    preferred = min(row["right"] for row in key)
    names = {row[column] for row in key for column in ("left", "right", "pair", "photo")} | {"spoilt"}
    failures = []

    def look(where):
        # It has a script, and few texts.
        failures.extend(f"{where}: {problem}" for problem in browser.run(LOOK)
                        if problem != "a script or something embedded" and not problem.startswith("only "))
        seen = browser.run("return document.documentElement.outerHTML")
        failures.extend(f"{where}: it names {name}" for name in sorted(names) if name in seen)

    def begin(name):
        browser.run("document.getElementById('judge').value = arguments[0]; document.getElementById('start').click();", name)

    def anew():
        # Storage is another process's: a page opened at once may still see what was cleared.
        for _ in range(50):
            browser.run("try { localStorage.clear(); } catch {}")
            browser.open(path)
            if not browser.run("return document.getElementById('begin').hidden"):
                return
            time.sleep(0.02)
        failures.append("an earlier judge's answers can't be cleared")

    def settle():
        for _ in range(50):
            if browser.run("return [...document.images].every(i => i.complete && i.style.width)"):
                return
            time.sleep(0.02)
        failures.append("the pictures are not there")

    def progress():
        return browser.run("return document.getElementById('progress').innerText")

    for width in (360, 1280):
        for scheme in ("light", "dark") if shots else ("light",):
            browser.window(width)
            browser.media(scheme)
            browser.open(path)
            anew()
            browser.run("for (const d of document.querySelectorAll('details')) d.open = true;")
            look(f"{width} {scheme}, first")
            browser.run("for (const d of document.querySelectorAll('details')) d.open = false;")
            begin("=1+1")
            if browser.run("return !document.getElementById('ask').hidden"):
                failures.append("a name that is none is taken")
            begin("\u0905\u0928\u0941")  # its last sign is a mark that goes with a letter
            if browser.run("return document.getElementById('ask').hidden"):
                failures.append("a name in letters and marks is not taken")
            anew()
            begin("A Tester")
            settle()
            look(f"{width} {scheme}")
            if shots:
                browser.screenshot(f"{stem}_{width}_{scheme}.png", width)
            state = browser.run("""
              const box = (k) => document.querySelector('figure.' + k + ' .frame').getBoundingClientRect();
              const image = document.querySelector('figure.left img');
              return {left: box('left'), right: box('right'), nearest: getComputedStyle(image).imageRendering,
                      factor: image.getBoundingClientRect().width / image.naturalWidth};""")
            if state["left"]["right"] > state["right"]["left"] or abs(state["left"]["top"] - state["right"]["top"]) > 1:
                failures.append(f"{width}: left is not beside right")
            factor = state["factor"] or 0  # none of a picture that is none
            if state["nearest"] != "pixelated" or factor < 1 or factor % 1 != 0:
                failures.append(f"{width}: enlarged {factor} times, {state['nearest']}")
            browser.press("+")
            browser.press("+")
            larger = browser.run("return document.querySelector('figure.right img').getBoundingClientRect().width")
            natural = browser.run("return document.querySelector('figure.right img').naturalWidth")
            if larger != (factor + 2) * natural:
                failures.append(f"{width}: plus does not enlarge: {larger} of {natural}")
            look(f"{width} {scheme}, larger")
            browser.press("0")
        failures.extend(f"{width}: {problem}" for problem in
                        keyboard(browser, "button:not(:disabled), input, summary"))

    browser.window(1280)
    browser.media("light")
    browser.devtools("Browser.setDownloadBehavior", behavior="allow", downloadPath=folder)
    browser.run("document.activeElement.blur();")
    browser.run("for (const detail of [1, 2]) document.getElementById('left').dispatchEvent(new MouseEvent('click', {detail}));")
    if progress() != f"Pair 2 of {len(key)}":
        failures.append(f"after a double click it says {progress()}")
    browser.run("for (const once of [1, 2]) document.getElementById('undo').click();")
    given = []
    for number, row in enumerate(key):
        settle()
        if progress() != f"Pair {number + 1} of {len(key)}":
            failures.append(f"at pair {number + 1} it says {progress()}")
        side = {"same": "tie", "left spoilt": "right", "right spoilt": "left"}.get(
            row["kind"], "left" if row["left"] == preferred else "right")
        if number == 2:  # a wrong answer is taken back
            browser.press(KEYS["tie" if side != "tie" else "left"])
            browser.press(KEYS["undo"])
            settle()
        browser.press(KEYS[side])
        given.append(side)
        if number == 3:  # what was answered is still there
            browser.open(path)
    if not browser.run("return document.getElementById('ask').hidden && !document.getElementById('done').hidden"):
        failures.append("it does not end")
    look("last")
    if shots:
        browser.screenshot(f"{stem}_last.png", 1280)
    file = os.path.join(folder, "answers_A_Tester.csv")
    if os.path.exists(file):
        os.remove(file)
    browser.run("document.getElementById('download').click();")
    for _ in range(100):
        if os.path.exists(file) and not glob.glob(os.path.join(folder, "*.crdownload")):
            break
        time.sleep(0.05)
    try:
        with open(file, newline="", encoding="utf-8") as opened:
            rows = list(csv.DictReader(opened))
        expected = [(key[0]["page"], "A Tester", str(n + 1), side) for n, side in enumerate(given)]
        if [(row["page"], row["judge"], row["place"], row["choice"]) for row in rows] != expected:
            failures.append(f"other answers than were given: {rows[:5]}")
        if not all(0 < float(row["seconds"]) < 60 for row in rows):
            failures.append("seconds that can't be")
    except (OSError, KeyError, ValueError) as error:
        failures.append(f"no answers: {error}")
    failures.extend(f"log: {problem}" for problem in logs(browser))
    return failures


def check(browser, path):
    of = problems_of_blind if os.path.basename(path) == "blind.html" else problems_of
    failures = of(browser, path, shots=True)
    name = os.path.basename(os.path.dirname(path))
    for failure in failures:
        print(f"FAILED: {name}: {failure}", file=sys.stderr)
    print(f"{name}: {len(failures)} problems")
    return len(failures)


# Each way to spoil a page, and what the check must say of it.
SPOILT = [
    ("</head>", "<script>document.title = 'x'; console.error('mine')</script></head>", "a script"),
    ("</head>", "<script>console.error('mine')</script></head>", "Content Security Policy"),
    ("<h1>", "<img alt='x' src='http://127.0.0.1:9/x.png'><h1>", "a picture that is none"),
    ("--soft: #57606a", "--soft: #a0a8b0", "contrast"),
    ("--c0: #57606a", "--c0: #e0e0e0", "of a picture's line"),
    ("h1 { ", "h1 { margin-bottom: -40px !important; ", "lies over"),
    (".scroll { overflow-x: auto;", ".scroll { overflow-x: visible;", "wide in a window"),
    ("outline: 3px solid", "outline: 0 solid", "the focus can't be seen"),
    ('<div class="scroll" tabindex="0"', '<div class="scroll" style="overflow: hidden" tabindex="-1"', "Tab does not reach"),
    ('href="#results"', 'href="#elsewhere"', "leads nowhere"),
    ('id="results-title"', 'id="answer"', "share an id"),
    ("<desc>", "<metadata>", "a chart without a text"),
    ("</body>", "<noscript>Only without script.</noscript></body>", "without script"),
]


# The same for a page that asks.
SPOILT_BLIND = [
    ("image.alt = name", "image.alt = 'adaptive_groups'", "it names adaptive_groups"),
    ("ArrowRight: () => answer('right')", "ArrowRight: () => answer('left')", "other answers than were given"),
    ("localStorage.setItem(", "String(", "it says Pair 1 of"),
    ("answers.pop();", "", "it says Pair"),
    ("'page,judge,place,choice,seconds", "'page;judge;place;choice;seconds", "no answers"),
    ("image-rendering: pixelated", "image-rendering: auto", "times, auto"),
    ("; img-src data:", "", "Content Security Policy"),
    ("load();", "load(); console.error('mine');", "mine"),
    ("body { margin: 0 auto;", "body { min-width: 500px; margin: 0 auto;", "wide in a window"),
    ("const name = $('judge').value.trim();\n", "judge = $('judge').value; keep(); show(); return; const name = '';",
     "a name that is none"),
]


def self_test(browser, path):
    with open(path, encoding="utf-8") as file:
        whole = file.read()
    missed = 0
    blind = os.path.basename(path) == "blind.html"
    faults, problems = (SPOILT_BLIND, problems_of_blind) if blind else (SPOILT, problems_of)
    with tempfile.TemporaryDirectory() as folder:
        page = os.path.join(folder, os.path.basename(path))
        if blind:
            shutil.copy(os.path.join(os.path.dirname(path), "key.csv"), folder)
        for number, (old, new, expected) in enumerate(faults):
            if old not in whole:
                raise RuntimeError(f"the page has no {old}")
            with open(page, "w", encoding="utf-8") as file:
                file.write(whole.replace(old, new))
            found = problems(browser, page)
            if not any(expected in problem for problem in found):
                print(f"FAILED: spoilt page {number}: nobody said \"{expected}\" but {found[:5]}", file=sys.stderr)
                missed += 1
    print(f"self-test: {len(faults) - missed} of {len(faults)} faults were found")
    return missed


def main():
    if len(sys.argv) >= 4 and sys.argv[1] == "screenshot":
        width = int(sys.argv[4]) if len(sys.argv) > 4 else 1280
        browser = Browser()
        try:
            browser.window(width)
            browser.media("light")
            browser.open(sys.argv[2])
            browser.screenshot(sys.argv[3], width, int(sys.argv[5]) if len(sys.argv) > 5 else None)
        finally:
            browser.close()
        return 0
    if len(sys.argv) == 3 and sys.argv[1] == "self-test":
        browser = Browser()
        try:
            return 1 if self_test(browser, sys.argv[2]) else 0
        finally:
            browser.close()
    if len(sys.argv) != 3 or sys.argv[1] != "check":
        print(__doc__, file=sys.stderr)
        return 2
    pages = sorted(glob.glob(os.path.join(sys.argv[2], "*", "report.html")) +
                   glob.glob(os.path.join(sys.argv[2], "*", "blind.html")))
    if not pages:
        print("no reports in", sys.argv[2], file=sys.stderr)
        return 1
    browser = Browser()
    try:
        return 1 if sum(check(browser, page) for page in pages) else 0
    finally:
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
