"""The documentation site: ``make docs`` builds it into ``build/docs`` without a network.

Formulas are set by MathJax, whose files the site holds.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pages
from sphinx.application import Sphinx

import tsmech

project = "tsmech"
author = "the authors of tsmech"
release = version = tsmech.__version__
copyright = author

extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.viewcode"]
extensions += ["sphinx-mathjax-offline"]  # ships MathJax's files and names them
exclude_patterns: list[str] = []
nitpicky = True
toc_object_entries = False  # headings alone: with each function in it the tree beside every page takes most of the time
suppress_warnings = ["ref.citation"]  # a source may be named without a place that cites it
nitpick_ignore_regex = [("py:.*", r"(numpy|scipy|pandas|concurrent|matplotlib|xarray)\..*")]  # no other site is asked

html_theme = "furo"
html_title = "tsmech"
html_static_path = ["static"]
html_css_files = ["wide.css"]

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "force"  # the notebooks alone hold code that runs
nb_execution_timeout = 180
nb_execution_raise_on_error = True
nb_output_stderr = "remove"
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections say what is taken and returned
autodoc_preserve_defaults = True
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = False


def setup(app: Sphinx) -> None:
    """Write the pages that the declarations make, find their names, and let MathJax number the notes' equations."""
    app.extensions["sphinx-mathjax-offline"].parallel_read_safe = True  # it copies files in the end and says nothing
    app.connect("builder-inited", lambda app: pages.write(Path(app.srcdir)))
    app.connect("autodoc-process-docstring", pages.name_sections)
    app.connect("autodoc-skip-member", pages.skips)
    app.connect("missing-reference", pages.follow)
    app.connect("doctree-read", lambda app, doctree: pages.mark_tags(doctree))
