-- The herd per farm and day: lots, head, mean weight in kg, feed eaten and targeted in kg.
CREATE VIEW `{table}_fazenda_dia` AS
SELECT
    cod_cliente,
    DATE(data)                                                                AS dia,
    COUNT(DISTINCT id_lote)                                                   AS lotes,
    SUM(quantidade_animais)                                                   AS animais,
    SUM(peso_medio * quantidade_animais) / NULLIF(SUM(quantidade_animais), 0) AS peso_medio,
    SUM(consumo_real * quantidade_animais)                                    AS consumo_real_kg,
    SUM(consumo_meta * quantidade_animais)                                    AS consumo_meta_kg
FROM `{table}`
GROUP BY cod_cliente, DATE(data)
