"""Publications that systems rest on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """A publication that a system rests on."""

    authors: str
    year: int
    title: str
    where: str
    """Journal or book with volume and page, or nothing where it is on arXiv alone."""
    arxiv: str = ""
    doi: str = ""

    def __str__(self) -> str:
        at = f"arXiv:{self.arxiv}" if self.arxiv else ""
        return ", ".join(filter(None, (f"{self.authors} ({self.year})", self.title, self.where, at)))
