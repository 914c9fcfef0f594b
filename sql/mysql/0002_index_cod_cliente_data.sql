CREATE INDEX idx_cod_cliente_data ON `{table}` (cod_cliente, data)
