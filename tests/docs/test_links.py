"""Every link leads somewhere."""

from __future__ import annotations

import pytest

from tests.docs.documents import LINK, PAGES, ROOT, anchors, prose, shown


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links(page):
    """Each relative link leads to a file that is there, and its anchor to a heading."""
    broken = []
    for link in LINK.findall(prose(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_is_reached():
    """Each page of docs/ is linked from another page, so that a reader finds it."""
    reached = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in LINK.findall(prose(page))
        if "://" not in link
    }
    assert [shown(page) for page in PAGES if page.is_relative_to(ROOT / "docs") and page not in reached] == []
