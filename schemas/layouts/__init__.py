"""How CMS prints each table: one TOML file a table, one block an era."""
