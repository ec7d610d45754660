"""A stream's media in short pieces on a Kafka topic: cut by `ebmc ingest`, turned into events by `ebmc worker`."""
