"""A hook of MkDocs: pages and files of the repository that are not below docs/, and links to them.

Every page reads in the repository as it does on the site: its links are those of the repository,
and are put right here. What leads nowhere fails the build.
"""

import posixpath
import re
from pathlib import PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PAGES = {
    "README.md": "index.md",
    "benchmarks/README.md": "performance.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
"""Where pages from elsewhere stand on the site."""
FILES = (
    "LICENSE",
    "NOTICE",
    "config/default.toml",
    "config/livetag.schema.json",
    "yamnet_class_map.csv",
)
"""What pages link to and readers may fetch."""
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is not below docs/."""
    for source in FILES:
        files.append(File.generated(config, source, abs_src_path=source))
    for source, place in PAGES.items():
        files.append(File.generated(config, place, abs_src_path=source))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have links lead where their targets stand on the site; those in code stay."""
    place = page.file.src_uri
    source = next((path for path, there in PAGES.items() if there == place), f"docs/{place}")
    folder = posixpath.dirname(source)

    def on_site(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[1]))
        there = PAGES.get(target, target.removeprefix("docs/"))
        return posixpath.relpath(there, PurePosixPath(place).parent)

    parts = _FENCE.split(markdown)
    parts[::2] = [_LINK.sub(on_site, text) for text in parts[::2]]
    return "".join(parts)
