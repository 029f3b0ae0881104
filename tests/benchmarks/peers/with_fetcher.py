"""fetcher as a library: title and links of every page, in the callback.

python with_fetcher.py LIST PER_HOST
"""

import json
import sys
from pathlib import Path

from fetcher import crawl

found = {"pages": 0, "titles": 0, "links": 0}


def call(page):
    found["pages"] += 1
    found["titles"] += bool(page.title)
    found["links"] += len(page.links)


urls = Path(sys.argv[1]).read_text().split()
crawl(urls, call, per_host=int(sys.argv[2]), retries=0)
print(json.dumps(found))
