"""Every page of every role, from phone to wide screen: nothing sticks out, nothing is too small or too pale.

Generic over the table of routes: a page that is new there is walked too.
"""

import re

import pytest
from playwright.sync_api import Error

from leadglass.access.policy import Action, narrow
from leadglass.access.principal import Role, Via
from leadglass.web.gate import Door
from leadglass.web.routes import ROUTES

pytestmark = pytest.mark.browser

WIDTHS = (360, 390, 768, 1440, 2560)
SMALLEST_TEXT = 12  # px
NEVER_OPENED = {"sign-in-page", "set-up-page"}  # by who is signed in; they lead away

STICKING_OUT = """() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  return ['page ' + document.documentElement.scrollWidth, ...[...document.querySelectorAll('body *')]
    .filter(one => one.getBoundingClientRect().right > wide + 1).slice(-3).map(one => one.outerHTML.slice(0, 90))];
}"""

SMALL = """(smallest) => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = new Set();
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !one.checkVisibility() || one.closest('script, noscript')) continue;
    let size = parseFloat(getComputedStyle(one).fontSize);
    const picture = one.closest('svg');
    if (picture) size *= picture.getScreenCTM().a;
    if (size < smallest - .01) found.add(size.toFixed(1) + ' ' + one.outerHTML.slice(0, 80));
  }
  return [...found];
}"""

# Our own words are not broken in their middle; others' values stand in <bdi> and may be.
BROKEN = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = new Set();
  while (walker.nextNode()) {
    const text = walker.currentNode, one = text.parentElement;
    if (!one.checkVisibility() || one.closest('bdi, .breaks, [dir=auto], code, svg, noscript, .visually-hidden')) continue;
    for (const word of text.textContent.matchAll(/[A-Za-z0-9]{2,}/g)) {
      const range = document.createRange();
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].filter(box => box.width > 0).map(box => Math.round(box.top)));
      if (lines.size > 1) found.add(word[0] + ' in ' + one.outerHTML.slice(0, 80));
    }
  }
  return [...found];
}"""

# WCAG 2.5.8: 24 px, but for links in a sentence; of a label with its field, the larger.
TARGETS = """() => {
  const found = [], inText = (one) => getComputedStyle(one).display === 'inline'
    && [...one.parentNode.childNodes].some(other => other.nodeType === 3 && other.textContent.trim().length > 1);
  for (const one of document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')) {
    if (!one.checkVisibility() || one.disabled || one.closest('.skip') || one.matches('.opens') || inText(one)) continue;
    const boxes = [one, ...(one.labels || [])].map(each => each.getBoundingClientRect());
    if (!boxes.some(box => box.width >= 24 && box.height >= 24)) found.push(one.outerHTML.slice(0, 100));
  }
  return found;
}"""

# What a screen reader needs and a machine can see.
SPOKEN = """() => {
  const said = [], all = (what) => [...document.querySelectorAll(what)];
  if (all('h1').length !== 1) said.push(all('h1').length + ' h1');
  if (all('main').length !== 1) said.push('no one main');
  if (!document.documentElement.lang || !document.title) said.push('no language or title');
  let level = 0;
  for (const one of all('h1, h2, h3, h4').filter(one => one.checkVisibility())) {
    if (Number(one.tagName[1]) > level + 1) said.push('a level is left out: ' + one.outerHTML.slice(0, 80));
    level = Number(one.tagName[1]);
  }
  const ids = all('[id]').map(one => one.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) said.push('twice #' + id);
  const name = (one) => one.getAttribute('aria-label') || one.getAttribute('title') || one.textContent.trim()
    || one.querySelector('img[alt]:not([alt=""])');
  for (const one of all('input:not([type=hidden]), select, textarea'))
    if (!one.labels.length && !one.getAttribute('aria-label')) said.push('no label: ' + one.outerHTML.slice(0, 80));
  for (const one of all('a[href], button, summary')) if (!name(one)) said.push('no name: ' + one.outerHTML.slice(0, 80));
  for (const one of all('img:not([alt])')) said.push('no alt: ' + one.outerHTML.slice(0, 80));
  for (const one of all('[aria-describedby], [aria-labelledby], label[for]'))
    for (const attribute of ['aria-describedby', 'aria-labelledby', 'for'])
      for (const id of (one.getAttribute(attribute) || '').split(' ').filter(Boolean))
        if (!document.getElementById(id)) said.push('nowhere: #' + id);
  for (const one of all('table')) if (!one.querySelector('th')) said.push('a table without heads');
  for (const one of all('[style]')) said.push('style: ' + one.outerHTML.slice(0, 80));
  return said;
}"""


def addresses(world, principal):
    """(route's name, address) of each page this one may open; numbers in paths are of what the home holds."""
    study, context = str(world.study_id("X0")), world.context(Via.WEB)
    for route in ROUTES:
        if route.door is not Door.PAGES or "GET" not in route.methods or route.name in NEVER_OPENED:
            continue
        if isinstance(route.needs, Action) and narrow(principal, route.needs, context).nothing:
            continue
        yield (
            route.name,
            re.sub(r"{(\w+)[^}]*}", lambda match: study if match[1] == "study" else "1", route.path),
        )


def visit(page, path):
    """The answer, or None for what is no page but a file to be saved."""
    try:
        return page.goto(path)
    except Error as error:
        if "Download is starting" in str(error):
            return None
        raise


@pytest.mark.parametrize("role", list(Role)[:5], ids=str)
def test_every_page_fits_every_screen(open_page, address, sessions, filled, helpers, portal, role):
    page = open_page(base_url=address)
    session = sessions[helpers.PEOPLE[role]]
    page.context.add_cookies([{"name": "leadglass", "value": session, "url": address}])
    said = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    problems = []
    for name, path in addresses(filled, filled.principal(role)):
        answer = visit(page, path)
        if answer is None or "html" not in answer.headers.get("content-type", ""):
            continue
        if answer.status != 200:
            problems.append((name, answer.status))
        problems += [(name, one) for one in page.evaluate(SPOKEN)]
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            problems += [(name, width, one) for one in page.evaluate(STICKING_OUT)]
            problems += [(name, width, one) for one in page.evaluate(SMALL, SMALLEST_TEXT)]
            problems += [(name, width, one) for one in page.evaluate(BROKEN)]
        page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        problems += [(name, "unfolded", one) for one in page.evaluate(STICKING_OUT)]
        problems += [(name, "unfolded", one) for one in page.evaluate(TARGETS)]
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            problems += [(name, scheme, one) for one in page.evaluate(portal.CONTRAST)]
    assert problems == []
    assert said == []
