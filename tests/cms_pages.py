"""CMS's web pages as a loopback server can show them: its list of releases and the page of each."""

import calendar
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.catalog import Catalog, Release, load_catalog
from pipeline.store import PROJECT, Store
from tests.loopback import Site

CMS = "https://www.cms.gov"
INDEX = "/medicare/payment/fee-schedules/physician/pfs-relative-value-files"
PAGE = """<!DOCTYPE html>
<html lang="en" dir="ltr">
<head><meta charset="utf-8"><title>{title} | CMS</title></head>
<body>
<nav class="menu"><a href="/">Home</a> <a href="/files/zip/rvu-training-materials.zip">Training</a></nav>
<main id="main"><h1><span>{title}</span></h1>{content}</main>
<footer><a href="/files/zip/cms-forms.zip">Forms</a> <a href="mailto:someone@example.org">Mail</a></footer>
</body></html>
"""


@dataclass(frozen=True)
class Posted:
    """What CMS shows of a release: its description, and where the links under Downloads lead, newest last."""

    description: str
    hrefs: tuple[str, ...]


def copy_catalog(home: Path, site: Site, text: str = "") -> Catalog:
    """Give a home a catalog whose list and archives lie on the site instead of CMS; by default the project's."""
    path = home / "raw" / "catalog.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((text or (PROJECT / "raw/catalog.toml").read_text("utf-8")).replace(CMS, site.address), "utf-8")
    return load_catalog(*Store(home).catalogs)


def put_cms(site: Site, catalog: Catalog, posted: dict[str, Posted] | None = None) -> str:
    """Serve CMS's list with all releases of a catalog and those posted, and their pages; return the list's URL."""
    shown = {label: posted_as_known(release) for label, release in catalog.items()} | (posted or {})
    for label, each in shown.items():
        put_page(site, page_path(label), release_page(label, each.description, each.hrefs))
    return put_page(site, INDEX, index_page((label, page_path(label)) for label in reversed(shown)))


def put_page(site: Site, path: str, text: str) -> str:
    """Serve a page whose validator changes with it; return its URL."""
    body = text.encode()
    return site.put(path, body, etag=f'"{hashlib.sha256(body).hexdigest()[:16]}"')


def page_path(label: str) -> str:
    """Return where a release's page lies: CMS's old ones have no slashes."""
    if label[-3:-1] > "22":
        return f"{INDEX}/{label.lower()}"
    return f"/medicaremedicare-fee-service-paymentphysicianfeeschedpfs-relative-value-files/{label.lower()}"


def posted_as_known(release: Release) -> Posted:
    """Return what CMS shows of a release that the catalog knows."""
    day = release.effective_from
    hrefs = tuple(urlsplit(url).path for url in release.archives) or (f"/files/zip/{release.label.lower()}.zip",)
    return Posted(f"{calendar.month_name[day.month]} {day.year} release", hrefs)


def index_page(rows: Iterable[tuple[str, str]]) -> str:
    """Return CMS's list: label and href, row by row."""
    lines = [
        f"""<tr><td class="views-field views-field-title"><span class="td-label">Name</span>
        <a href="{escape(href)}" hreflang="en">20{label[-3:-1]}</a></td>
        <td class="views-field views-field-field-file-name"><span class="td-label">File Name</span>
        {escape(label)}</td></tr>"""
        for label, href in rows
    ]
    table = f"""<div class="view-content"><table class="views-table cols-2">
      <thead><tr><th scope="col" class="views-field"><a href="?order=title&amp;sort=asc">Name<span
        class="visually-hidden">Sort ascending</span></a></th>
      <th scope="col" class="views-field">File Name</th></tr></thead>
      <tbody>{"".join(lines)}</tbody></table></div>"""
    return PAGE.format(title="PFS Relative Value Files", content=table)


def release_page(label: str, description: str, hrefs: Iterable[str]) -> str:
    """Return the page of a release, with links to archives under Downloads as they are given."""
    links = [
        f'<div class="field__item"><a href="{escape(href)}">{escape(label)} - Updated 12/29/2025 (ZIP)</a></div>'
        for href in hrefs
    ]
    fields = {"File Name": f"{escape(label)}.ZIP", "Description": escape(description), "File Size": "4 MB"}
    blocks = [_block(name, f'<div class="field__item">{text}</div>') for name, text in fields.items()]
    downloads = _block("Downloads", f'<div class="field__items">{"".join(links)}</div>')
    content = _block("Dynamic List Information", "".join([*blocks, downloads]))
    return PAGE.format(title=escape(label), content=content)


def _block(label: str, items: str) -> str:
    return f'<div class="field field--label-above">\n<div class="field__label">{label}</div>\n{items}</div>\n'
