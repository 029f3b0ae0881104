"""A module that takes its time to be imported; for the tests of the pool."""

import time

time.sleep(1.0)
