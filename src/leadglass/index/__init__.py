"""The sealed index: which patients, studies, series and instances there are, and where their objects lie."""
