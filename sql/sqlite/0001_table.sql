-- The thirteen columns (docs/reference/data.md). An existing table stays as it is.
CREATE TABLE IF NOT EXISTS "{table}" (
    id_treated_data    VARCHAR(255) NOT NULL,
    id_curral          VARCHAR(255),
    id_raca            VARCHAR(255),
    id_lote            VARCHAR(255),
    peso_entrada       FLOAT,
    peso_medio         FLOAT,
    quantidade_animais INT,
    dia_confinamento   INT,
    consumo_real       FLOAT,
    consumo_meta       FLOAT,
    data               DATETIME,
    cod_cliente        VARCHAR(255),
    row_ts             DATETIME,
    PRIMARY KEY (id_treated_data)
)
