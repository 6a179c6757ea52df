"""python -m leadglass.conformance > docs/reference/dicom-conformance.md"""

from __future__ import annotations

import sys

from leadglass.conformance.statement import statement

if __name__ == "__main__":
    sys.stdout.write(statement())
