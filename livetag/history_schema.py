"""The tables of the history."""

VERSION = 1
APPLICATION_ID = int.from_bytes(b"ltag", "big")
STATEMENTS = (
    """CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started REAL NOT NULL,       -- when its audio began
    heard_until REAL NOT NULL,   -- as far as it came; while it goes on, to a minute
    ended REAL,                  -- the same; NULL while it goes on, and where it was killed
    source TEXT NOT NULL,
    version TEXT NOT NULL,       -- of livetag
    model_sha256 TEXT NOT NULL,
    weights_source TEXT NOT NULL,
    hop_seconds REAL NOT NULL,
    configuration TEXT NOT NULL  -- JSON
)""",
    """CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    start REAL NOT NULL,
    "end" REAL NOT NULL,
    start_s REAL NOT NULL,
    end_s REAL NOT NULL,
    class_index INTEGER NOT NULL,
    mid TEXT NOT NULL,
    label TEXT NOT NULL,
    group_name TEXT NOT NULL,    -- '' for none
    alert INTEGER NOT NULL,      -- 1 if the user was told of it
    withheld TEXT NOT NULL,      -- what kept it from being an alert; '' for nothing
    peak_score REAL NOT NULL,
    mean_score REAL NOT NULL,
    windows INTEGER NOT NULL,
    threshold REAL NOT NULL,
    level_dbfs REAL              -- NULL for digital silence
)""",
    """CREATE TABLE gaps (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    start REAL NOT NULL,
    start_s REAL NOT NULL,
    lost_seconds REAL NOT NULL,
    reason TEXT NOT NULL
)""",
    "CREATE INDEX events_by_start ON events (start)",
    "CREATE INDEX events_by_class ON events (class_index, start)",
    "CREATE INDEX gaps_by_start ON gaps (start)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)
