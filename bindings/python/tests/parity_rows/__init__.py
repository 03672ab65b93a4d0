"""The rows of the parity table: each algorithm, its options, and who else has it.

A new rule is one oracle, one line in parity_rules.py and one row here for each peer; what flags do to it gets its cells
by itself (`options`). Options have the words of torch, or of the rule's reference; what a library calls them is in
peers.py, and what only one library is told in its row.
"""

from parity_rows._row import ALONE, Row
from parity_rows.adams import ADAMS
from parity_rows.classic import CLASSIC
from parity_rows.matrices import MATRICES
from parity_rows.newer import NEWER
from parity_rows.norms import CAUTIOUS, ESTIMATES, NORMS
from parity_rows.options import OPTIONS

__all__ = ["ALONE", "OPTIONS", "ROWS", "Row"]

ROWS = [*CLASSIC, *ADAMS, *NEWER, *NORMS, *CAUTIOUS, *ESTIMATES, *MATRICES]
