-- What runs in bulk say of themselves, in the same transaction as the rows they speak of. Made by `ruminate replay`.
-- A note longer than a packet may be is kept in parts; `change_id` tells who wrote it whether a lost COMMIT was done.
CREATE TABLE IF NOT EXISTS ruminate_journal (
    table_name VARCHAR(64)     NOT NULL,
    run_id     CHAR(36)        NOT NULL,
    seq        BIGINT UNSIGNED NOT NULL,
    part       INT UNSIGNED    NOT NULL,
    parts      INT UNSIGNED    NOT NULL,
    change_id  CHAR(32)        NOT NULL,
    at         DATETIME(6)     NOT NULL,
    note       LONGTEXT        NOT NULL,
    PRIMARY KEY (table_name, run_id, seq, part)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
