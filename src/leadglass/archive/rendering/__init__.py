"""Pixels to pictures, in confined child processes: `sandbox` is the server's side, the rest the child's."""
