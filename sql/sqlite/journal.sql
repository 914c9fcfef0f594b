-- What runs in bulk say of themselves, in the same transaction as the rows they speak of. Made by `ruminate replay`.
CREATE TABLE IF NOT EXISTS ruminate_journal (
    table_name VARCHAR(64) NOT NULL,
    run_id     CHAR(36)    NOT NULL,
    seq        INTEGER     NOT NULL,
    at         DATETIME    NOT NULL,
    note       TEXT        NOT NULL,
    PRIMARY KEY (table_name, run_id, seq)
)
