-- Accounts with no more privileges than their programs use. Run this after `ruminate init`, in the database of the table,
-- with an account that may create others. An account is created only if the variable with its password is set:
--
--   mysql -h HOST -u admin -p fazendas
--   SET @intake_password = '…', @operator_password = '…', @auditor_password = '…';
--   SOURCE accounts.sql
--
-- An account that exists keeps its password.

-- The Lambda, `process` and `backfill`: read and insert rows of the table.
SET @run = IF(@intake_password IS NULL, 'DO 0',
    CONCAT('CREATE USER IF NOT EXISTS ''ruminate_intake''@''%'' IDENTIFIED BY ', QUOTE(@intake_password)));
PREPARE statement FROM @run;
EXECUTE statement;
SET @run = IF(@intake_password IS NULL, 'DO 0', 'GRANT SELECT, INSERT ON `{table}` TO ''ruminate_intake''@''%''');
PREPARE statement FROM @run;
EXECUTE statement;

-- `init`, `replay`, `reconcile --repair` and `undo`: everything in this database, nothing outside of it.
SET @run = IF(@operator_password IS NULL, 'DO 0',
    CONCAT('CREATE USER IF NOT EXISTS ''ruminate_operator''@''%'' IDENTIFIED BY ', QUOTE(@operator_password)));
PREPARE statement FROM @run;
EXECUTE statement;
SET @run = IF(@operator_password IS NULL, 'DO 0',
    'GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, CREATE VIEW ON * TO ''ruminate_operator''@''%''');
PREPARE statement FROM @run;
EXECUTE statement;

-- `reconcile`, `doctor`, `publish --watch` and dashboards: read this database.
SET @run = IF(@auditor_password IS NULL, 'DO 0',
    CONCAT('CREATE USER IF NOT EXISTS ''ruminate_auditor''@''%'' IDENTIFIED BY ', QUOTE(@auditor_password)));
PREPARE statement FROM @run;
EXECUTE statement;
SET @run = IF(@auditor_password IS NULL, 'DO 0', 'GRANT SELECT ON * TO ''ruminate_auditor''@''%''');
PREPARE statement FROM @run;
EXECUTE statement;

DEALLOCATE PREPARE statement;
SELECT 'ruminate_intake' AS account, IF(@intake_password IS NULL, 'skipped: @intake_password is not set', 'ready') AS result
UNION ALL SELECT 'ruminate_operator', IF(@operator_password IS NULL, 'skipped: @operator_password is not set', 'ready')
UNION ALL SELECT 'ruminate_auditor', IF(@auditor_password IS NULL, 'skipped: @auditor_password is not set', 'ready');
