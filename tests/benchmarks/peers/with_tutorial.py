"""The tutorial's own script: a Pool waits for pages, a callback in the parent reads.

python with_tutorial.py LIST
"""

import json
import multiprocessing
import sys
from pathlib import Path
from urllib.parse import urljoin

import requests
from bs4 import BeautifulSoup

found = {"pages": 0, "titles": 0, "links": 0}


def get_url(url):
    response = requests.get(url, timeout=60)
    return url, response.content


def call(result):
    url, content = result
    soup = BeautifulSoup(content, "lxml")
    links = [urljoin(url, a["href"]) for a in soup.find_all("a", href=True)]
    found["pages"] += 1
    found["titles"] += bool(soup.title and soup.title.get_text())
    found["links"] += len(links)


if __name__ == "__main__":
    with multiprocessing.Pool(4) as pool:
        for url in Path(sys.argv[1]).read_text().split():
            pool.apply_async(get_url, args=(url,), callback=call)
        pool.close()
        pool.join()
    print(json.dumps(found))
