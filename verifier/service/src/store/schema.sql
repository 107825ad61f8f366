CREATE TABLE IF NOT EXISTS jobs (
    seq {serial},
    id TEXT NOT NULL UNIQUE,
    key TEXT NOT NULL,
    op TEXT NOT NULL,
    spec TEXT NOT NULL,
    owner TEXT NOT NULL,
    size BIGINT NOT NULL,
    state TEXT NOT NULL,
    -- Grows with each claim: a worker that lost its lease finishes nothing.
    attempt BIGINT NOT NULL DEFAULT 0,
    -- How often a worker began it and was not told to stop.
    tries BIGINT NOT NULL DEFAULT 0,
    worker TEXT,
    lease_until BIGINT,
    cancelled BIGINT NOT NULL DEFAULT 0,
    progress TEXT,
    verdict TEXT,
    reason TEXT,
    message TEXT,
    folder TEXT,
    created BIGINT NOT NULL,
    started BIGINT,
    finished BIGINT
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, seq);
CREATE INDEX IF NOT EXISTS jobs_by_key ON jobs (key);
CREATE INDEX IF NOT EXISTS jobs_by_owner ON jobs (owner, state);
CREATE INDEX IF NOT EXISTS jobs_by_end ON jobs (finished);
-- What waits and runs, however many are done; and whose reports lie in the folder of which job.
CREATE INDEX IF NOT EXISTS jobs_open ON jobs (seq) WHERE state <> 'done';
CREATE INDEX IF NOT EXISTS jobs_by_folder ON jobs (substr(folder, 1, 24));
CREATE TABLE IF NOT EXISTS results (
    key TEXT PRIMARY KEY,
    verdict TEXT NOT NULL,
    report TEXT NOT NULL,
    folder TEXT NOT NULL,
    disagreed BIGINT NOT NULL DEFAULT 0,
    used BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS results_by_folder ON results (substr(folder, 1, 24));
CREATE TABLE IF NOT EXISTS models (
    digest TEXT NOT NULL,
    job TEXT NOT NULL,
    name TEXT NOT NULL,
    size BIGINT NOT NULL,
    PRIMARY KEY (digest, job)
);
-- What was read of addresses: the rows of the report's files.
CREATE TABLE IF NOT EXISTS origins (
    job TEXT PRIMARY KEY,
    files TEXT NOT NULL
);
-- What reports come to, by the folder that they lie in: a sentence, and how many findings a policy let pass.
CREATE TABLE IF NOT EXISTS conclusions (
    folder TEXT PRIMARY KEY,
    sentence TEXT NOT NULL,
    allowed BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS tally (
    verdict TEXT NOT NULL,
    reason TEXT NOT NULL,
    jobs BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    milliseconds BIGINT NOT NULL,
    PRIMARY KEY (verdict, reason)
);
CREATE TABLE IF NOT EXISTS workers (
    name TEXT PRIMARY KEY,
    seen BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT,
    jobs BIGINT,
    bytes BIGINT,
    rate BIGINT
);
CREATE TABLE IF NOT EXISTS uploads (
    seq {serial},
    owner TEXT NOT NULL,
    size BIGINT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS uploads_by_owner ON uploads (owner, at);
CREATE TABLE IF NOT EXISTS blobs (
    digest TEXT PRIMARY KEY,
    size BIGINT NOT NULL,
    used BIGINT NOT NULL
);
-- Who has uploaded them: nobody else gets what is in one by its digest.
CREATE TABLE IF NOT EXISTS uploaders (
    digest TEXT NOT NULL,
    owner TEXT NOT NULL,
    PRIMARY KEY (digest, owner)
);
-- What was said with an `Idempotency-Key`; kept as long as the job.
CREATE TABLE IF NOT EXISTS submissions (
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    body TEXT NOT NULL,
    job TEXT NOT NULL,
    PRIMARY KEY (owner, key)
);
CREATE INDEX IF NOT EXISTS submissions_by_job ON submissions (job);
-- What one process does for all.
CREATE TABLE IF NOT EXISTS chores (
    name TEXT PRIMARY KEY,
    at BIGINT NOT NULL
);
-- Who wants to be told of a job's end.
CREATE TABLE IF NOT EXISTS deliveries (
    seq {serial},
    id TEXT NOT NULL UNIQUE,
    job TEXT NOT NULL,
    url TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    attempt BIGINT NOT NULL DEFAULT 0,
    due BIGINT NOT NULL,
    answer TEXT,
    UNIQUE (job, url)
);
CREATE INDEX IF NOT EXISTS deliveries_by_state ON deliveries (state, due);
-- Uploads that come in parts; the bytes that arrived are in the folder of uploads.
CREATE TABLE IF NOT EXISTS partial (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    size BIGINT NOT NULL,
    expected TEXT,
    digest TEXT,
    at BIGINT NOT NULL
);
-- Which folder of data is that of this database.
CREATE TABLE IF NOT EXISTS marks (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
