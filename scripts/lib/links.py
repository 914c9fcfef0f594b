"""Checks the links of all Markdown files of the repository: every relative link and anchor must resolve.

    links.py REPOSITORY

In the book (docs/) a link must also stay inside the book, and every page must be in SUMMARY.md: mdBook does not publish the
rest of the repository. Links to other hosts are not followed.
"""

import pathlib
import re
import subprocess
import sys

FENCE = re.compile(r"^ {0,3}(```+|~~~+).*?^ {0,3}\1`*~* *$", re.M | re.S)
CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)", re.S)
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)")
HTML = re.compile(r"<(?:img|a|source)\b[^>]*?\b(?:src|href|srcset)=\"([^\"]+)\"")
NAMED = re.compile(r"<\w+ (?:id|name)=\"([^\"]+)\"")
HEADING = re.compile(r"^#{1,6} +(.+?) *#* *$", re.M)


def slug(heading):
    """Returns the anchor of a heading, as GitHub and mdBook make it."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
    text = re.sub(r"[^\w\- ]", "", text.strip().lower())
    return text.replace(" ", "-")


class Page:
    def __init__(self, path):
        text = FENCE.sub("", path.read_text(encoding="utf-8"))
        self.anchors, seen = set(NAMED.findall(text)), {}
        for heading in HEADING.findall(text):
            anchor = slug(heading)
            count = seen[anchor] = seen.get(anchor, -1) + 1
            self.anchors.add(f"{anchor}-{count}" if count else anchor)
        prose = CODE.sub("", text)
        self.links = LINK.findall(prose) + HTML.findall(prose)


def check(repository):
    listed = subprocess.run(
        ["git", "-C", repository, "ls-files", "-co", "--exclude-standard", "*.md"], capture_output=True, text=True, check=True
    )
    root = pathlib.Path(repository).resolve()
    pages = {root / name: Page(root / name) for name in listed.stdout.splitlines() if (root / name).exists()}
    book = root / "docs"
    errors = []
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"[a-z][a-z+.-]*:|//", link):
                continue
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            where = f"{path.relative_to(root)}: {link}"
            if not target.exists():
                errors.append(f"{where}: no such file")
            elif anchor and anchor not in pages.get(target, page).anchors:
                errors.append(f"{where}: no such heading")
            elif book in path.parents and book not in target.parents:
                errors.append(f"{where}: leaves the book: name the file in backticks instead")
    summary = pages[book / "SUMMARY.md"]
    listed = {(book / link).resolve() for link in summary.links}
    for path in pages:
        if book in path.parents and path != book / "SUMMARY.md" and path not in listed:
            errors.append(f"{path.relative_to(root)}: is not in docs/SUMMARY.md")
    return len(pages), sum(len(page.links) for page in pages.values()), errors


def main():
    count, links, errors = check(sys.argv[1])
    for error in errors:
        print(error, file=sys.stderr)
    print(f"{count} Markdown files, {links} links: {len(errors)} broken")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
