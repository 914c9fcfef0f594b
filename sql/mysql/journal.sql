-- Progress of bulk runs, written in the same transaction as their rows. Created by `ruminate replay`.
-- An entry longer than the maximum packet is stored in parts. `change_id` shows its writer whether a lost COMMIT succeeded.
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
