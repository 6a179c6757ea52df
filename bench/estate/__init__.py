"""The estate simulator: plays the networks of hospitals on 127.0.0.0/8, as load and as zoo.

    PYTHONPATH=bench python -m estate bench/estate/zoo.toml --truth truth.json

A description says how many systems of which kind there are; a seed says the rest. Each system listens on an
address of its own and nobody else does. What is known of each (how far a stranger gets, how many studies it
holds, what it pretends to be) is written down as the truth, for tests and benchmarks to compare with.

Everybody in it is made up. Names, numbers and addresses of patients begin with a marker (`markers`), so that
a leak can be searched for: no byte of theirs belongs in what a scan keeps.
"""
