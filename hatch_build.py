"""The package's page on an index: the README, whose links lead into the repository, which is not there."""

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)")


def page(text: str, source: str = "") -> str:
    """Return a Markdown text with its relative links made absolute below ``source``, or left out where there is none.

    Of a link its words stay, of a picture nothing.
    """

    def replaced(match: re.Match[str]) -> str:
        mark, words, target = match.groups()
        return f"{mark}[{words}]({source}/{target})" if source else "" if mark else words

    return re.sub(r"\n{3,}", "\n\n", LINK.sub(replaced, text))


class Page(MetadataHookInterface):
    """Makes the long description; ``Source`` among the project's URLs is the place that links lead to."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict) -> None:
        """Set the long description."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        source = metadata.get("urls", {}).get("Source", "").rstrip("/")
        metadata["readme"] = {"content-type": "text/markdown", "text": page(text, source)}
