"""Scrapy's part of the race: title and links of every page of a list.

    python with_scrapy.py LIST

Settings are those that make it fast: 64 at once, no pause, no robots.txt, no retries,
no cookies, no console, no statistics of the log.
"""

import json
import sys
from pathlib import Path

import scrapy
from scrapy.crawler import CrawlerProcess

SETTINGS = {
    "CONCURRENT_REQUESTS": 64,
    "CONCURRENT_REQUESTS_PER_DOMAIN": 64,
    "DOWNLOAD_DELAY": 0,
    "AUTOTHROTTLE_ENABLED": False,
    "ROBOTSTXT_OBEY": False,
    "RETRY_ENABLED": False,
    "COOKIES_ENABLED": False,
    "TELNETCONSOLE_ENABLED": False,
    "DOWNLOAD_WARNSIZE": 0,
    "LOG_LEVEL": "ERROR",
}
found = {"pages": 0, "titles": 0, "links": 0}


class Titles(scrapy.Spider):
    name = "titles"

    async def start(self):
        for url in Path(sys.argv[1]).read_text().split():
            yield scrapy.Request(url, dont_filter=True)

    def parse(self, response):
        title = response.xpath("//title/text()").get()
        hrefs = response.xpath("//a/@href").getall()
        links = [response.urljoin(href) for href in hrefs]
        found["pages"] += 1
        found["titles"] += bool(title)
        found["links"] += len(links)


process = CrawlerProcess(SETTINGS)
process.crawl(Titles)
process.start()
print(json.dumps(found))
