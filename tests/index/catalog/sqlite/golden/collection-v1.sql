-- A collection that schema version 1 was written with: nine small pictures, a random encoder, D = 8.
PRAGMA page_size=16384;
PRAGMA application_id=1129075283;
PRAGMA user_version=1;
BEGIN TRANSACTION;
CREATE TABLE items (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    root_id INTEGER NOT NULL REFERENCES roots (id),
    path NOT NULL,                  -- relative to the root, with forward slashes
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    label,
    revision INTEGER NOT NULL,      -- of the collection when the embedding was written
    added_at TEXT NOT NULL,
    embedding BLOB NOT NULL,        -- D float16, little-endian
    UNIQUE (root_id, path)
);
INSERT INTO "items" VALUES(1,1,'blue/blue00.jpg',1867,1700000000000000000,'bc9724b50e491d05a935add09357781d7437a75ffe9771ba39c6d732b3e2f0ed',38,83,'blue',3,'2026-11-25T13:15:56+00:00',X'5AA6E33B5AACAEA6A7AA73AFF9AC8B24');
INSERT INTO "items" VALUES(3,1,'blue/blue02.jpg',1419,1700172800000000000,'d1a18b42e03234aece021d648c02ecaa0f71453daedd8080aab4d4349fc90d2c',39,52,'blue',3,'2026-11-25T13:15:56+00:00',X'4FA7E03B7BAC2DA7DDAA80AF28AD0128');
INSERT INTO "items" VALUES(4,1,X'636166EDB3A92FC3A42E706E67',91,1700345600000000000,'b31dbf727eb30a67b61648b0746caeeb0f9cff1a33419de894249a8cbad0563a',30,20,X'636166EDB3A9',4,'2026-11-25T13:15:56+00:00',X'78A81239B1A614A98EAA26B089A80F3A');
INSERT INTO "items" VALUES(5,1,'green/green00.jpg',2584,1700432000000000000,'9c9f3a93590d28d75aa90841444ca183d43815dacd8e8c7fb627f2132c1cc81a',64,85,'green',4,'2026-11-25T13:15:56+00:00',X'0CA8D034009EA7A730AB9FAF01A38C3B');
INSERT INTO "items" VALUES(6,1,'green/green01.png',11968,1700518400000000000,'4974d3efa6d2f86283a009a21d7486f0bc23cd873bdf88dce36275bc6010be98',50,85,'green',4,'2026-11-25T13:15:56+00:00',X'FFA7AD34A1997DA71EAB91AF29A3923B');
INSERT INTO "items" VALUES(7,1,'green/green02.jpg',1615,1700604800000000000,'35dac7aba60abef575b0b3415c9d053a0696589bc5b8b9bb18b8be42c43bf683',70,33,'green',4,'2026-11-25T13:15:56+00:00',X'08A88D346A03F6A735ABC1AFADA3963B');
INSERT INTO "items" VALUES(8,1,'red/red00.jpg',2726,1700691200000000000,'722d028deb643b191dee630b5af91a8099c0adf36ce05c822aef78d6222f23ad',68,81,'red',5,'2026-11-25T13:15:56+00:00',X'54A7C0AD7F359E22D4A8452D553ACE37');
INSERT INTO "items" VALUES(9,1,'red/red01.png',6411,1700777600000000000,'9bc46b13eade18a6d43ea7fb93e6b97c11204baa35645a967474648d09b66ac6',37,61,'red',5,'2026-11-25T13:15:56+00:00',X'2DA86AAD9B359B2229A9112B5D3AB137');
INSERT INTO "items" VALUES(10,1,'red/red02.jpg',2269,1700864000000000000,'efe4fbe356c0acf1983fb456139fc57c87bdff14ab41ca3a28a4045860bedc00',58,78,'red',5,'2026-11-25T13:15:56+00:00',X'82A7B2AD9335A71E1EA97A2E4A3AD837');
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO "meta" VALUES('dimension',8);
INSERT INTO "meta" VALUES('encoder_name','tiny');
INSERT INTO "meta" VALUES('encoder_sha256','fb0f958fc78d061985c871c13e7fd313243f76e2e74b2f7cd4c3f1865b8e164f');
INSERT INTO "meta" VALUES('goal','{"recall": 0.9, "memory": null}');
INSERT INTO "meta" VALUES('latency_ms',NULL);
INSERT INTO "meta" VALUES('latency_p99_ms',NULL);
INSERT INTO "meta" VALUES('revision',9);
CREATE TABLE roots (
    id INTEGER PRIMARY KEY,
    path NOT NULL UNIQUE,
    given INTEGER NOT NULL          -- 1: a folder that was given; 0: that of a file that was given
);
INSERT INTO "roots" VALUES(1,'/pictures',1);
CREATE TABLE skipped (
    path PRIMARY KEY,               -- absolute
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "skipped" VALUES('/pictures/broken.png',10,1700259200000000000,'not a picture: it starts like no JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF file');
CREATE TABLE staged (               -- a rebuild under way; `embedding` NULL: no usable picture
    id INTEGER PRIMARY KEY,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT,
    width INTEGER,
    height INTEGER,
    reason TEXT,
    embedding BLOB
);
CREATE INDEX items_by_sha256 ON items (sha256);
CREATE INDEX items_by_label ON items (label);
CREATE INDEX items_by_revision ON items (revision);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('items',10);
COMMIT;
