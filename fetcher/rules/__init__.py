"""Rules: small pure functions that judge what was found, grouped by what they look at.

The facts of a run are kept and rules only read them, so that a run can be judged again
under other rules.
"""
