-- A database as the first schema had it: a finished run, and one that was killed.
-- Made by the fetcher of that time, and never to be made anew.
BEGIN TRANSACTION;
CREATE TABLE answers (
        id integer primary key,          -- the order in which they came
        run_id integer not null,
        mark integer not null,           -- backlog.mark_of the request
        purpose text not null,
        answer blob not null,            -- plain values, pickled: restoring
        body_id integer,
        facts blob,                      -- as a worker read them, where no one else may
        entries_read integer not null    -- of the input, before it
    );
INSERT INTO "answers" VALUES(1,2,4973587985594258449,'page',X'8004952B01000000000000288C14687474703A2F2F736974652E6578616D706C652F944E8C0C736974652E6578616D706C65948C13687474703A2F2F736974652E6578616D706C65944B008C0470616765948C03474554944B014E749428680068004BC88C0C436F6E74656E742D54797065948C09746578742F68746D6C9486948C0445546167948C032231229486948C0D4C6173742D4D6F646966696564948C1D5468752C203031204A616E20323032362030303A30303A303020474D5494869487944300944E4B472928473F50624DD2F1A9FC473F60624DD2F1A9FC473F689374BC6A7EFA4E473F947AE147AE147B473F747AE147AE147B473F9EB851EB851EB874948C093139322E302E322E31948C03312E31944E4E4B014B004741DA556E400000004DE8034E4E4E89892974944B4787942E',2,NULL,1);
INSERT INTO "answers" VALUES(2,2,720418113902012911,'page',X'8004950101000000000000288C15687474703A2F2F736974652E6578616D706C652F62944E8C0C736974652E6578616D706C65948C13687474703A2F2F736974652E6578616D706C65944B008C0470616765948C03474554944B014E749428680068004BC88C0C436F6E74656E742D54797065948C18746578742F68746D6C3B20636861727365743D7574662D3894869485944300948C057574662D38944B422928473F50624DD2F1A9FC473F60624DD2F1A9FC473F689374BC6A7EFA4E473F947AE147AE147B473F747AE147AE147B473F9EB851EB851EB874948C093139322E302E322E31948C03312E31944E4E4B014B004741DA556E400000004DE8034E4E4E89892974944B4287942E',3,NULL,1);
CREATE TABLE bodies (
        id integer primary key,
        digest blob not null unique,
        body_bytes integer not null,
        content blob not null            -- zlib
    );
INSERT INTO "bodies" VALUES(1,X'1F057C803A8D3DF39A6042A8D17D3DBB',70,X'7801B3C928C9CD51C849CC4BB74DCDB3B329C92CC949B50BB1D187306C320CED3C6CF481A44DA24246516A9AAD927EA2925DA28D7EA29D4D815D797E514AB18D7E811D003D7316A8');
INSERT INTO "bodies" VALUES(2,X'0D83E233B92CAFBC9FF420DD4C91726A',71,X'7801B3C928C9CD51C849CC4BB74DCDB3B329C92CC949B50BB1D187306C320CED3C6CF481A44DA24246516A9AAD927EA2925DA28D7EA29D4D815D7E49466A51B18D7E811D0054CF170E');
INSERT INTO "bodies" VALUES(3,X'F3B68E1FB1590A3B8AFC2090AC45F0AA',66,X'7801B3C928C9CD51C849CC4BB74DCDB3B329C92CC949B50BB1D187306C320CED3C6CF481A44DA24246516A9AAD927EA2925DA28D7EA29D4D815D928D7E811D00E27214DB');
CREATE TABLE certificates (
        id integer primary key,
        digest blob not null unique,
        subject text not null,
        issuer text not null,
        names text not null,             -- JSON
        not_before text not null,        -- ISO 8601, UTC
        not_after text not null,
        verified integer not null,
        reason text
    );
CREATE TABLE findings (
        id integer primary key,
        run_id integer not null,
        url_id integer not null,
        rule text not null,
        severity text not null,
        message_id integer not null,     -- texts
        target_id integer,               -- urls
        line integer,
        column integer,
        link_text text
    );
CREATE TABLE links (
        version_id integer not null,
        target_id integer not null,      -- urls, without a fragment
        primary key (version_id, target_id)
    ) without rowid;
INSERT INTO "links" VALUES(1,2);
INSERT INTO "links" VALUES(2,2);
INSERT INTO "links" VALUES(3,2);
CREATE TABLE migrations (
        version integer primary key,
        applied_at text not null
    );
