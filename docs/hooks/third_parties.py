"""Print what pages of a built site would load from other hosts: `make docs` runs this.

Links that a reader follows may lead anywhere. Scripts, styles, fonts, images and frames may not:
they would tell a third party who reads what. Exits with 1 where there are any.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

LOADED = {
    "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src",
    "audio": "src", "embed": "src", "object": "data", "link": "href", "image": "href",
    "use": "href",
}  # fmt: skip
NOT_LOADED = {"canonical", "alternate", "next", "prev", "edit"}
"""Relations of a <link> that name a page."""
IN_STYLES = re.compile(r"(?:url\(\s*|@import\s+)[\"']?([^\"')\s]+)")


class Loads(HTMLParser):
    """Collects the addresses that a page loads by itself, and whether it draws diagrams."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        relation = set(values.get("rel", "").split())
        if tag in LOADED and not relation & NOT_LOADED:
            self.addresses.append(values.get(LOADED[tag], ""))
        self.addresses += [part.split()[0] for part in _sources(values.get("srcset", ""))]
        self.addresses += IN_STYLES.findall(values.get("style", ""))
        if "mermaid" in values.get("class", "").split():
            self.addresses.append("https://unpkg.com/ (the theme's script for diagrams)")


def _sources(text: str) -> list[str]:
    return [part for part in text.split(",") if part.strip()]


def foreign(site: Path) -> Iterator[str]:
    """``page: address`` of everything that is loaded from another host."""
    for path in sorted(p for p in site.rglob("*") if p.suffix in {".html", ".css", ".svg"}):
        text = path.read_text(encoding="utf-8")
        for address in _addresses(text, path.suffix):
            if urlsplit(address).netloc:
                yield f"{path.relative_to(site)}: {address}"


def _addresses(text: str, suffix: str) -> list[str]:
    if suffix == ".css":
        return IN_STYLES.findall(text)
    loads = Loads()
    loads.feed(text)
    styles = " ".join(re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL))
    return [*loads.addresses, *IN_STYLES.findall(styles)]


def main(site: Path) -> int:
    if not (site / "index.html").is_file():
        print(f"{site} has no index.html: is it a built site?")
        return 1
    found = list(foreign(site))
    print(
        "\n".join(found) if found else f"The site is in {site}/; it loads nothing from elsewhere."
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
