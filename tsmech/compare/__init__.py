"""Do the answers agree?  Checks of whole systems, and z-scores in tables."""

from tsmech.compare.checking import REPLICATES as REPLICATES
from tsmech.compare.checking import SHORT_REPLICATES as SHORT_REPLICATES
from tsmech.compare.checking import STRICT_REPLICATES as STRICT_REPLICATES
from tsmech.compare.checking import Verdict as Verdict
from tsmech.compare.checking import check as check
from tsmech.compare.checking import summarise as summarise
from tsmech.compare.statistics import deviation as deviation