INSERT INTO "migrations" VALUES(1,'2026-11-22T20:17:44+00:00');
CREATE TABLE pages (
        run_id integer not null,
        url_id integer not null,
        started_ms integer not null,     -- since the run began; may be negative
        state text not null,
        status integer,
        kind text,                       -- of failure
        reason_id integer,               -- texts
        final_url_id integer,            -- urls; null where it is the same
        hops_id integer,                 -- texts: JSON of [url, status, ip]
        version_id integer,              -- versions
        certificate_id integer,
        ip_id integer,                   -- texts
        body_bytes integer,
        dns_us integer,
        connect_us integer,
        tls_us integer,
        ttfb_us integer,
        transfer_us integer,
        total_us integer,
        attempt integer,                 -- null: the first
        depth integer,                   -- null: given
        primary key (run_id, url_id)
    ) without rowid;
INSERT INTO "pages" VALUES(1,1,-28153064137,'ok',200,NULL,NULL,NULL,NULL,1,NULL,1,70,2000,3000,NULL,20000,5000,30000,NULL,NULL);
INSERT INTO "pages" VALUES(1,3,-28153064137,'failed',NULL,'timeout',2,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,30000,NULL,NULL);
INSERT INTO "pages" VALUES(2,1,-28153064143,'ok',200,NULL,NULL,NULL,NULL,2,NULL,1,71,2000,3000,NULL,20000,5000,30000,NULL,NULL);
INSERT INTO "pages" VALUES(2,3,-28153064143,'ok',200,NULL,NULL,NULL,NULL,3,NULL,1,66,2000,3000,NULL,20000,5000,30000,NULL,NULL);
CREATE TABLE runs (
        id integer primary key,
        job blob not null,               -- digest of what was given
        given text not null,             -- JSON: lists and URLs, shortened
        options text not null,           -- JSON: what changes what a run comes to
        version text not null,           -- of fetcher
        state text not null,             -- running, interrupted, finished, abandoned
        started_at real not null,        -- seconds since 1970, UTC
        elapsed_s real not null default 0,
        ended_at real,
        pages integer,
        fell_short integer,
        ok integer                       -- 1 if all was well
    );
INSERT INTO "runs" VALUES(1,X'D01389D73F592D79B34906A4C794FAA6','["list.txt"]','{"depth": 0}','1','finished',1.79537866413659191128e+09,2.24550200073281303048e-03,1.79537866413882064818e+09,2,1,0);
INSERT INTO "runs" VALUES(2,X'D01389D73F592D79B34906A4C794FAA6','["list.txt"]','{"depth": 0}','1','running',1.79537866414320802692e+09,0.0,NULL,NULL,NULL,NULL);
CREATE TABLE strikes (
        run_id integer not null,
        mark integer not null,
        times integer not null,
        primary key (run_id, mark)
    ) without rowid;
CREATE TABLE texts (id integer primary key, text text not null unique);
INSERT INTO "texts" VALUES(1,'192.0.2.1');
INSERT INTO "texts" VALUES(2,'it took too long');
CREATE TABLE urls (id integer primary key, url text not null unique);
INSERT INTO "urls" VALUES(1,'http://site.example/');
INSERT INTO "urls" VALUES(2,'http://site.example/a');
INSERT INTO "urls" VALUES(3,'http://site.example/b');
CREATE TABLE versions (
        id integer primary key,
        url_id integer not null,
        digest blob not null,            -- of its bytes and how they are read
        facts_digest blob not null,      -- of what stands in this row, and its links
        body_id integer,                 -- bodies; null where it was let go
        title text,
        description text,
        canonical text,
        language text,
        robots text,                     -- words, comma between them
        h1 text,                         -- JSON
        word_count integer not null,
        text_hash text not null,
        etag text,
        last_modified text
    );
INSERT INTO "versions" VALUES(1,1,X'86BF4923183E89F3E70ADC42D379E720',X'8E6B6F05F3AFC4B03FC284D55843BF58',1,'T',NULL,NULL,'en',NULL,'["H"]',3,'7a3b03f5dbc1c10fc3e1939d9ee635c8','"1"','Thu, 01 Jan 2026 00:00:00 GMT');
INSERT INTO "versions" VALUES(2,1,X'B9451281FA0DAA9775362620EF305134',X'63AB5BDE2302BB7B3A8130CA9446EF48',2,'T',NULL,NULL,'en',NULL,'["H"]',3,'0c7fbb9f0562ff4a47116a05bf9c0b01','"1"','Thu, 01 Jan 2026 00:00:00 GMT');
INSERT INTO "versions" VALUES(3,3,X'554FAC3D01A17C4EE02476BEEFB247DD',X'7C4DB2718EEACC7CE7FF878687CD6F61',3,'T',NULL,NULL,'en',NULL,'["H"]',3,'17d09496b125c3b9fcaec1a78ec41881',NULL,NULL);
CREATE INDEX runs_of_job on runs (job, id);
CREATE UNIQUE INDEX versions_of_url on versions (url_id, digest);
CREATE INDEX versions_with_body on versions (body_id) where body_id is not null;
CREATE INDEX findings_of_run on findings (run_id, url_id);
COMMIT;
