-- Natural keys with more than one record: readings that a farm corrected, or that have several ids of the legacy Lambda.
CREATE VIEW IF NOT EXISTS "{table}_repetidas" AS
SELECT
    cod_cliente,
    id_curral,
    id_lote,
    data,
    COUNT(*)    AS registros,
    MIN(row_ts) AS primeiro,
    MAX(row_ts) AS ultimo
FROM "{table}"
GROUP BY cod_cliente, id_curral, id_lote, data
HAVING COUNT(*) > 1
