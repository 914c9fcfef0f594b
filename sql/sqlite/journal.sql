-- Progress of bulk runs, written in the same transaction as their rows. Created by `ruminate replay`.
CREATE TABLE IF NOT EXISTS ruminate_journal (
    table_name VARCHAR(64) NOT NULL,
    run_id     CHAR(36)    NOT NULL,
    seq        INTEGER     NOT NULL,
    at         DATETIME    NOT NULL,
    note       TEXT        NOT NULL,
    PRIMARY KEY (table_name, run_id, seq)
)
