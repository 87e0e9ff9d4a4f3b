BEGIN TRANSACTION;
CREATE TABLE build (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL, image_id TEXT NOT NULL, digest TEXT NOT NULL,
            base TEXT NOT NULL, at REAL NOT NULL);
INSERT INTO "build" VALUES(1,'web','sha256:1111111111111111111111111111111111111111111111111111111111111111','d1','',1000.0);
CREATE TABLE fact (key TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO "fact" VALUES('volume root','{"path": "@WORLD@/dv", "filesystem": "@FILESYSTEM@"}');
INSERT INTO "fact" VALUES('launched as web','docker run --detach \
    --name web \
    --hostname web \
    --restart always \
    --init \
    --label kharness.role=production \
    --label kharness.name=web \
    --label kharness.inputs=1a5bf83ac94fbd9a \
    --network bridge \
    --publish 8080:80/tcp \
    --read-only \
    --cap-drop ALL \
    --security-opt no-new-privileges:true \
    --pids-limit 512 \
    --mount type=bind,source=@WORLD@/dv/web/data,target=/data \
    --tmpfs /tmp:mode=1777 \
    --tmpfs /run:mode=1777 \
    sha256:2222222222222222222222222222222222222222222222222222222222222222');
INSERT INTO "fact" VALUES('base','debian');
CREATE TABLE hardening (
            chain TEXT PRIMARY KEY, name TEXT NOT NULL, image_id TEXT NOT NULL, at REAL NOT NULL,
            body TEXT NOT NULL);
CREATE TABLE operation (
            id TEXT PRIMARY KEY, name TEXT NOT NULL, phase TEXT NOT NULL, note TEXT NOT NULL, began REAL NOT NULL,
            body TEXT NOT NULL);
INSERT INTO "operation" VALUES('b2c3ebad6ea0','db','open','',1.79602186495735096933e+09,'{"id": "b2c3ebad6ea0", "kind": "launch", "name": "db", "image": "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd", "live": null, "prev": null, "tags": {"repository": "ktools", "name": "db"}, "evidence": {"session": "s1", "tests": 3, "digest": "d1", "commit": "c1", "untested": false, "flaky": []}, "at": 1796021864.957351, "container": "db", "former": null, "fresh": [], "data": null, "note": ""}');
CREATE TABLE release (
            id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, kind TEXT NOT NULL, image_id TEXT NOT NULL,
            previous TEXT, digest TEXT, git_commit TEXT, who TEXT NOT NULL, at REAL NOT NULL, session TEXT NOT NULL,
            tests INTEGER NOT NULL, note TEXT NOT NULL);
INSERT INTO "release" VALUES(1,'web','promote','sha256:1111111111111111111111111111111111111111111111111111111111111111',NULL,'d1','c1','root',1.79602186455777454378e+09,'s1',3,'');
INSERT INTO "release" VALUES(2,'web','launch','sha256:1111111111111111111111111111111111111111111111111111111111111111',NULL,'d1','c1','root',1.79602186455922269818e+09,'s1',3,'');
INSERT INTO "release" VALUES(3,'web','promote','sha256:2222222222222222222222222222222222222222222222222222222222222222','sha256:1111111111111111111111111111111111111111111111111111111111111111','d1','c1','root',1.79602186475022792817e+09,'s1',3,'');
INSERT INTO "release" VALUES(4,'web','launch','sha256:2222222222222222222222222222222222222222222222222222222222222222','sha256:1111111111111111111111111111111111111111111111111111111111111111','d1','c1','root',1.79602186475026750567e+09,'s1',3,'');
CREATE TABLE verdict (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL, mode TEXT NOT NULL, inputs TEXT NOT NULL,
            image_id TEXT NOT NULL, outcome TEXT NOT NULL, tests INTEGER NOT NULL, at REAL NOT NULL,
            session TEXT NOT NULL);
INSERT INTO "verdict" VALUES(1,'web','standalone','i1','sha256:2222222222222222222222222222222222222222222222222222222222222222','passed',3,1001.0,'s1');
CREATE INDEX verdict_by_inputs ON verdict (name, mode, inputs);
CREATE INDEX release_by_name ON release (name);
CREATE INDEX build_by_name ON build (name);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('release',4);
COMMIT;