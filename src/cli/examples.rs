//! Examples at the end of each command's `--help`.

/// Examples of each command: purpose and command line.
pub(super) const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "demo",
        &[
            ("Run the whole pipeline in ./demo", "ruminate demo"),
            ("In another directory, with the report of the first audit in it", "ruminate demo --dir /tmp/demo"),
            ("Run it again on the same files", "ruminate demo --dir /tmp/demo --keep"),
        ],
    ),
    (
        "init",
        &[
            ("Create a SQLite warehouse", "ruminate init --warehouse sqlite:warehouse.db"),
            ("Create the table in MySQL", "ruminate init --warehouse mysql://user:pass@db.example:3306/fazendas"),
            ("Under another name", "ruminate init --warehouse sqlite:warehouse.db --table historico_teste"),
        ],
    ),
    (
        "doctor",
        &[
            (
                "Check all three",
                "ruminate doctor --lake s3://bucket/prefix --warehouse mysql://user:pass@db.example:3306/fazendas \
                 --topic arn:aws:sns:us-east-1:123456789012:historico",
            ),
            (
                "Only a lake, without the test of conditional writes",
                "ruminate doctor --lake s3://bucket/prefix --read-only",
            ),
            ("Only the warehouse", "ruminate doctor --warehouse sqlite:warehouse.db"),
        ],
    ),
    (
        "generate",
        &[
            ("Three farms, 100 pens, 30 days", "ruminate generate --farms 3 --lots 100 --days 30 --out histories"),
            (
                "With faults and their ground truth",
                "ruminate generate --faults duplicate=0.01,malformed=0.001 --truth truth.zst",
            ),
            ("One compressed file", "ruminate generate --days 7 --out history.ndjson.zst"),
            ("The second of four parts, on stdout", "ruminate generate --farms 40 --part 2/4 --out -"),
        ],
    ),
    (
        "publish",
        &[
            (
                "Publish a directory of history files",
                "ruminate publish histories --topic arn:aws:sns:us-east-1:123456789012:historico",
            ),
            (
                "Load test: ramp up, then hold until the files end; fail if it is slow",
                "ruminate publish histories --topic arn:aws:sns:us-east-1:123456789012:historico \
                 --stages ramp:0-200/s:5s,hold:200/s --fail-if 'p99 > 500ms; failed > 0' --report publish.html",
            ),
            (
                "Load test with generated readings",
                "ruminate publish --generate farms=2,lots=100,days=30 --rate 500/s \
                 --topic arn:aws:sns:us-east-1:123456789012:historico",
            ),
            (
                "Without SNS: the intake runs in this process",
                "ruminate publish histories --topic local --lake lake --warehouse sqlite:warehouse.db",
            ),
        ],
    ),
    (
        "backfill",
        &[
            (
                "Ingest a directory of history files",
                "ruminate backfill histories --lake lake --warehouse sqlite:warehouse.db",
            ),
            (
                "Ingest compressed files into S3 and MySQL",
                "ruminate backfill 2025.ndjson.zst 2026.csv.gz --lake s3://bucket/prefix \
                 --warehouse mysql://user:pass@db.example:3306/fazendas",
            ),
            ("From stdin", "ruminate backfill - --format csv --lake lake --warehouse sqlite:warehouse.db"),
        ],
    ),
    (
        "process",
        &[
            (
                "Process one event file",
                "ruminate process --event event.json --lake lake --warehouse sqlite:warehouse.db",
            ),
            (
                "Receive the deliveries of a topic",
                "ruminate process --listen 0.0.0.0:8080 --topic arn:aws:sns:us-east-1:123456789012:historico \
                 --lake s3://bucket/prefix --warehouse mysql://user:pass@db.example:3306/fazendas",
            ),
            (
                "A local test: accept anything, stop after ten messages",
                "ruminate process --listen 127.0.0.1:0 --insecure-skip-signature --max-messages 10 --lake lake \
                 --warehouse sqlite:warehouse.db",
            ),
        ],
    ),
    (
        "replay",
        &[
            ("Show what a replay would do", "ruminate replay --lake lake --warehouse sqlite:warehouse.db --dry-run"),
            (
                "Rebuild the warehouse and verify every row",
                "ruminate replay --lake s3://bucket/prefix --warehouse mysql://user:pass@db.example:3306/fazendas --verify \
                 --report replay.html",
            ),
            (
                "One farm's November, throttled",
                "ruminate replay --lake lake --warehouse sqlite:warehouse.db --farm fazenda_um --from 2026-11-01 \
                 --to 2026-11-30 --rows-per-second 500",
            ),
            ("Resume an interrupted run", "ruminate replay --lake lake --warehouse sqlite:warehouse.db --resume"),
        ],
    ),
    (
        "reconcile",
        &[
            (
                "Audit, with a report",
                "ruminate reconcile --lake lake --warehouse sqlite:warehouse.db --report audit.html",
            ),
            (
                "Show what a repair would change",
                "ruminate reconcile --lake lake --warehouse sqlite:warehouse.db --repair both --dry-run",
            ),
            (
                "Repair the warehouse, but not more than 1% of it",
                "ruminate reconcile --lake lake --warehouse sqlite:warehouse.db --repair warehouse --max-repairs 1%",
            ),
            (
                "A nightly audit with evidence",
                "ruminate reconcile --lake s3://bucket/prefix --warehouse mysql://user:pass@db.example:3306/fazendas \
                 --cache cache --evidence audit-2026-11-22",
            ),
        ],
    ),
    (
        "undo",
        &[
            (
                "Show what would be reverted",
                "ruminate undo ruminate-undo-20261122T184903Z.ndjson --lake lake --warehouse sqlite:warehouse.db --dry-run",
            ),
            (
                "Revert a repair",
                "ruminate undo ruminate-undo-20261122T184903Z.ndjson --lake lake --warehouse sqlite:warehouse.db",
            ),
            (
                "Revert a replay, which changes rows only",
                "ruminate undo ruminate-undo-20261122T184903Z.ndjson --warehouse sqlite:warehouse.db",
            ),
        ],
    ),
    (
        "compact",
        &[
            ("Show what a compaction would read", "ruminate compact --lake s3://bucket/prefix --dry-run"),
            ("Write or update the parts, and verify them", "ruminate compact --lake s3://bucket/prefix --verify"),
            (
                "One farm's November, comparing every body with its ETag",
                "ruminate compact --lake s3://bucket/prefix --farm fazenda_um --from 2026-11-01 --to 2026-11-30 --deep",
            ),
        ],
    ),
    (
        "plan",
        &[
            (
                "An audit in shards of at most 100,000 objects",
                "ruminate plan reconcile --lake s3://bucket/prefix --warehouse mysql://user:pass@db.example:3306/fazendas \
                 --objects-per-shard 100000 --out s3://bucket/runs/2026-11-22",
            ),
            (
                "An audit in 16 shards, on this machine",
                "ruminate plan reconcile --lake lake --warehouse sqlite:warehouse.db --shards 16 --out run",
            ),
            (
                "A replay of which 8 shards run at once, with 4,000 rows per second in all",
                "ruminate plan replay --lake lake --warehouse sqlite:warehouse.db --shards 64 --shards-at-once 8 \
                 --rows-per-second 4000 --out run",
            ),
        ],
    ),
    (
        "restore",
        &[
            ("Restore a month of objects that were deleted", "ruminate restore --lake lake --to lake --month 2026-11"),
            (
                "Only the objects of an audit's findings",
                "ruminate restore --lake s3://bucket/prefix --to s3://bucket/prefix --only drift.ndjson",
            ),
            ("Into another directory", "ruminate restore --lake s3://bucket/prefix --to restored --farm fazenda_um"),
        ],
    ),
    (
        "ddl",
        &[
            (
                "For Athena, with known farms",
                "ruminate ddl --engine athena --lake s3://bucket/prefix --farm fazenda_um --farm fazenda_dois",
            ),
            ("For DuckDB, over a directory", "ruminate ddl --engine duckdb --lake lake"),
            ("For Trino", "ruminate ddl --engine trino --lake s3://bucket/prefix --database hive.fazendas"),
        ],
    ),
    (
        "plan reconcile",
        &[
            (
                "An audit in 16 shards",
                "ruminate plan reconcile --lake lake --warehouse sqlite:warehouse.db --shards 16 --out run",
            ),
            (
                "November, ids only",
                "ruminate plan reconcile --lake lake --warehouse sqlite:warehouse.db --from 2026-11-01 --to 2026-11-30 \
                 --quick --out run",
            ),
            (
                "Into a bucket",
                "ruminate plan reconcile --lake s3://bucket/prefix --warehouse mysql://user:pass@db.example:3306/fazendas \
                 --out s3://bucket/runs/2026-11-22",
            ),
        ],
    ),
    (
        "plan compact",
        &[
            ("A compaction in 8 shards, on one machine", "ruminate plan compact --lake lake --shards 8 --out run"),
            (
                "A year of one farm, verified",
                "ruminate plan compact --lake lake --farm fazenda_um --from 2025-01-01 --to 2025-12-31 --verify --out run",
            ),
            (
                "Larger shards; a month of a farm is never divided",
                "ruminate plan compact --lake s3://bucket/historico_diario --objects-per-shard 2000000 --out s3://bucket/run",
            ),
        ],
    ),
    (
        "plan replay",
        &[
            (
                "A replay in 16 shards",
                "ruminate plan replay --lake lake --warehouse sqlite:warehouse.db --shards 16 --out run",
            ),
            (
                "Read every row back",
                "ruminate plan replay --lake lake --warehouse sqlite:warehouse.db --verify --out run",
            ),
            (
                "At most 4,000 rows per second in all, by 8 shards at once",
                "ruminate plan replay --lake lake --warehouse sqlite:warehouse.db --rows-per-second 4000 --shards-at-once 8 \
                 --out run",
            ),
        ],
    ),
    (
        "shard",
        &[
            ("Run shard 3", "ruminate shard run --shard 3"),
            ("In an array job, whose number is the shard's", "ruminate shard s3://bucket/runs/2026-11-22"),
            ("In a function that is ended after 15 minutes", "ruminate shard run --shard 3 --stop-before 14m"),
        ],
    ),
    (
        "merge",
        &[
            ("Conclude", "ruminate merge run"),
            ("With evidence", "ruminate merge s3://bucket/runs/2026-11-22 --evidence audit-2026-11-22"),
            ("Show what a repair would change", "ruminate merge run --repair both --dry-run"),
        ],
    ),
    (
        "bundle",
        &[
            ("Build and bundle the Lambda", "ruminate bundle --out bundle"),
            ("For Graviton, with cargo-zigbuild", "ruminate bundle --arch arm64 --zigbuild --out bundle"),
            ("The toolkit for shards of a run", "ruminate bundle --fanout --out fanout"),
            ("A prebuilt binary", "ruminate bundle --bootstrap bootstrap --rds-ca global-bundle.pem"),
        ],
    ),
    (
        "completions",
        &[
            ("For bash", "ruminate completions bash"),
            ("For zsh", "ruminate completions zsh"),
            ("For fish", "ruminate completions fish"),
        ],
    ),
    (
        "man",
        &[
            ("Show the man page of the program", "ruminate man"),
            ("Write one page per command", "ruminate man --out man"),
            ("Install them for this user", "ruminate man --out .local/share/man/man1"),
        ],
    ),
];
