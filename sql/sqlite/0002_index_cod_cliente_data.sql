CREATE INDEX IF NOT EXISTS "{table}_cod_cliente_data" ON "{table}" (cod_cliente, data)
