"""Publications that systems cite; those that several systems cite are defined here."""

import re
import unicodedata
from dataclasses import dataclass

PROCEEDINGS = re.compile(r"[A-Z][A-Za-z]+ \d{4}\b")
"""How the proceedings of a conference begin, by its short name and year: NeurIPS 2019."""


@dataclass(frozen=True)
class Reference:
    """A publication that a system cites."""

    authors: str
    year: int
    title: str
    where: str
    """Journal with volume and page, conference with year (NeurIPS 2019), or nothing where it is on arXiv alone."""
    arxiv: str = ""
    doi: str = ""
    book: bool = False
    """Whether it is a book, and ``where`` its publisher."""

    def __str__(self) -> str:
        at = f"arXiv:{self.arxiv}" if self.arxiv else ""
        return ", ".join(filter(None, (f"{self.authors} ({self.year})", self.title, self.where, at)))

    @property
    def url(self) -> str:
        """Its address on arXiv, or its DOI; empty where it has neither."""
        if self.arxiv:
            return f"https://arxiv.org/abs/{self.arxiv}"
        return f"https://doi.org/{self.doi}" if self.doi else ""

    @property
    def key(self) -> str:
        """Its key in BibTeX: the first author's surname, the year and the first long word of the title."""
        surname = self.authors.split(",")[0].rpartition(". ")[2]
        word = next((word for word in re.findall(r"\w+", self.title) if len(word) > 3), "")
        plain = unicodedata.normalize("NFKD", f"{surname}{self.year}{word}").encode("ascii", "ignore").decode()
        return re.sub(r"\W", "", plain).lower()

    @property
    def _kind(self) -> tuple[str, str]:
        """What BibTeX calls it, and the field of ``where``."""
        if self.book:
            return "book", "publisher"
        if PROCEEDINGS.match(self.where):
            return "inproceedings", "booktitle"
        return "article" if self.where else "misc", "journal"

    def bibtex(self) -> str:
        """Return its entry in BibTeX, in UTF-8; what it appeared in, with volume and page, is one field.

        Examples
        --------
        >>> print(KROGH_HERTZ.bibtex())
        @article{krogh1992generalization,
          author = {A. Krogh and J. A. Hertz},
          year = {1992},
          title = {{Generalization in a linear perceptron in the presence of noise}},
          journal = {J. Phys. A 25, 1135},
        }
        """
        fields = {
            "author": " and ".join(self.authors.split(", ")),
            "year": str(self.year),
            "title": f"{{{self.title}}}",
        }
        kind, place = self._kind
        fields |= {place: self.where} if self.where else {}
        fields |= {"eprint": self.arxiv, "archiveprefix": "arXiv"} if self.arxiv else {}
        fields |= {"doi": self.doi} if self.doi else {}
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
        return "\n".join([f"@{kind}{{{self.key},", *lines, "}"])


def own_bibtex() -> str:
    """Return the entry of tsmech itself."""
    from tsmech import __version__

    fields = "author = {{The tsmech developers}}", "title = {{tsmech}}", f"version = {{{__version__}}}"
    return "\n".join(["@software{tsmech,", *(f"  {field}," for field in fields), "}"])


KROGH_HERTZ = Reference(
    "A. Krogh, J. A. Hertz",
    1992,
    "Generalization in a linear perceptron in the presence of noise",
    "J. Phys. A 25, 1135",
)
ADVANI_SAXE = Reference(
    "M. S. Advani, A. M. Saxe, H. Sompolinsky",
    2020,
    "High-dimensional dynamics of generalization error in neural networks",
    "Neural Networks 132, 428",
    arxiv="1710.03667",
)
DUMITRIU_EDELMAN = Reference(
    "I. Dumitriu, A. Edelman",
    2002,
    "Matrix models for beta ensembles",
    "J. Math. Phys. 43, 5830",
    arxiv="math-ph/0206043",
)
SAXE_DEEP = Reference(
    "A. M. Saxe, J. L. McClelland, S. Ganguli",
    2014,
    "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
    "ICLR 2014",
    arxiv="1312.6120",
)
SAXE_SEMANTIC = Reference(
    "A. M. Saxe, J. L. McClelland, S. Ganguli",
    2019,
    "A mathematical theory of semantic development in deep neural networks",
    "PNAS 116, 11537",
    arxiv="1810.10531",
)
SEUNG_SOMPOLINSKY_TISHBY = Reference(
    "H. S. Seung, H. Sompolinsky, N. Tishby",
    1992,
    "Statistical mechanics of learning from examples",
    "Phys. Rev. A 45, 6056",
)
WATKIN_RAU_BIEHL = Reference(
    "T. L. H. Watkin, A. Rau, M. Biehl",
    1993,
    "The statistical mechanics of learning a rule",
    "Rev. Mod. Phys. 65, 499",
)
ENGEL_VAN_DEN_BROECK = Reference(
    "A. Engel, C. Van den Broeck",
    2001,
    "Statistical Mechanics of Learning",
    "Cambridge University Press",
    book=True,
)
BODIN_MACRIS = Reference(
    "A. Bodin, N. Macris",
    2021,
    "Model, sample, and epoch-wise descents: exact solution of gradient flow in the random feature model",
    "NeurIPS 2021",
    arxiv="2110.11805",
)
SAXE_NELLI_SUMMERFIELD = Reference(
    "A. Saxe, S. Nelli, C. Summerfield",
    2021,
    "If deep learning is the answer, what is the question?",
    "Nat. Rev. Neurosci. 22, 55",
    arxiv="2004.07580",
)
