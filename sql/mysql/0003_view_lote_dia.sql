-- Consumption against target, per lot and day: kg per animal and day, weighted by head.
CREATE VIEW `{table}_lote_dia` AS
SELECT
    cod_cliente,
    id_curral,
    id_lote,
    DATE(data)                                                                             AS dia,
    SUM(quantidade_animais)                                                                AS animais,
    SUM(consumo_real * quantidade_animais) / NULLIF(SUM(quantidade_animais), 0)            AS consumo_real,
    SUM(consumo_meta * quantidade_animais) / NULLIF(SUM(quantidade_animais), 0)            AS consumo_meta,
    100 * (SUM(consumo_real * quantidade_animais) / NULLIF(SUM(consumo_meta * quantidade_animais), 0) - 1) AS desvio_pct
FROM `{table}`
GROUP BY cod_cliente, id_curral, id_lote, DATE(data)
