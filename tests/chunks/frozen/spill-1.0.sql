CREATE TABLE IF NOT EXISTS waiting (
  seq INTEGER PRIMARY KEY, key BLOB NOT NULL, value BLOB NOT NULL, headers TEXT NOT NULL,
  timestamp_ms INTEGER NOT NULL, size INTEGER NOT NULL);
INSERT INTO waiting VALUES (1, X'63616D2D31', X'0001FF', '[["schema", "ebmc.chunk/1"], ["ebmc_run", "c2cd\u00e9"]]', 1777636800123, 40);
INSERT INTO waiting VALUES (3, X'63616D2D31', X'', '[]', 1777636801123, 5);
